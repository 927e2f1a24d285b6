"""Precision, recall, density and coverage."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.metric import Metric
from pushforward.models.evaluation.metrics.neighbors import (
    Coverage,
    Density,
    Precision,
    Recall,
    balls,
    expected_coverage,
    in_balls,
)
from tests.models.evaluation.metrics.sides import known, normal, side


def test_the_mean_of_coverage_has_a_closed_form() -> None:
    """T78: 1 - prod (N - i) / (M + N - i) = .96992 for N = M = 200, k = 5."""
    assert expected_coverage(200, 200) == pytest.approx(0.96992, abs=5e-6)


@pytest.mark.parametrize(("n", "m"), [(200, 200), (150, 60)])
def test_of_one_distribution_coverage_and_density_have_the_means_of_any_distribution(n: int, m: int) -> None:
    """T78: E density = 1 and E coverage as above, for a Gaussian and for an exponential; z-scores below 5."""
    for draw in (np.random.Generator.standard_normal, np.random.Generator.standard_exponential):
        found = []
        for seed in range(150):
            rng = np.random.default_rng(seed)
            x, y = side(draw(rng, (n, 2))), side(draw(rng, (m, 2)))
            found.append([metric.measure(x, y, known()).value for metric in (Density(), Coverage())])
        mean, error = np.mean(found, 0), np.std(found, 0) / np.sqrt(len(found))
        assert abs(mean[0] - 1) < 5 * error[0]
        assert abs(mean[1] - expected_coverage(n, m)) < 5 * error[1]


def test_collapsed_samples_are_precise_and_cover_nothing() -> None:
    rows = normal(500, seed=0)
    x, y = side(np.zeros((500, 2)) + 1e-3 * normal(500, seed=1)), side(rows)
    assert Precision().measure(x, y, known()).value == 1.0
    assert Recall().measure(x, y, known()).value < 0.05
    assert Coverage().measure(x, y, known()).value < 0.1


def test_samples_of_another_place_are_neither_precise_nor_dense_but_for_chance() -> None:
    x, y = side(normal(300, seed=0, shift=20)), side(normal(300, seed=1))
    for metric in (Precision(), Recall(), Density(), Coverage()):
        assert metric.measure(x, y, known()).value == 0.0


def test_one_far_row_of_data_makes_precision_large_and_not_density() -> None:
    """The ball of an outlier holds everything: why density counts balls (Naeem et al., section 3)."""
    rows = np.concatenate([normal(100, seed=1), [[60.0, 60.0]]])
    x, y = side(normal(300, seed=0, shift=25)), side(rows)
    assert Precision().measure(x, y, known()).value == 1.0
    assert Density().measure(x, y, known()).value == pytest.approx(1 / 5)


def test_a_ball_reaches_to_the_kth_nearest_other_row_and_is_open() -> None:
    y = np.array([[0.0], [1.0], [3.0]])  # with a sample on the rim of a ball, whatever its distance is rounded to
    x = np.array([[0.5], [1.0], [2.9], [-2.9]])
    assert in_balls(x, y, k=1).tolist() == [
        [True, True, False],
        [False, True, False],
        [False, False, True],
        [False, False, False],
    ]
    assert in_balls(x, y, k=2).tolist() == [[True, True, True]] * 3 + [[True, False, False]]


@pytest.mark.parametrize(("n", "m", "shift"), [(100, 100, 0.0), (200, 40, 0.5), (60, 200, 0.5)])
def test_the_standard_error_is_no_less_than_the_values_vary_though_rows_share_balls(
    n: int, m: int, shift: float
) -> None:
    for metric in (Precision(), Recall(), Density(), Coverage()):
        found, variances = [], []
        for seed in range(60):
            measured = metric.measure(
                side(normal(n, seed=seed, shift=shift)), side(normal(m, seed=seed + 1_000)), known()
            )
            assert measured.std_error is not None
            found.append(measured.value)
            variances.append(measured.std_error**2)
        truth = np.std(found, ddof=1)
        assert 0.9 * truth < np.sqrt(np.mean(variances)) < 3 * truth or truth < 0.01, metric.name


@pytest.mark.parametrize("metric", [Precision(), Recall(), Density(), Coverage()], ids=lambda metric: metric.name)
def test_the_standard_error_is_the_jackknifes_by_leaving_each_row_out(metric: Metric) -> None:
    x, y = normal(14, seed=0, shift=0.4), normal(11, seed=1)
    expected = 0.0
    for left_out in ([(np.delete(x, i, 0), y) for i in range(14)], [(x, np.delete(y, i, 0)) for i in range(11)]):
        values = [metric.measure(side(some), side(others), known()).value for some, others in left_out]
        expected += (len(values) - 1) * np.var(values)
    assert metric.measure(side(x), side(y), known()).std_error == pytest.approx(np.sqrt(expected))


def test_of_too_few_rows_the_standard_error_is_not_known() -> None:
    for metric in (Precision(), Recall(), Density(), Coverage()):
        for n, m in ((20, 1), (6, 6), (1, 20)):
            measured = metric.measure(side(normal(n, seed=0)), side(normal(m, seed=1)), known())
            assert np.isfinite(measured.value)
            assert measured.std_error is None


def test_a_wider_ball_reaches_to_the_next_row() -> None:
    x, y = normal(30, seed=0), normal(20, seed=1)
    assert np.array_equal(balls(y, x, k=2).wider, balls(y, x, k=3).holds)


def test_of_rows_with_few_values_ties_do_not_depend_on_rounding() -> None:
    """Whole numbers, and the same far from zero, where distances round otherwise."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(3, size=(200, 3)).astype(float) for _ in range(2))
    assert np.array_equal(in_balls(x, y), in_balls(x / 3 + 7.1, y / 3 + 7.1))
