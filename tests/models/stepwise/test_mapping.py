"""Codes and data, step by step."""

from typing import final

import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.stepwise.mapping import Reconstruction, RowMap, apply
from pushforward.models.stepwise.program import OneCall, State


@final
class Scaling(RowMap):
    """Multiplies by a factor, c and the number of the step, and counts its steps."""

    def __init__(self, steps: int, factor: float) -> None:
        self._steps = steps
        self.factor = factor

    @property
    def steps(self) -> int:
        return self._steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        rows, c = given
        return rows, c, rows.new_zeros(len(rows))

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        rows, c, count = state
        assert len(noise) == len(rows)
        return self.factor * rows * c * (k[:, None] + 1), c, count + 1

    def finish(self, state: State, noise: Noise) -> Tensor:
        assert (state[2] == self.steps).all()
        return state[0]


def plus_c() -> OneCall[tuple[Tensor, Tensor], Tensor]:
    return OneCall(lambda x, c, _: x + c)


X, C = torch.tensor([[1.0], [2.0], [3.0]]), torch.tensor([[1.0], [2.0], [0.5]])


def test_a_map_takes_every_step() -> None:
    assert torch.equal(apply(Scaling(3, 2.0), X, C), X * 8 * 6 * C**3)
    assert torch.equal(apply(plus_c(), X, C), X + C)


def test_the_decoder_starts_where_the_encoder_ends() -> None:
    encoder, decoder = Scaling(2, 3.0), Scaling(3, 0.5)
    both = Reconstruction(encoder, decoder, (1,))
    assert both.steps == 5
    assert torch.allclose(apply(both, X, C), apply(decoder, apply(encoder, X, C), C))


def test_encoder_and_decoder_may_be_one_call() -> None:
    plus, steps = plus_c(), Scaling(2, 3.0)
    assert torch.equal(apply(Reconstruction(plus, plus, (1,)), X, C), X + 2 * C)
    assert torch.equal(apply(Reconstruction(plus, steps, (1,)), X, C), apply(steps, X + C, C))
    assert torch.equal(apply(Reconstruction(steps, plus, (1,)), X, C), apply(steps, X, C) + C)


def test_rows_that_are_encoded_and_rows_that_are_decoded_share_a_step() -> None:
    both, noise = Reconstruction(Scaling(2, 3.0), Scaling(3, 0.5), (1,)), Noise.rows(0, 3)
    state, k = both.init((X, C), noise), torch.tensor([0, 0, 0])
    for turn in range(both.steps + 2):  # row i starts i steps late
        running = (torch.arange(3) <= turn) & (k < both.steps)
        stepped = both.step(tuple(part[running] for part in state), k[running], noise[running.numpy()])
        state = tuple(part.clone() for part in state)
        for whole, part in zip(state, stepped, strict=True):
            whole[running] = part
        k[running] += 1
    assert torch.allclose(both.finish(state, noise), apply(both, X, C))
