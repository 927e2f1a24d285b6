"""Noise that hardly costs likelihood, and rows known by heart that cost all of it (float64)."""

from math import log, pi

import numpy as np
import pytest
from likelihood_and_quality import (
    CENTERS,
    DATA,
    SHARE,
    draw_p,
    draw_p1,
    draw_p2,
    log_kernels,
    log_noise,
    log_p,
    log_p2,
    quality,
)
from scipy.integrate import trapezoid
from scipy.spatial.distance import cdist
from scipy.stats import multivariate_normal

RNG = np.random.default_rng(0)
ROWS, HELD_OUT = draw_p(1000, RNG), draw_p(1000, RNG)
SIDE = np.linspace(-60, 60, 481)
PLANE = np.stack(np.meshgrid(SIDE, SIDE), -1)


def over_the_plane(values: np.ndarray) -> float:
    return float(trapezoid(trapezoid(values.reshape(PLANE.shape[:2]), SIDE), SIDE))


def test_kernels_are_scipy_s_gaussians() -> None:
    parts = [multivariate_normal(center, 0.25).pdf(HELD_OUT) for center in CENTERS]
    assert np.exp(log_kernels(HELD_OUT, CENTERS, 0.5)) == pytest.approx(np.mean(parts, 0), rel=1e-10)


def test_the_densities_have_mass_one_and_the_data_their_entropy() -> None:
    log_density = log_p(PLANE.reshape(-1, 2))
    assert over_the_plane(np.exp(log_density)) == pytest.approx(1, abs=1e-9)
    assert over_the_plane(-np.exp(log_density) * log_density) == pytest.approx(DATA.entropy_nats, abs=1e-6)
    assert over_the_plane(np.exp(log_p2(PLANE.reshape(-1, 2)))) == pytest.approx(1, abs=1e-6)


def test_noise_costs_at_most_log_100_at_any_point() -> None:
    """T80: and by a little less, for the noise has its share of each point."""
    x = PLANE[200:281, 200:281].reshape(-1, 2)
    loss = log_p(x) - log_p2(x)
    assert loss == pytest.approx(-np.log(SHARE + (1 - SHARE) * np.exp(log_noise(x) - log_p(x))), abs=1e-12)
    assert 3.5 < loss.max() < log(100)


def test_held_out_rows_lose_less_than_log_100_by_noise() -> None:
    """T80: 4.605 nats."""
    loss = log_p(HELD_OUT) - log_p2(HELD_OUT)
    assert 3 < loss.mean() < log(100) == pytest.approx(4.605, abs=1e-3)


def test_the_bound_is_log_100_whatever_the_noise() -> None:
    """T80: with noise that never reaches the data it is met, and never passed."""
    log_density, nothing = log_p(HELD_OUT), np.full(len(HELD_OUT), -1e6)
    mixed = np.logaddexp(log(SHARE) + log_density, log(1 - SHARE) + nothing)
    assert log_density - mixed == pytest.approx(np.full(len(HELD_OUT), log(100)), abs=1e-12)
    assert (log_p2(HELD_OUT) > np.logaddexp(mixed, log_noise(HELD_OUT) + log(0.9))).all()


def test_samples_of_the_mixture_are_noise() -> None:
    """T80: 99 of 100; noise hits a mode now and then."""
    by_noise = quality(10.0 * RNG.standard_normal((20_000, 2)))
    expected = SHARE * (1 - np.exp(-4.5)) + (1 - SHARE) * by_noise
    assert quality(draw_p2(20_000, RNG)) == pytest.approx(expected, abs=0.01)
    assert expected < 0.1


def test_rows_known_by_heart_are_as_good_as_data() -> None:
    """T80: 98.889 % of high quality."""
    assert quality(ROWS) == pytest.approx(1 - np.exp(-4.5), abs=0.01)
    assert quality(draw_p1(20_000, RNG, ROWS, 0.01)) == pytest.approx(quality(ROWS), abs=0.01)


def test_held_out_rows_find_out_and_training_rows_do_not() -> None:
    """T80: their likelihoods part as h falls."""
    training = [log_kernels(ROWS, ROWS, h).mean() for h in (0.3, 0.03, 0.003)]
    held_out = [log_kernels(HELD_OUT, ROWS, h).mean() for h in (0.3, 0.03, 0.003)]
    assert training[0] < training[1] < training[2]
    assert held_out[0] > held_out[1] > held_out[2]
    assert held_out[2] < -100
    assert held_out[2] < log_p2(HELD_OUT).mean() < log_p(HELD_OUT).mean() < training[2]


@pytest.mark.parametrize("h", [0.3, 0.03, 0.003])
def test_both_are_within_their_bounds(h: float) -> None:
    """T80: above for rows that are not known, below for those that are."""
    peak = -log(2 * pi * h**2)
    nearest = cdist(HELD_OUT, ROWS).min(1)
    assert (log_kernels(HELD_OUT, ROWS, h) <= peak - nearest**2 / (2 * h**2) + 1e-9).all()
    assert (log_kernels(ROWS, ROWS, h) >= peak - log(len(ROWS)) - 1e-9).all()
