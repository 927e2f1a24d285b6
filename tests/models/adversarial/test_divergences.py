"""Fits of one Gaussian to a mixture of two, under divergences that cover modes or seek one (float64 quadrature)."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import norm

GRID = np.linspace(-12, 12, 4801)
STEP = GRID[1] - GRID[0]
MODES, SPREAD = (-3.0, 3.0), 0.6
WEIGHTS = (0.6, 0.4)

LogDensity = np.ndarray
Divergence = Callable[[LogDensity, LogDensity], float]


def mixture() -> LogDensity:
    return np.logaddexp(*(math.log(w) + norm(m, SPREAD).logpdf(GRID) for w, m in zip(WEIGHTS, MODES, strict=True)))


def kl(log_p: LogDensity, log_q: LogDensity) -> float:
    return float((np.exp(log_p) * (log_p - log_q)).sum() * STEP)


def reverse_kl(log_p: LogDensity, log_q: LogDensity) -> float:
    return kl(log_q, log_p)


def js(log_p: LogDensity, log_q: LogDensity) -> float:
    middle = np.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * kl(log_p, middle) + 0.5 * kl(log_q, middle)


def fitted(divergence: Divergence, start: tuple[float, float]) -> tuple[float, float, float]:
    """Mean and standard deviation of the nearest Gaussian from a start, and its divergence."""
    log_p = mixture()
    found = minimize(
        lambda at: divergence(log_p, norm(at[0], math.exp(at[1])).logpdf(GRID)),
        (start[0], math.log(start[1])),
        method="Nelder-Mead",
        options={"xatol": 1e-8, "fatol": 1e-12, "maxiter": 2000},
    )
    return float(found.x[0]), float(math.exp(found.x[1])), float(found.fun)


def best(divergence: Divergence) -> tuple[float, float, float]:
    return min((fitted(divergence, start) for start in ((0.0, 3.0), (-3.0, 0.6), (3.0, 0.6))), key=lambda fit: fit[2])


def test_the_nearest_gaussian_by_kl_matches_moments_and_covers_both_modes() -> None:
    """T57: maximum likelihood."""
    mean = sum(w * m for w, m in zip(WEIGHTS, MODES, strict=True))
    variance = SPREAD**2 + sum(w * m**2 for w, m in zip(WEIGHTS, MODES, strict=True)) - mean**2
    found = best(kl)
    assert found[0] == pytest.approx(mean, abs=1e-5)
    assert found[1] == pytest.approx(math.sqrt(variance), rel=1e-5)


def test_the_nearest_gaussian_by_reverse_kl_sits_on_the_heavier_mode() -> None:
    """T57: and pays log 1/0.6 for the other."""
    mean, spread, value = best(reverse_kl)
    assert mean == pytest.approx(-3.0, abs=0.01)
    assert spread == pytest.approx(SPREAD, rel=0.01)
    assert value == pytest.approx(-math.log(0.6), abs=1e-3)


def test_every_mode_is_a_stationary_point_of_reverse_kl() -> None:
    mean, _, value = fitted(reverse_kl, (3.0, 0.6))
    assert mean == pytest.approx(3.0, abs=0.01)
    assert value == pytest.approx(-math.log(0.4), abs=1e-3)


def test_the_nearest_gaussian_by_jensen_shannon_lies_between_the_two() -> None:
    """T57."""
    covering, seeking, between = best(kl), best(reverse_kl), best(js)
    assert seeking[1] < between[1] < covering[1]
    assert seeking[0] < between[0] < covering[0]
    assert between[2] < math.log(2)
