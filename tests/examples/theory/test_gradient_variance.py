"""Means and variances of gradients, integrated exactly (float64)."""

import math

import pytest
import torch
from gradient_variance import (
    ESTIMATORS,
    OF_TWO,
    Gradient,
    mean_and_variance,
    reinforce,
    reparameterized,
    with_the_best,
    with_the_mean,
    with_the_others,
)

MS = [-2.0, 0.0, 0.5, 1.0, 3.0]


@pytest.mark.parametrize(("gradient", "variance"), [(reinforce, 30.0), (reparameterized, 4.0)])
def test_the_variances_at_one_are_30_and_4(gradient: Gradient, variance: float) -> None:
    """T08."""
    assert mean_and_variance(gradient, 1.0) == pytest.approx((2.0, variance), abs=1e-10)


@pytest.mark.parametrize("m", MS)
@pytest.mark.parametrize("name", [*ESTIMATORS, *OF_TWO])
def test_each_estimator_has_the_mean_of_the_gradient(name: str, m: float) -> None:
    """T08: 2 m, with a baseline as without."""
    gradient, k = {**ESTIMATORS, **OF_TWO}[name]
    assert mean_and_variance(gradient, m, k)[0] == pytest.approx(2 * m, abs=1e-10)


@pytest.mark.parametrize("m", MS)
def test_variances_are_the_polynomials_of_the_docstring(m: float) -> None:
    """T08."""
    expected = {
        reparameterized: 4,
        reinforce: m**4 + 14 * m**2 + 15,
        with_the_mean: 8 * m**2 + 10,
        with_the_best: 8 * m**2 + 6,
    }
    for gradient, variance in expected.items():
        assert mean_and_variance(gradient, m)[1] == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("m", MS)
def test_two_draws_are_each_other_s_baseline(m: float) -> None:
    """T08: where two draws without one have half the variance of one."""
    assert mean_and_variance(with_the_others, m, 2)[1] == pytest.approx(8 * m**2 + 6, rel=1e-10)
    assert mean_and_variance(reinforce, m, 2)[1] == pytest.approx((m**4 + 14 * m**2 + 15) / 2, rel=1e-10)
    assert mean_and_variance(reparameterized, m, 2)[1] == pytest.approx(2, rel=1e-10)


@pytest.mark.parametrize("b", [-3.0, 0.0, 3.9, 4.1, 10.0])
def test_no_baseline_is_better_than_the_best(b: float) -> None:
    """T08: m^2 + 3 = 4 at m = 1."""
    mean, variance = mean_and_variance(lambda m, e: reinforce(m, e, lambda f: b), 1.0)
    assert mean == pytest.approx(2, abs=1e-10)
    assert variance == pytest.approx(30 - 8 * b + b**2, rel=1e-10)
    assert variance > mean_and_variance(with_the_best, 1.0)[1]


def test_a_baseline_that_looks_at_its_draw_changes_the_mean() -> None:
    """T08: b = f leaves nothing."""
    assert mean_and_variance(lambda m, e: reinforce(m, e, lambda f: f), 1.0) == (0.0, 0.0)


def test_draws_have_the_mean_and_the_variance_of_the_rule() -> None:
    """T08."""
    n = 200_000
    e = torch.randn(1, n, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    for gradient, variance in ((reinforce, 30.0), (reparameterized, 4.0)):
        drawn = gradient(1.0, e)
        assert abs(float(drawn.mean()) - 2) < 5 * math.sqrt(variance / n)
        assert float(drawn.var()) == pytest.approx(variance, rel=0.1)
