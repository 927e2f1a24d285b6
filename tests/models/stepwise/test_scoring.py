"""Likelihoods taken step by step are those taken at once."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.families.diffusion import Diffusion, ScoringOptions
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import OneCall, run
from pushforward.models.stepwise.sampling import no_condition
from pushforward.models.stepwise.scoring import LogProb, Scorer

FAMILY = Diffusion(width=8, depth=1)
POINTS = DataSpec(shape=(2,), shift=(1.0, -1.0), scale=(2.0, 0.5))
LEVELS = DataSpec(shape=(9,), low=0, high=4, levels=5, shift=(2.0,), scale=(2.0,))


def nets_of(spec: DataSpec) -> Nets:
    torch.manual_seed(0)
    nets = FAMILY.build(spec).requires_grad_(False)
    for weights in nets.parameters():
        weights += 0.1 * torch.randn_like(weights)
    return nets


def rows(spec: DataSpec, n: int) -> Tensor:
    x = torch.randn(n, *spec.shape, generator=torch.Generator().manual_seed(1))
    return spec.quantize(spec.denormalize(x))


def out_of_step(scorer: Scorer, x: Tensor, noise: Noise) -> LogProb:
    """Row i begins i steps later than row 0; all that are under way share each call."""
    n = len(x)
    state, k = scorer.init((x, no_condition(x)), noise), np.zeros(n, np.int64)
    for turn in range(scorer.steps + n - 1):
        under_way = np.flatnonzero((np.arange(n) <= turn) & (k < scorer.steps))
        moved = scorer.step(tuple(part[under_way] for part in state), torch.from_numpy(k[under_way]), noise[under_way])
        state = tuple(whole.clone() for whole in state)
        for whole, part in zip(state, moved, strict=True):
            whole[under_way] = part
        k[under_way] += 1
    return scorer.finish(state, noise)


@pytest.mark.parametrize(
    ("spec", "options"),
    [
        (POINTS, ScoringOptions(steps=4)),
        (POINTS, ScoringOptions(steps=4, draws=3, divergence="hutchinson")),
        (LEVELS, ScoringOptions(steps=4, draws=2)),
        (LEVELS, ScoringOptions(steps=4, draws=2, divergence="exact")),
    ],
    ids=["exact", "probes", "levels", "levels, exact"],
)
def test_rows_at_different_steps_and_draws_score_as_if_together(spec: DataSpec, options: ScoringOptions) -> None:
    nets, x, noise = nets_of(spec), rows(spec, 5), Noise.rows(3, 5)
    together = FAMILY.log_prob(nets, x, no_condition(x), noise, options)
    apart = out_of_step(FAMILY.scorer(nets, options), x, noise)
    torch.testing.assert_close(apart.value, together.value, rtol=1e-5, atol=1e-4)
    assert apart.kind == together.kind
    if together.std_error is not None:
        torch.testing.assert_close(apart.std_error, together.std_error, rtol=1e-4, atol=1e-4)


def test_a_step_leaves_the_state_before_it_as_it_was() -> None:
    nets, x, noise = nets_of(LEVELS), rows(LEVELS, 3), Noise.rows(3, 3)
    scorer = FAMILY.scorer(nets, ScoringOptions(steps=4, draws=2))
    states = [scorer.init((x, no_condition(x)), noise)]
    copies = [[part.clone() for part in states[0]]]
    for k in range(scorer.steps):
        states.append(scorer.step(states[-1], torch.full((3,), k), noise))
        copies.append([part.clone() for part in states[-1]])
    for (state, _), copy in zip(pairwise([*states, states[-1]]), copies, strict=True):
        torch.testing.assert_close(list(state), copy, rtol=0, atol=0)


def test_a_family_without_steps_is_one_call() -> None:
    def log_prob(x: Tensor, c: Tensor, noise: Noise) -> LogProb:
        return LogProb(-x.square().sum(1) + noise.uniform(0, (1,))[:, 0], "exact")

    x, noise = rows(POINTS, 4), Noise.rows(0, 4)
    scorer = OneCall(log_prob)
    assert scorer.steps == 0
    torch.testing.assert_close(
        run(scorer, (x, no_condition(x)), noise).value, log_prob(x, no_condition(x), noise).value
    )
