"""Distances between features."""

import numpy as np
import pytest
from scipy.linalg import sqrtm

from pushforward.models.evaluation.metrics.features import (
    FrechetDistance,
    KernelDistance,
    cubic_kernel,
    frechet_distance,
)
from tests.models.evaluation.metrics.sides import known, normal, side

ROOT = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-3.0, 0.2, 0.1]])
OTHER = np.array([[1.0, 0.3, 0.0], [0.0, 1.5, 0.0], [0.2, 0.0, 0.7]])


def exact(z: np.ndarray) -> np.ndarray:
    """The same rows with mean 0 and covariance I exactly."""
    z = z - z.mean(0)
    return z @ np.linalg.inv(np.linalg.cholesky(np.cov(z.T)).T)


def test_of_rows_with_exact_moments_it_is_the_distance_of_their_gaussians() -> None:
    """T77: |m - n|^2 + tr(S + T - 2 (S T)^(1/2)), S and T not commuting."""
    x, y = exact(normal(50, 3, seed=0)) @ ROOT.T + 1.0, exact(normal(70, 3, seed=1)) @ OTHER.T
    s, t = ROOT @ ROOT.T, OTHER @ OTHER.T
    closed = 3 + np.trace(s + t - 2 * sqrtm(s @ t).real)
    assert frechet_distance(x, y) == pytest.approx(closed, rel=1e-6)


def test_in_one_dimension_it_is_the_difference_of_means_and_of_deviations() -> None:
    """T77: (m - n)^2 + (s - t)^2."""
    x, y = (exact(np.repeat(normal(40, 2, seed=seed), 1, 1))[:, :1] for seed in (0, 1))
    x, y = (2 * (each - each.mean()) / each.std(ddof=1) for each in (x, y))
    assert frechet_distance(x + 3, 2.5 * y) == pytest.approx(9 + (2 - 5) ** 2, rel=1e-6)


def test_fewer_rows_than_features_have_a_distance() -> None:
    x, y = normal(5, 20, seed=0), normal(7, 20, seed=1)
    s, t = np.cov(x.T), np.cov(y.T)
    roots = np.sqrt(np.linalg.eigvals(s @ t).real.clip(0)).sum()
    shift = ((x.mean(0) - y.mean(0)) ** 2).sum()
    assert frechet_distance(x, y) == pytest.approx(shift + np.trace(s + t) - 2 * roots, rel=1e-5)


def test_of_one_distribution_the_frechet_distance_is_biased_upwards_by_about_one_over_n() -> None:
    """T77: halving the rows doubles it."""
    means = [
        np.mean([frechet_distance(normal(n, 4, seed=2 * i), normal(n, 4, seed=2 * i + 1)) for i in range(100)])
        for n in (100, 200, 400)
    ]
    assert means[0] / means[1] == pytest.approx(2, rel=0.1)
    assert means[1] / means[2] == pytest.approx(2, rel=0.1)
    assert means[2] > 0


@pytest.mark.parametrize("n", [20, 80])
def test_of_one_distribution_the_kernel_distance_has_the_mean_zero_at_any_number_of_rows(n: int) -> None:
    """T77: unbiased; z-score below 5."""
    found = [
        KernelDistance().measure(side(normal(n, 4, seed=2 * i)), side(normal(n, 4, seed=2 * i + 1)), known()).value
        for i in range(150)
    ]
    assert abs(np.mean(found)) < 5 * np.std(found) / np.sqrt(len(found))
    assert np.std(found) > 0


def test_the_kernel_is_cubic() -> None:
    f = np.array([[1.0, 2.0], [3.0, -1.0]])
    assert cubic_kernel(f) == pytest.approx(np.array([[3.5**3, 1.5**3], [1.5**3, 6.0**3]]))


@pytest.mark.parametrize("metric", [FrechetDistance(), KernelDistance()], ids=lambda metric: metric.name)
def test_a_shift_of_features_is_far(metric: FrechetDistance | KernelDistance) -> None:
    near = metric.measure(side(normal(300, seed=0)), side(normal(300, seed=1)), known()).value
    far = metric.measure(side(normal(300, seed=0, shift=1)), side(normal(300, seed=1)), known()).value
    assert far > 10 * abs(near)


def test_without_features_nothing_is_measured() -> None:
    x = side(normal(10, seed=0))._replace(features=None)
    with pytest.raises(ValueError, match="no features"):
        FrechetDistance().measure(x, x, known())
