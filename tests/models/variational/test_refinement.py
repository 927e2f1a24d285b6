"""Each row climbs its own hill."""

from collections.abc import Callable

import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.stepwise.program import run
from pushforward.models.variational.refinement import DRAWS, TRIAL, SemiAmortizedBound
from pushforward.models.variational.weighted_draws import Draws

TOP = torch.tensor([[1.0, -2.0], [300.0, 0.5], [0.0, 0.0]], dtype=torch.float64)
HEIGHT = torch.tensor([[1.0], [1e-4], [1e4]], dtype=torch.float64)


def hill(top: Tensor, height: Tensor, at: Tensor, draws: Draws) -> Tensor:
    return draws.repeat(-height[:, 0] * ((at - top) ** 2).sum(1))


def rough(top: Tensor, height: Tensor, at: Tensor, draws: Draws) -> Tensor:
    return hill(top, height, at + 0.1 * draws.noise.normal(draws.number, (2,)).view(-1, len(at), 2).mean(0), draws)


def climb(
    start: Callable[[Tensor], Tensor], steps: int, log_weight: Callable[..., Tensor] = hill
) -> SemiAmortizedBound:
    return SemiAmortizedBound(
        lambda top, _: start(top), log_weight, log_weight, k=2, n_steps=steps, first_draw=2, size=2
    )


def beside(top: Tensor) -> Tensor:
    return top + 1


def reached(scorer: SemiAmortizedBound, rows: slice, noise: Noise) -> Tensor:
    state = scorer.init((TOP[rows], HEIGHT[rows]), noise)
    for k in range(scorer.steps):
        state = scorer.step(state, torch.full((len(noise),), k), noise)
    return state[3]


def test_rows_reach_their_tops_whatever_the_heights() -> None:
    away = torch.tensor([[0.5, 1.0], [-2.0, 1.0], [1.0, -3.0]], dtype=torch.float64)
    assert torch.allclose(reached(climb(lambda top: top + away, 300), slice(3), Noise.rows(0, 3)), TOP, atol=1e-3)


def test_a_row_goes_the_same_way_alone_whatever_the_draws() -> None:
    scorer = climb(beside, 20, rough)
    alone = reached(scorer, slice(1, 2), Noise.rows(0, 1, start=1))
    torch.testing.assert_close(reached(scorer, slice(3), Noise.rows(0, 3))[1:2], alone)


def test_rows_at_different_steps_share_a_call() -> None:
    scorer, noise = climb(beside, 3, rough), Noise.rows(0, 2)
    first = scorer.step(scorer.init((TOP[:1], HEIGHT[:1]), noise[:1]), torch.tensor([0]), noise[:1])
    second = scorer.init((TOP[1:2], HEIGHT[1:2]), noise[1:])
    both = tuple(torch.cat(parts) for parts in zip(first, second, strict=True))
    together = scorer.step(both, torch.tensor([1, 0]), noise)
    for state, k, row in ((first, 1, 0), (second, 0, 1)):
        alone = scorer.step(state, torch.tensor([k]), noise[row : row + 1])
        for a, b in zip(alone, together, strict=True):
            torch.testing.assert_close(a[0], b[row])


def test_what_the_climb_gained_is_told_also_where_gradients_were_turned_off() -> None:
    """From 1 beside the top in both coordinates to the top: 2 times the height."""
    with torch.inference_mode():
        answer = run(climb(beside, 300), (TOP[:1].clone(), HEIGHT[:1].clone()), Noise.rows(0, 1))
    torch.testing.assert_close(answer.terms["amortization_gap_nats"], 2 * HEIGHT[:1, 0], atol=1e-4, rtol=0)
    torch.testing.assert_close(answer.value, torch.zeros(1).double(), atol=1e-4, rtol=0)


def test_what_stands_is_chosen_by_draws_that_no_step_and_no_bound_sees() -> None:
    weighed: set[int] = set()

    def recorded(top: Tensor, height: Tensor, at: Tensor, draws: Draws) -> Tensor:
        weighed.update(draws.number.tolist())
        return hill(top, height, at, draws)

    scorer = SemiAmortizedBound(lambda top, _: top, recorded, hill, k=2, n_steps=3, first_draw=2, size=2)
    run(scorer, (TOP, HEIGHT), Noise.rows(0, 3))
    stepped = range(2, 2 + 3 * DRAWS)
    assert weighed == {0, 1, *range(stepped.stop, stepped.stop + TRIAL)}


def test_a_row_that_cannot_gain_has_no_gap_also_where_nothing_is_possible() -> None:
    """At its top, and where every weight is zero."""
    answer = run(climb(lambda top: top, 3), (TOP, HEIGHT), Noise.rows(0, 3))
    assert answer.terms["amortization_gap_nats"].tolist() == [0.0] * 3

    def impossible(top: Tensor, height: Tensor, at: Tensor, draws: Draws) -> Tensor:
        return hill(top, height, at, draws) - torch.inf

    answer = run(climb(beside, 3, impossible), (TOP, HEIGHT), Noise.rows(0, 3))
    assert answer.terms["amortization_gap_nats"].tolist() == [0.0] * 3
