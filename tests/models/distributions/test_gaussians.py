"""Gaussian codes against quadrature, draws and scipy (float64)."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from pushforward.models.distributions.gaussians import (
    Diagonal,
    Full,
    GaussianDistribution,
    kl_to_prior_nats,
    reparameterize,
    standard_log_prob,
)

MU = torch.tensor([[0.7, -1.2]], dtype=torch.float64)
LOG_VAR = torch.tensor([[-0.9, 0.4]], dtype=torch.float64)
L = torch.tensor([[[0.6, 0.0], [-0.9, 1.2]]], dtype=torch.float64)
BOTH = pytest.mark.parametrize("q", [Diagonal(MU, LOG_VAR), Full(MU, L)], ids=["diagonal", "cholesky"])


def covariance(q: GaussianDistribution) -> np.ndarray:
    """L L^T, by where unit vectors go."""
    step = torch.eye(2, dtype=torch.float64)
    columns = torch.cat([q.draw(e[None]) - q.mu for e in step]).T
    return (columns @ columns.T).numpy()


def eps(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def many(q: GaussianDistribution, n: int) -> GaussianDistribution:
    """The same distribution for n rows."""
    if isinstance(q, Diagonal):
        return Diagonal(q.mu.expand(n, -1), q.log_var.expand(n, -1))
    assert isinstance(q, Full)
    return Full(q.mu.expand(n, -1), q.scale.expand(n, -1, -1))


def quadrature_kl(mu: float, log_var: float) -> float:
    node, weight = np.polynomial.hermite_e.hermegauss(40)
    z = mu + math.exp(log_var / 2) * node
    integrand = -0.5 * (node**2 + log_var) + 0.5 * z**2  # log q - log p
    return float(weight @ integrand / weight.sum())


def test_the_divergence_from_the_prior_is_its_integral() -> None:
    """T06."""
    expected = sum(map(quadrature_kl, MU[0].tolist(), LOG_VAR[0].tolist()))
    assert float(kl_to_prior_nats(MU, LOG_VAR)) == pytest.approx(expected, rel=1e-9)
    assert float(kl_to_prior_nats(torch.zeros(1, 3), torch.zeros(1, 3))) == 0


@BOTH
def test_the_divergence_is_the_mean_of_the_log_ratio(q: GaussianDistribution) -> None:
    """T06."""
    n = 100_000
    z = many(q, n).draw(eps(n))
    ratio = many(q, n).log_prob(z) - standard_log_prob(z)
    error = float(ratio.std()) / math.sqrt(n)
    assert abs(float(ratio.mean() - q.kl_to_standard_nats())) < 5 * error


@BOTH
def test_the_divergence_has_its_closed_form(q: GaussianDistribution) -> None:
    """T06, in the covariance: 1/2 (tr S + |mu|^2 - Z - log det S)."""
    s, mu = covariance(q), q.mu[0].numpy()
    expected = 0.5 * (np.trace(s) + mu @ mu - 2 - np.linalg.slogdet(s)[1])
    assert float(q.kl_to_standard_nats()) == pytest.approx(expected, rel=1e-12)


@BOTH
def test_densities_are_those_of_scipy(q: GaussianDistribution) -> None:
    z = torch.tensor([[0.2, -3.0]], dtype=torch.float64)
    expected = multivariate_normal(q.mu[0].numpy(), covariance(q)).logpdf(z[0].numpy())
    assert float(q.log_prob(z)) == pytest.approx(expected, rel=1e-12)
    draw = eps(1)
    assert float(q.log_prob_of_draw(draw)) == pytest.approx(float(q.log_prob(q.draw(draw))), rel=1e-12)
    assert q.whiten(q.draw(draw)).numpy() == pytest.approx(draw.numpy(), rel=1e-12)


@BOTH
def test_draws_have_the_mean_and_covariance_they_are_given(q: GaussianDistribution) -> None:
    """T07: T(eps) = mu + L eps has the covariance L L^T."""
    n = 200_000
    z = many(q, n).draw(eps(n, 1))
    assert z.mean(0).numpy() == pytest.approx(MU[0].numpy(), abs=5 * 1.5 / math.sqrt(n))
    assert z.T.cov().numpy() == pytest.approx(covariance(q), abs=5 * 3.2 / math.sqrt(n))


def test_gradients_flow_through_a_draw_to_its_full_scale() -> None:
    """T07: d E|z|^2 / dL = 2 L."""
    n = 200_000
    scale = L.clone().requires_grad_()
    z = Full(MU.expand(n, -1), scale.expand(n, -1, -1)).draw(eps(n, 2))
    (gradient,) = torch.autograd.grad((z**2).sum(1).mean(), scale)
    assert gradient[0].tril().numpy() == pytest.approx(2 * L[0].numpy(), abs=0.04)


def test_gradients_flow_through_a_draw_to_its_scale() -> None:
    """T07: d E[z^2] / d log sigma^2 = sigma^2."""
    eps = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    log_var = LOG_VAR.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((reparameterize(MU, log_var, eps) ** 2).sum(1).mean(), log_var)
    assert gradient[0].numpy() == pytest.approx(LOG_VAR[0].exp().numpy(), abs=0.02)
