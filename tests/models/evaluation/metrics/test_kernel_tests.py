"""The discrepancy and the energy distance against closed forms."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.kernel_tests import (
    SCALES,
    EnergyDistance,
    MaximumMeanDiscrepancy,
    median_distance,
)
from tests.models.evaluation.metrics.sides import known, normal, side


def test_the_energy_distance_of_two_points_is_twice_the_distance() -> None:
    """T50: 2 E|x - y| - E|x - x'| - E|y - y'| where the sides are points."""
    x, y = np.zeros((4, 2)), np.tile([3.0, 4.0], (4, 1))
    assert EnergyDistance().measure(side(x), side(y), known()).value == pytest.approx(10.0, abs=1e-6)


def test_the_energy_distance_in_one_dimension_is_twice_the_area_between_distribution_functions_squared() -> None:
    """T50: 2 int (F - G)^2, of N(0, 1) and N(1, 1); within five standard errors."""
    grid = np.linspace(-10, 11, 100_001)
    from scipy.stats import norm

    exact = 2 * np.trapezoid((norm.cdf(grid) - norm.cdf(grid - 1)) ** 2, grid)
    measured = EnergyDistance().measure(
        side(normal(1_000, 1, seed=0)), side(normal(1_000, 1, seed=1, shift=1)), known()
    )
    assert measured.std_error is not None
    assert abs(measured.value - exact) < 5 * measured.std_error


def test_the_discrepancy_of_two_points_is_two_less_twice_their_kernel() -> None:
    x, y = np.zeros((4, 1)), np.full((4, 1), 2.0)
    training = np.array([[0.0], [2.0], [4.0]])  # distances 2, 2, 4: the median is 2
    kernel = np.mean([np.exp(-4 / (2 * (s * 2) ** 2)) for s in SCALES])
    measured = MaximumMeanDiscrepancy().measure(side(x), side(y), known(training))
    assert measured.value == pytest.approx(2 - 2 * kernel, rel=1e-9)


def test_the_width_is_the_median_distance_between_training_rows() -> None:
    assert median_distance(np.array([[0.0], [1.0], [5.0]])) == pytest.approx(4.0)
    assert median_distance(np.zeros((5, 2))) == 1.0


@pytest.mark.parametrize("metric", [MaximumMeanDiscrepancy(), EnergyDistance()], ids=lambda metric: metric.name)
def test_narrow_modes_are_told_from_their_hull(metric: MaximumMeanDiscrepancy | EnergyDistance) -> None:
    """A Gaussian of the same mean and covariance as a ring of narrow modes."""
    from tests.models.evaluation.metrics.sides import ring

    rows, _ = ring(600, 0)
    fake = normal(600, seed=1) * rows.std(0) + rows.mean(0)
    assert metric.measure(side(fake), side(ring(600, 2)[0]), known(rows)).p_value == pytest.approx(1 / 500)
