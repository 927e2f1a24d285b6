"""Quadrature against closed forms (float64)."""

import math

import pytest
import torch
from divergences import X, integral, jsd, kl, log_mixture, log_normal
from scipy.integrate import quad
from scipy.stats import norm


def test_a_density_has_the_mass_one() -> None:
    for log_p in (log_normal(X, 3.0, 0.05), log_mixture(X, (0.3, 0.7), (-2.0, 2.0), 0.5)):
        assert float(integral(log_p.exp())) == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize(("m", "s"), [(0.0, 1.0), (3.0, 1.0), (-1.0, 0.3), (0.5, 1.2)])
def test_the_divergence_of_two_gaussians_is_the_closed_form(m: float, s: float) -> None:
    closed = -math.log(s) + (s**2 + m**2 - 1) / 2
    assert float(kl(log_normal(X, m, s), log_normal(X))) == pytest.approx(closed, abs=1e-12)


def test_the_jensen_shannon_divergence_is_scipy_s_integral() -> None:
    """T37: .11142148 between N(0, 1) and N(1, 1)."""

    def half(x: float, at: float) -> float:
        m = (norm.pdf(x) + norm.pdf(x, 1)) / 2
        return float(norm.pdf(x, at) * math.log(norm.pdf(x, at) / m) / 2)

    theirs = sum(quad(half, -10, 11, args=(at,), epsabs=1e-12)[0] for at in (0, 1))
    ours = float(jsd(log_normal(X), log_normal(X, 1.0)))
    assert ours == pytest.approx(theirs, abs=1e-10)
    assert ours == pytest.approx(0.11142148, abs=1e-8)


def test_the_jensen_shannon_divergence_ends_at_log_2() -> None:
    assert float(jsd(log_normal(X), log_normal(X))) == pytest.approx(0, abs=1e-14)
    far = jsd(log_normal(X, -8.0, 0.2), log_normal(X, 8.0, 0.2))
    assert float(far) == pytest.approx(math.log(2), abs=1e-12)


def test_gradients_pass_through_an_integral() -> None:
    theta = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(kl(log_normal(X, theta), log_normal(X)), theta)
    assert float(gradient) == pytest.approx(1.5, abs=1e-12)
