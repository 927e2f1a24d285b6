"""Gumbel's trick, its relatives and its relaxation (float64)."""

import math

import pytest
import torch
from scipy.integrate import quad
from scipy.stats import chisquare
from torch import Tensor

from pushforward.models.distributions.categorical import (
    gumbel,
    gumbel_like,
    hard_codes,
    kl_to_uniform_nats,
    log_concrete_density,
    relaxed_codes,
)

PHI = torch.tensor([1.0, -0.5, 0.3, 0.0], dtype=torch.float64)
Z = float(PHI.exp().sum())
EULER = 0.5772156649015329
N = 200_000


def noise(seed: int = 0) -> Tensor:
    return gumbel_like(PHI.expand(N, -1), torch.Generator().manual_seed(seed))


def z_score(values: Tensor, mean: float) -> float:
    return abs(float((values.mean() - mean) / (values.std() / math.sqrt(len(values)))))


def test_the_argmax_is_a_categorical_draw() -> None:
    """T35: frequencies are pi."""
    counts = hard_codes(PHI + noise()).sum(0)
    assert chisquare(counts.numpy(), (N * PHI.softmax(0)).numpy()).pvalue > 1e-4


def test_the_maximum_is_gumbel_around_log_z() -> None:
    """T35: E max(phi + g) = log Z + gamma, variance pi^2 / 6."""
    top = (PHI + noise()).max(1).values
    assert z_score(top, math.log(Z) + EULER) < 5
    assert float(top.var()) == pytest.approx(math.pi**2 / 6, rel=0.02)


def test_the_least_exponential_is_a_relative_that_estimates_one_over_z() -> None:
    """T35: min_k E_k / exp(phi_k) ~ Exp(Z) has mean 1 / Z (Balog et al.)."""
    exponential = (-noise()).exp()
    assert z_score((exponential / PHI.exp()).min(1).values, 1 / Z) < 5


def test_uniforms_become_gumbels() -> None:
    u = (torch.arange(N, dtype=torch.float64) + 0.5) / N
    assert float(gumbel(u).mean()) == pytest.approx(EULER, abs=1e-4)
    assert bool(gumbel(torch.tensor([2.0**-24, 1 - 2.0**-24])).isfinite().all())


@pytest.mark.parametrize("tau", [0.4, 1.0, 2.5])
def test_the_concrete_density_integrates_to_one(tau: float) -> None:
    """T36: K = 2, along the simplex y = (t, 1 - t), in the logit of t."""
    log_pi = torch.tensor([0.8, -0.4], dtype=torch.float64).log_softmax(0)

    def density(logit: float) -> float:
        y = torch.tensor([logit, -logit], dtype=torch.float64).sigmoid()
        return math.exp(float(log_concrete_density(y, log_pi, tau))) * float(y.prod())

    total, _ = quad(density, -100, 100, epsabs=1e-10, limit=200, points=[0])
    assert total == pytest.approx(1, abs=1e-6)


def test_relaxed_draws_have_the_concrete_density() -> None:
    """T36: K = 2, the mean of y_1 by draws and by quadrature."""
    log_pi, tau = torch.tensor([0.8, -0.4], dtype=torch.float64).log_softmax(0), 0.7
    scores = log_pi + gumbel_like(log_pi.expand(N, -1), torch.Generator().manual_seed(1))

    def integrand(t: float) -> float:
        y = torch.tensor([t, 1 - t], dtype=torch.float64)
        return t * math.exp(float(log_concrete_density(y, log_pi, tau)))

    mean, _ = quad(integrand, 0, 1, epsabs=1e-8)
    assert z_score(relaxed_codes(scores, tau)[:, 0], mean) < 5


def test_cold_draws_are_one_hot_at_the_maximum() -> None:
    """T36: tau -> 0."""
    scores = (PHI + noise())[:1000]
    gap = scores.topk(2, dim=1).values.diff(dim=1).abs().squeeze()
    clear = scores[gap > 1e-2]
    assert torch.allclose(relaxed_codes(clear, 1e-4), hard_codes(clear), atol=1e-12)


def test_warm_draws_are_inside_the_simplex() -> None:
    y = relaxed_codes((PHI + noise())[:1000], 1.0)
    assert torch.allclose(y.sum(1), torch.ones(1000).double())
    assert float(y.max()) < 1


def test_the_divergence_from_uniform_codes_is_between_zero_and_their_logarithm() -> None:
    certain = torch.tensor([30.0, 0.0, 0.0, 0.0], dtype=torch.float64).log_softmax(0)
    log_pi = torch.stack([torch.zeros(4).double().log_softmax(0), certain, PHI.log_softmax(0)])[:, None].expand(3, 2, 4)
    flat, sharp, some = kl_to_uniform_nats(log_pi).tolist()
    assert flat == pytest.approx(0, abs=1e-12)
    assert sharp == pytest.approx(2 * math.log(4), abs=1e-9)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Categorical(logits=PHI), torch.distributions.Categorical(logits=torch.zeros(4).double())
    )
    assert some == pytest.approx(2 * float(expected), rel=1e-12)
