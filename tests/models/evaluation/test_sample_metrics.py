from itertools import pairwise
from math import exp, log, pi, sqrt

import numpy as np
import pytest

from pushforward.models.data import EightGaussians, GridGaussians
from pushforward.models.evaluation.sample_metrics import bits_per_dim, modes, sliced_wasserstein, wasserstein_1d


def test_w1_of_equal_sizes_is_the_mean_sorted_difference() -> None:
    """T46."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(200, 3)), rng.normal(1, 2, size=(200, 3))
    expected = np.abs(np.sort(x, 0) - np.sort(y, 0)).mean(0)
    assert wasserstein_1d(x, y) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(("n", "m"), [(7, 3), (10, 4), (5, 200), (1, 9)])
def test_w1_of_unequal_sizes_is_the_area_between_the_distribution_functions(n: int, m: int) -> None:
    """T46: int |F - G|."""
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(n, 1)), rng.normal(size=(m, 1))
    edges = np.sort(np.concatenate([x, y])[:, 0])
    area = sum((right - left) * abs((x <= left).mean() - (y <= left).mean()) for left, right in pairwise(edges))
    assert wasserstein_1d(x, y)[0] == pytest.approx(area, abs=1e-12)


def test_a_shift_is_as_far_as_its_mean_projection() -> None:
    """E |<theta, d>| = 2 / pi |d| in the plane."""
    x = np.random.default_rng(2).normal(size=(100, 2))
    assert sliced_wasserstein(x, x + np.array([3.0, 4.0]), projections=5_000) == pytest.approx(5 * 2 / pi, rel=0.03)


def test_a_sample_is_at_no_distance_from_itself_in_any_order() -> None:
    x = np.random.default_rng(3).normal(size=(50, 1, 4, 4))
    assert sliced_wasserstein(x, x[::-1]) == 0.0
    assert sliced_wasserstein(np.repeat(x, 3, 0), x) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("toy", [EightGaussians(), GridGaussians()], ids=lambda toy: toy.source)
def test_a_perfect_sampler_finds_every_mode_at_high_quality(toy: EightGaussians | GridGaussians) -> None:
    """T79: 98.889 %; here within four standard errors of 100,000 samples."""
    n, share = 100_000, 1 - exp(-4.5)
    reached = modes(toy.draw(n, np.random.default_rng(4)), toy.centers, toy.mode_std)
    assert reached.found == len(toy.centers)
    assert abs(reached.high_quality - share) < 4 * sqrt(share * (1 - share) / n)
    assert reached.hits.sum() == round(reached.high_quality * n)


def test_a_collapsed_sampler_finds_one_mode() -> None:
    toy = GridGaussians()
    reached = modes(np.tile(toy.centers[3], (100, 1)), toy.centers, toy.mode_std)
    assert (reached.found, reached.high_quality) == (1, 1.0)


def test_a_sample_between_modes_hits_none() -> None:
    toy = GridGaussians()
    assert modes(np.array([[1.0, 1.0]]), toy.centers, toy.mode_std).found == 0


def test_a_uniform_over_256_levels_costs_8_bits() -> None:
    assert bits_per_dim(-784 * log(256), 784) == pytest.approx(8.0)
