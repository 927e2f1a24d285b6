"""Diagonal Gaussian codes against quadrature and draws."""

import math

import numpy as np
import pytest
import torch

from models.objectives.gaussians import kl_to_prior_nats, log_prior_ratio_nats, reparameterize

MU = torch.tensor([[0.7, -1.2]], dtype=torch.float64)
LOG_VAR = torch.tensor([[-0.9, 0.4]], dtype=torch.float64)


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


def test_the_divergence_is_the_mean_of_the_log_ratio() -> None:
    """T06."""
    eps = torch.randn(100_000, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ratio = -log_prior_ratio_nats(reparameterize(MU, LOG_VAR, eps), LOG_VAR, eps)
    error = float(ratio.std()) / math.sqrt(len(ratio))
    assert abs(float(ratio.mean() - kl_to_prior_nats(MU, LOG_VAR))) < 5 * error


def test_draws_have_the_mean_and_covariance_they_are_given() -> None:
    """T07."""
    n = 200_000
    eps = torch.randn(n, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    z = reparameterize(MU, LOG_VAR, eps)
    assert z.mean(0).numpy() == pytest.approx(MU[0].numpy(), abs=5 * 1.3 / math.sqrt(n))
    covariance = np.diag(LOG_VAR[0].exp().numpy())
    assert z.T.cov().numpy() == pytest.approx(covariance, abs=5 * 2.2 / math.sqrt(n))


def test_gradients_flow_through_a_draw_to_its_scale() -> None:
    """T07: d E[z^2] / d log sigma^2 = sigma^2."""
    eps = torch.randn(200_000, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    log_var = LOG_VAR.clone().requires_grad_()
    (gradient,) = torch.autograd.grad((reparameterize(MU, log_var, eps) ** 2).sum(1).mean(), log_var)
    assert gradient[0].numpy() == pytest.approx(LOG_VAR[0].exp().numpy(), abs=0.02)
