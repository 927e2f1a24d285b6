"""Integrands against quadrature."""

import numpy as np
import pytest
import torch

from pushforward.models.data.integrands import Camel, CornerPeak, GaussianPeak, Integrand, Oscillatory, ProductPeak

INTEGRANDS = [
    Oscillatory(a=4.0, u=0.3),
    ProductPeak(a=3.0, u=0.4),
    CornerPeak(a=2.0),
    GaussianPeak(a=4.0, u=0.2),
    Camel(s=0.2),
]
each_integrand = pytest.mark.parametrize("f", INTEGRANDS, ids=lambda f: f.integrand)


@each_integrand
@pytest.mark.parametrize("d", [1, 2, 3])
def test_an_integral_is_that_of_the_function(f: Integrand, d: int) -> None:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    x = torch.cartesian_prod(*[torch.from_numpy(nodes + 1) / 2] * d).view(-1, d)
    weight = torch.cartesian_prod(*[torch.from_numpy(weights) / 2] * d).view(-1, d).prod(1)
    assert float(weight @ f(x)) == pytest.approx(f.integral(d), rel=1e-9, abs=1e-12)


def test_the_alternating_sum_of_a_corner_peak_keeps_its_digits() -> None:
    """As E_s e^-s int e^(-s a sum x) dx, s ~ Gamma(d + 1): one-dimensional in s."""
    a, d = 3.0, 16
    nodes, weights = np.polynomial.laguerre.laggauss(120)
    value = weights @ ((-np.expm1(-a * nodes)) ** d / a**d) / np.prod(np.arange(1.0, d + 1))
    assert CornerPeak(a=a).integral(d) == pytest.approx(value, rel=1e-8)


@each_integrand
def test_a_function_is_evaluated_row_by_row(f: Integrand) -> None:
    x = torch.rand(5, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(f(x)[2:3], f(x[2:3]))
    assert f(x).shape == (5,)
