"""Baselines against closed forms."""

from math import log, pi

import numpy as np
import pytest
from scipy.stats import nbinom, poisson
from sklearn.covariance import ledoit_wolf

from pushforward.models.evaluation.baselines import (
    GaussianBaseline,
    independent_columns,
    shrunk_covariance,
    standard_deviations,
)
from pushforward.models.spec.data_spec import DataSpec

RNG = np.random.default_rng(0)
ROOT = np.array([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-3.0, 0.2, 0.1]]) * np.array([[1.0], [1e-3], [1e4]])
MEAN = np.array([1.0, -2.0, 3e5])
CONTINUOUS = DataSpec(shape=(3,))


def normal(n: int, seed: int) -> np.ndarray:
    return MEAN + np.random.default_rng(seed).standard_normal((n, 3)) @ ROOT.T


def test_the_gaussian_reaches_the_entropy_of_gaussian_data() -> None:
    held = normal(4_000, 1)
    log_p = GaussianBaseline.fit(normal(20_000, 0), CONTINUOUS).log_prob(held)
    entropy = 1.5 * (1 + log(2 * pi)) + np.log(np.diag(ROOT)).sum()
    assert log_p.mean() == pytest.approx(-entropy, abs=4 * (1.5 / 4_000) ** 0.5)


def test_the_gaussian_is_the_density_of_its_mean_and_covariance() -> None:
    gaussian = GaussianBaseline.fit(normal(500, 0), CONTINUOUS)
    covariance = gaussian.covariance * np.outer(gaussian.scale, gaussian.scale)
    x = normal(5, 1)
    square = np.einsum("ni,ij,nj->n", x - gaussian.mean, np.linalg.inv(covariance), x - gaussian.mean)
    by_hand = -0.5 * (square + np.linalg.slogdet(covariance)[1] + 3 * log(2 * pi))
    assert gaussian.log_prob(x) == pytest.approx(by_hand, rel=1e-9)


@pytest.mark.parametrize(("n", "size"), [(5, 40), (300, 3), (50, 1), (2, 4)])
def test_the_covariance_is_shrunk_as_scikit_learn_does(n: int, size: int) -> None:
    x = np.random.default_rng(3).standard_normal((n, size)) @ np.diag(np.arange(1.0, size + 1))
    assert shrunk_covariance(x) == pytest.approx(ledoit_wolf(x, assume_centered=True)[0], rel=1e-9)


def test_draws_of_the_gaussian_have_its_moments() -> None:
    gaussian = GaussianBaseline.fit(normal(5_000, 0), CONTINUOUS)
    x = gaussian.draw(20_000, np.random.default_rng(2))
    standard = (x - gaussian.mean) / gaussian.scale
    assert np.abs(standard.mean(0)).max() < 0.04
    assert np.abs(np.cov(standard.T) - gaussian.covariance).max() < 0.06


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e12])
def test_both_shift_by_the_logarithm_of_the_unit(scale: float) -> None:
    train, rows = normal(300, 0), normal(20, 1)
    for of in (
        lambda t, x: GaussianBaseline.fit(t, CONTINUOUS).log_prob(x),
        lambda t, x: independent_columns(t, x, CONTINUOUS),
    ):
        assert of(train * scale, rows * scale) == pytest.approx(of(train, rows) - 3 * log(scale), abs=1e-6)


def test_a_constant_column_has_no_density() -> None:
    train, rows = normal(300, 0), normal(20, 1)
    more = DataSpec(shape=(4,))
    padded, asked = (np.concatenate([x, np.full((len(x), 1), 7.25)], 1) for x in (train, rows))
    assert GaussianBaseline.fit(padded, more).log_prob(asked) == pytest.approx(
        GaussianBaseline.fit(train, CONTINUOUS).log_prob(rows)
    )
    assert independent_columns(padded, asked, more) == pytest.approx(independent_columns(train, rows, CONTINUOUS))
    assert (GaussianBaseline.fit(padded, more).draw(5, RNG)[:, 3] == 7.25).all()


def test_more_columns_than_rows_have_a_gaussian() -> None:
    x = RNG.standard_normal((20, 50))
    assert np.isfinite(GaussianBaseline.fit(x, DataSpec(shape=(50,))).log_prob(x)).all()


def test_a_kernel_density_integrates_to_one() -> None:
    spec = DataSpec(shape=(1,))
    grid = np.linspace(-12, 12, 4_001)
    density = np.exp(independent_columns(RNG.standard_normal((200, 1)), grid[:, None], spec))
    assert np.trapezoid(density, grid) == pytest.approx(1, abs=1e-6)


def levels(n_levels: int) -> DataSpec:
    return DataSpec(shape=(2,), low=0, high=n_levels - 1, levels=n_levels)


def test_columns_of_levels_have_frequencies_with_half_a_count_more() -> None:
    train = np.array([[0, 1], [0, 1], [1, 1], [2, 1]])
    log_p = independent_columns(train, np.array([[0, 0], [2, 1]]), levels(3))
    assert np.exp(log_p) == pytest.approx([2.5 / 5.5 * 0.5 / 5.5, 1.5 / 5.5 * 4.5 / 5.5])


def test_probabilities_of_levels_sum_to_one_and_those_of_the_gaussian_to_no_more() -> None:
    spec = levels(9)
    every = np.stack(np.meshgrid(np.arange(9), np.arange(9)), -1).reshape(-1, 2)
    train = np.clip(np.rint(RNG.normal(4, 1.2, (400, 2))), 0, 8)
    assert np.exp(independent_columns(train, every, spec)).sum() == pytest.approx(1)
    total = np.exp(GaussianBaseline.fit(train, spec).log_prob(every)).sum()
    assert 0.9 < total <= 1


COUNTS = DataSpec(shape=(1,), counts=True)


@pytest.mark.parametrize("mean", [0.02, 3.0, 40.0])
def test_probabilities_of_counts_sum_to_one_and_those_of_the_gaussian_to_no_more(mean: float) -> None:
    every, train = np.arange(3_000)[:, None], RNG.poisson(RNG.gamma(2, mean / 2, (400, 1)))
    assert np.exp(independent_columns(train, every, COUNTS)).sum() == pytest.approx(1, abs=1e-9)
    assert np.exp(GaussianBaseline.fit(train, COUNTS).log_prob(every)).sum() <= 1


def test_a_column_of_counts_has_frequencies_and_what_is_new_the_share_of_what_was_new() -> None:
    train = np.array([[0], [0], [0], [4]])
    found = np.exp(independent_columns(train, np.array([[0], [4], [2]]), COUNTS))
    mean, variance = 4.5 / 4, 3.0
    r = mean**2 / (variance - mean)
    g = nbinom.pmf([0, 4, 2], r, r / (r + mean))
    assert found == pytest.approx([(3 + 2 * g[0]) / 6, (1 + 2 * g[1]) / 6, 2 * g[2] / 6])


def test_columns_of_counts_come_near_the_entropy_of_the_rates_they_have() -> None:
    train, rows = RNG.poisson(500.0, (4_000, 1)), RNG.poisson(500.0, (4_000, 1))
    assert independent_columns(train, rows, COUNTS).mean() == pytest.approx(-poisson.entropy(500.0), abs=0.06)


def test_what_varies_by_rounding_only_is_constant() -> None:
    x = np.array([[123456789.0, 3e-6], [123456789.0, 3.1e-6]])
    x[1, 0] = np.nextafter(x[1, 0], np.inf)
    assert standard_deviations(x).tolist() == [0.0, pytest.approx(5e-8)]


def test_flags_that_repeat_each_other_have_a_gaussian() -> None:
    """All of their rows are as far from the mean, so that shrinkage adds nothing to what they repeat."""
    flag = np.tile([1.0, -1.0], 200)
    x = np.column_stack([flag, -flag, flag])
    assert np.linalg.matrix_rank(shrunk_covariance(x)) == 1
    gaussian = GaussianBaseline.fit(x, CONTINUOUS)
    assert np.isfinite(gaussian.log_prob(x)).all()
    assert np.abs(gaussian.draw(100, RNG) @ [1, 1, 0]).max() < 1e-4


def test_columns_without_squares_in_float64_are_constant() -> None:
    x = np.column_stack([RNG.standard_normal((50, 2)), 1e-170 * RNG.standard_normal(50)])
    bounded = DataSpec(shape=(3,), low=-9, high=9)
    for log_p in (GaussianBaseline.fit(x, bounded).log_prob(x), independent_columns(x, x, bounded)):
        assert np.isfinite(log_p).all()


def test_a_row_beyond_all_kernels_has_a_finite_density() -> None:
    train = 1e-149 * RNG.standard_normal((50, 1))
    assert -np.inf < independent_columns(train, np.array([[1e149]]), DataSpec(shape=(1,)))[0] < -1e290
