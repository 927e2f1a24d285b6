"""REINFORCE against reparameterization where both are known (float64)."""

import math

import pytest
import torch
from torch import Tensor

from pushforward.models.variational.score_function import leave_one_out, score_function

N = 400_000


def draws(seed: int, k: int = 1) -> Tensor:
    return torch.randn(k, N, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def by_path() -> Tensor:
    """The gradient of z^2 in m, z = m + eps, of each draw at m = 1."""
    m = torch.ones(N, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(((m + draws(0)) ** 2).sum(), m)
    return gradient


def by_score(k: int, *, baseline: bool) -> Tensor:
    """The same by log N(z; m, 1), the mean of k draws."""
    m = torch.ones(N, dtype=torch.float64, requires_grad=True)
    z = (m + draws(1, k)).detach()
    f = z**2
    surrogate = score_function(f, -0.5 * (z - m) ** 2, leave_one_out(f) if baseline else 0.0)
    assert torch.equal(surrogate, f)
    (gradient,) = torch.autograd.grad(surrogate.mean(0).sum(), m)
    return gradient


def test_both_ways_have_the_mean_and_each_its_variance() -> None:
    """T08: mean 2 m; variances 4 and 30 at m = 1."""
    for gradient, variance in ((by_path(), 4.0), (by_score(1, baseline=False), 30.0)):
        assert abs(float(gradient.mean()) - 2) < 5 * math.sqrt(variance / N)
        assert float(gradient.var()) == pytest.approx(variance, rel=0.05)


def test_a_baseline_of_the_other_draws_keeps_the_mean_and_lessens_the_variance() -> None:
    """T08."""
    plain, steadied = by_score(4, baseline=False), by_score(4, baseline=True)
    assert abs(float(steadied.mean()) - 2) < 5 * float(steadied.std()) / math.sqrt(N)
    assert float(steadied.var()) < 0.9 * float(plain.var())


def test_a_baseline_that_looks_at_its_own_draw_is_biased() -> None:
    """T08: the mean of all draws, the own one among them, shrinks the gradient by 1 - 1/k."""
    m = torch.ones(N, dtype=torch.float64, requires_grad=True)
    z = (m + draws(1, 4)).detach()
    f = z**2
    surrogate = score_function(f, -0.5 * (z - m) ** 2, f.mean(0))
    (gradient,) = torch.autograd.grad(surrogate.mean(0).sum(), m)
    assert float(gradient.mean()) == pytest.approx(1.5, abs=5 * float(gradient.std()) / math.sqrt(N))


def test_of_a_constant_no_noise_is_left() -> None:
    f = torch.full((3, 2), 7.0)
    log_q = torch.randn(3, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    (gradient,) = torch.autograd.grad(score_function(f, log_q, leave_one_out(f)).sum(), log_q)
    assert float(gradient.abs().max()) == 0
