"""Probabilities of bins under a normal distribution."""

import math

import numpy as np
import pytest
import torch
from scipy.special import log_ndtr, logsumexp
from torch import Tensor

from pushforward.models.distributions.normal_bins import NARROW, log_cdf, log_probability

INNER = torch.zeros(1, dtype=torch.bool)


def numbers(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def expected(center: float, half: float) -> float:
    """Log [Phi(c + h) - Phi(c - h)], from the tail's side."""
    near, far = log_ndtr(half - abs(center)), log_ndtr(-abs(center) - half)
    return float(logsumexp([near, far], b=[1, -1]))


def slope_at(center: float, half: float) -> float:
    """[phi(c + h) - phi(c - h)] / P."""
    c = abs(center)
    log_near = -((c - half) ** 2) / 2 - math.log(2 * math.pi) / 2
    return math.copysign(math.exp(log_near - expected(c, half)) * math.expm1(-2 * c * half), -center)


@pytest.mark.parametrize("half", [0.021, 0.3, 2.0, 50.0])
@pytest.mark.parametrize("center", [-700.0, -12.0, -1.5, 0.0, 0.4, 3.0, 40.0])
def test_a_bin_has_the_normal_probability_however_far_out(center: float, half: float) -> None:
    found = log_probability(numbers(center), numbers(half), INNER, INNER)
    assert float(found) == pytest.approx(expected(center, half), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("center", [0.0, 0.7, -3.0, 30.0, 900.0])
@pytest.mark.parametrize("half", [NARROW * 0.999, 1e-3, 1e-7])
def test_a_narrow_bin_has_the_density_times_its_width(center: float, half: float) -> None:
    found = float(log_probability(numbers(center), numbers(half), INNER, INNER))
    tail = abs(center) * half
    sinhc = math.sinh(tail) / tail if tail else 1.0
    exact = -(center**2) / 2 - math.log(2 * math.pi) / 2 + math.log(2 * half) + math.log(sinhc)
    assert found == pytest.approx(exact, rel=1e-6, abs=half**2)


@pytest.mark.parametrize("center", [0.0, 0.7, -3.0, 30.0])
def test_narrow_and_wide_bins_meet(center: float) -> None:
    below, above = numbers(NARROW * (1 - 1e-9)), numbers(NARROW * (1 + 1e-9))
    narrow, wide = (log_probability(numbers(center), half, INNER, INNER) for half in (below, above))
    assert float(narrow) == pytest.approx(float(wide), abs=4e-4 * min(1.0, (center * NARROW) ** 2) + 1e-7)


def test_open_ends_make_the_probabilities_of_all_levels_add_up_to_one() -> None:
    for half in (1e-3, 0.1, 3.0):
        center = half * 2 * (torch.arange(9, dtype=torch.float64) - 3.3)
        ends = torch.arange(9)
        log_p = log_probability(center, numbers(half), ends == 0, ends == 8)
        assert float(log_p.exp().sum()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_pull_the_mean_to_the_bin_however_far_it_is(dtype: torch.dtype) -> None:
    """Torch's own gradient of log Phi is off by a factor of six at -1e4 in float32, and 0 at -1e6."""
    center = torch.tensor([-1e6, -1e4, -30.0, -1.0, 0.0, 1.0, 1e4], dtype=dtype, requires_grad=True)
    for half in (1e-3, 0.5):
        log_p = log_probability(center, torch.tensor(half, dtype=dtype), INNER, INNER)
        (slope,) = torch.autograd.grad(log_p.sum(), center)
        exact = [slope_at(float(at), half) for at in center.tolist()]
        assert slope.double().numpy() == pytest.approx(np.array(exact), rel=2e-3, abs=1e-6)


def test_the_cumulative_distribution_is_that_of_scipy() -> None:
    x = np.linspace(-40, 8, 97)
    assert log_cdf(torch.from_numpy(x)).numpy() == pytest.approx(log_ndtr(x), rel=1e-12, abs=1e-15)
    assert float(log_cdf(torch.tensor(-200.0))) == pytest.approx(float(log_ndtr(-200.0)), rel=1e-6)
