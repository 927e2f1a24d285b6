"""Precision, recall, density and coverage."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.neighbors import (
    Coverage,
    Density,
    Precision,
    Recall,
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


def test_of_rows_with_few_values_ties_do_not_depend_on_rounding() -> None:
    """Whole numbers, and the same far from zero, where distances round otherwise."""
    rng = np.random.default_rng(0)
    x, y = (rng.integers(3, size=(200, 3)).astype(float) for _ in range(2))
    assert np.array_equal(in_balls(x, y), in_balls(x / 3 + 7.1, y / 3 + 7.1))
