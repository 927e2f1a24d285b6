"""Multinomial diffusion against chains of transition matrices and Bayes' rule (float64)."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.paths import multinomial
from pushforward.models.paths.schedules import Cosine, LinearSchedule, Schedule

SIZES = (2, 3)
SCHEDULES: list[Schedule] = [LinearSchedule(), Cosine()]


def alpha_bars(schedule: Schedule, T: int) -> np.ndarray:
    return np.append(1.0, 1 / (1 + np.exp(-schedule.log_snr(T))))


def transition(alpha: float, n: int) -> np.ndarray:
    """q(k_t = column | k_s = row)."""
    return alpha * np.eye(n) + (1 - alpha) / n


def rows(k: list[int], sizes: tuple[int, ...] = SIZES) -> Tensor:
    """One-hot choices of one row."""
    return torch.cat([torch.eye(n)[i] for i, n in zip(k, sizes, strict=True)])[None]


def at(value: float) -> Tensor:
    return torch.tensor([value], dtype=torch.float64)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: s.schedule)
def test_a_chain_of_transitions_is_the_noise_of_its_last_level(schedule: Schedule) -> None:
    bars = alpha_bars(schedule, 12)
    for t in (1, 5, 12):
        found = multinomial.noisy(rows([1, 2]), at(bars[t]), SIZES).exp()[0].numpy()
        for n, k, part in ((2, 1, found[:2]), (3, 2, found[2:])):
            chain = np.linalg.multi_dot([np.eye(n), *(transition(bars[s] / bars[s - 1], n) for s in range(1, t + 1))])
            np.testing.assert_allclose(part, chain[k], rtol=1e-9)


@pytest.mark.parametrize(("t", "s"), [(9, 8), (9, 3), (5, 4), (2, 1), (1, 0), (9, 0)])
def test_the_posterior_is_bayes_rule(t: int, s: int) -> None:
    bars = alpha_bars(Cosine(), 12)
    for k0 in range(3):
        for kt in range(3):
            found = multinomial.posterior(rows([0, kt]), rows([1, k0]), at(bars[t]), at(bars[s]), SIZES)[0, 2:]
            of_s, to_t = transition(bars[s], 3)[k0], transition(bars[t] / bars[s], 3)[:, kt]
            np.testing.assert_allclose(found.numpy(), of_s * to_t / transition(bars[t], 3)[k0, kt], rtol=1e-9)


def test_the_frequencies_of_a_single_choice_give_its_reverse_process_at_every_level() -> None:
    p, bars = np.array([0.5, 0.1, 0.4]), alpha_bars(Cosine(), 12)
    for t in range(1, 13):
        for kt in range(3):
            joint = p @ transition(bars[t - 1], 3) * transition(bars[t] / bars[t - 1], 3)[:, kt]
            found = multinomial.posterior(
                rows([kt], (3,)), torch.from_numpy(p)[None], at(bars[t]), at(bars[t - 1]), (3,)
            )
            np.testing.assert_allclose(found[0].numpy(), joint / joint.sum(), rtol=1e-9)


def test_distributions_sum_to_one_in_each_block() -> None:
    logits = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    for p in (multinomial.distribution(logits, SIZES), multinomial.uniform(logits, SIZES)):
        torch.testing.assert_close(p[:, :2].sum(1), torch.ones(4, dtype=torch.float64))
        torch.testing.assert_close(p[:, 2:].sum(1), torch.ones(4, dtype=torch.float64))


def test_the_divergence_of_each_choice_is_that_of_torch() -> None:
    generator = torch.Generator().manual_seed(0)
    q, p = (multinomial.distribution(torch.randn(4, 5, generator=generator), SIZES) for _ in range(2))
    of_torch = [
        torch.distributions.kl_divergence(
            torch.distributions.Categorical(q[:, part]), torch.distributions.Categorical(p[:, part])
        )
        for part in (slice(2), slice(2, 5))
    ]
    torch.testing.assert_close(multinomial.divergence(q, p, SIZES), torch.stack(of_torch, 1))
    torch.testing.assert_close(multinomial.divergence(rows([0, 1]).double(), q[:1], SIZES)[0, 0], -q[0, 0].log())


def test_a_row_without_choices_has_nothing_to_dissolve() -> None:
    none = torch.zeros(3, 0)
    assert multinomial.noisy(none, at(0.5).expand(3), ()).shape == (3, 0)
    assert multinomial.divergence(none.double(), none.double(), ()).shape == (3, 0)
