"""Classifier two-sample tests."""

from statistics import NormalDist

import numpy as np
import pytest
from scipy.stats import binom

from pushforward.models.evaluation.metrics.classifiers.classifier_tests import (
    ClassifierTest,
    Logistic,
    NearestNeighbors,
    of_hits,
)
from tests.models.evaluation.metrics.sides import known, normal, side

TESTS = [Logistic(), NearestNeighbors()]


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_of_one_distribution_hits_are_binomial(test: ClassifierTest) -> None:
    """T76: of Bin(n, 1/2) at most, since test rows are balanced; mean and variance within five standard errors."""
    repeats, n = 150, 100
    hits = np.array([
        round(n * test.measure(side(normal(n, seed=3 * i)), side(normal(n, seed=3 * i + 1)), known(seed=i)).value)
        for i in range(repeats)
    ])  # fmt: skip
    assert abs(hits.mean() - n / 2) < 5 * np.sqrt(n / 4 / repeats)
    assert hits.var() < n / 4 * (1 + 5 * np.sqrt(2 / repeats))
    assert (hits >= binom.ppf(0.95, n, 0.5)).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / repeats)


def test_the_best_accuracy_between_two_gaussians_is_reached() -> None:
    """T76: 1/2 + TV / 2 = Phi(1/2) = .69146 for N(0, 1) and N(1, 1)."""
    best = NormalDist().cdf(0.5)
    assert best == pytest.approx(0.69146, abs=5e-6)
    n = 20_000
    found = Logistic().measure(side(normal(n, 1, seed=0)), side(normal(n, 1, seed=1, shift=1)), known())
    assert abs(found.value - best) < 5 * np.sqrt(best * (1 - best) / n)
    low, high = found.interval or (0, 0)
    assert low < best < high


def test_neighbors_do_not_beat_the_best_accuracy() -> None:
    best, n = NormalDist().cdf(0.5), 4_000
    found = NearestNeighbors().measure(side(normal(n, 1, seed=0)), side(normal(n, 1, seed=1, shift=1)), known())
    error = np.sqrt(best * (1 - best) / n)
    assert best - 0.02 - 5 * error < found.value < best + 5 * error


@pytest.mark.parametrize("test", TESTS, ids=lambda test: test.name)
def test_a_wider_gaussian_is_told_from_a_narrow_one_of_the_same_mean(test: ClassifierTest) -> None:
    found = test.measure(side(2 * normal(500, seed=0)), side(normal(500, seed=1)), known())
    assert found.p_value is not None
    assert found.p_value < 1e-6


def test_a_larger_side_gives_no_advantage() -> None:
    found = NearestNeighbors().measure(side(normal(4_000, seed=0)), side(normal(100, seed=1)), known())
    assert found.std_error == pytest.approx(np.sqrt(found.value * (1 - found.value) / 100))
    assert (found.p_value or 0) > 0.01


def test_the_interval_is_wilsons() -> None:
    """Of 8 hits among 10, by hand: center (p + z^2/2n) / (1 + z^2/n), and so on."""
    z, n, p = NormalDist().inv_cdf(0.975), 10, 0.8
    center = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    measured = of_hits(8, 10)
    assert measured.interval == pytest.approx((center - half, center + half))
    assert measured.p_value == pytest.approx((45 + 10 + 1) / 2**10)
