"""The unbiased squared discrepancy and its permutation test."""

import numpy as np
import pytest
from scipy.stats import kstest

from pushforward.models.evaluation.metrics.distances import squared_distances
from pushforward.models.evaluation.metrics.two_sample import jackknife_error, kernel_test, mmd2
from tests.models.evaluation.metrics.sides import normal


def gaussian_kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = np.concatenate([x, y])
    return np.exp(-squared_distances(z, z) / 2)


def p_value(seed: int, *, shift: float = 0.0, n: int = 20, m: int = 30) -> float:
    x, y = normal(n, 1, seed=2 * seed, shift=shift), normal(m, 1, seed=2 * seed + 1)
    measured = kernel_test(gaussian_kernel(x, y), n, np.random.default_rng(seed), permutations=99)
    assert measured.p_value is not None
    return measured.p_value


def test_the_estimate_is_the_mean_over_pairs_of_different_rows() -> None:
    x, y = normal(4, seed=0), normal(5, seed=1)
    k = gaussian_kernel(x, y)
    xx = np.mean([k[i, j] for i in range(4) for j in range(4) if i != j])
    yy = np.mean([k[i, j] for i in range(4, 9) for j in range(4, 9) if i != j])
    measured = kernel_test(k, 4, np.random.default_rng(0))
    assert measured.value == pytest.approx(xx + yy - 2 * k[:4, 4:].mean(), abs=1e-12)


def test_its_mean_is_the_closed_form_of_two_gaussians() -> None:
    """Of N(0, 1) and N(s, 1) by exp(-d^2 / 2): E k(x, y) = exp(-s^2 / 6) / sqrt(3); z-score below 5."""
    values = [kernel_test(gaussian_kernel(normal(15, 1, seed=i, shift=1), normal(10, 1, seed=9_000 + i)), 15,
                          np.random.default_rng(0), permutations=0).value for i in range(400)]  # fmt: skip
    exact = 2 / np.sqrt(3) * (1 - np.exp(-1 / 6))
    assert abs(np.mean(values) - exact) < 5 * np.std(values) / 20


def test_the_p_value_is_uniform_where_both_sides_are_one_distribution() -> None:
    """T75: p = (1 + #) / (1 + B) is super-uniform: P(p <= a) <= a; Kolmogorov and Smirnov's test on 200 repeats."""
    p = np.array([p_value(seed) for seed in range(200)])
    assert kstest(p, "uniform").pvalue > 0.01
    for level in (0.05, 0.1, 0.25, 0.5):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level * (1 - level) / 200)
    assert p.min() >= 0.01


def test_a_shift_of_one_standard_deviation_is_found() -> None:
    """T75, power; the test that never rejects would be uniform too."""
    p = np.array([p_value(seed, shift=1.0) for seed in range(60)])
    assert (p <= 0.05).mean() > 0.8


def test_ties_count_against_a_difference() -> None:
    """All rows equal: every permutation is as large as what is observed, and p = 1."""
    assert kernel_test(np.ones((10, 10)), 5, np.random.default_rng(0)).p_value == 1.0


def test_the_diagonal_has_no_part_in_the_estimate() -> None:
    k = gaussian_kernel(normal(6, seed=0), normal(6, seed=1))
    more = k + 7 * np.eye(12)
    one, other = (kernel_test(each, 6, np.random.default_rng(0)) for each in (k, more))
    assert one.value == pytest.approx(other.value, abs=1e-12)
    assert one.p_value == other.p_value


def test_the_jackknife_leaves_one_row_out_at_a_time() -> None:
    x, y = normal(6, seed=0), normal(5, seed=1)
    k = gaussian_kernel(x, y)
    np.fill_diagonal(k, 0)
    without = []
    for i in range(11):
        kept = [j for j in range(11) if j != i]
        marks = (np.array(kept) < 6).astype(float)[:, None]
        without.append(float(mmd2(k[np.ix_(kept, kept)], marks)[0]))
    expected = 5 * np.var(without[:6]) + 4 * np.var(without[6:])
    assert jackknife_error(k, 6) == pytest.approx(np.sqrt(expected), rel=1e-9)


def test_the_standard_error_is_that_of_repeats() -> None:
    found = [
        kernel_test(gaussian_kernel(normal(60, 1, seed=i, shift=1), normal(60, 1, seed=5_000 + i)), 60,
                    np.random.default_rng(0), permutations=0)
        for i in range(200)
    ]  # fmt: skip
    spread = np.std([each.value for each in found])
    assert np.mean([each.std_error or 0.0 for each in found]) == pytest.approx(spread, rel=0.15)
