"""The share of statistically different bins."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.bins import DifferentBins, different, homogeneity
from tests.models.evaluation.metrics.sides import known, normal, ring, side


def test_a_perfect_sampler_of_the_ring_has_as_many_different_bins_as_the_level() -> None:
    """T79: NDB / K is about a = .05; the mean of 40 samples within five standard errors."""
    rows, _ = ring(4_000, 0)
    found = [
        DifferentBins().measure(side(ring(2_000, 2 * i + 1)[0]), side(ring(2_000, 2 * i + 2)[0]), known(rows)).value
        for i in range(40)
    ]
    assert abs(np.mean(found) - DifferentBins().ideal(0, 0, known())) < 5 * np.std(found) / np.sqrt(40) + 0.005


def test_a_sampler_that_lacks_a_mode_has_more_different_bins_and_no_chance() -> None:
    rows, _ = ring(4_000, 0)
    fake, which = ring(2_000, 1)
    measured = DifferentBins().measure(side(fake[which != 3]), side(ring(2_000, 2)[0]), known(rows))
    assert measured.value > 0.1
    assert measured.p_value is not None
    assert measured.p_value < 1e-12


def test_the_error_of_a_difference_is_that_of_pooled_counts() -> None:
    """z = (0.6 - 0.4) / sqrt(0.5 0.5 (1/n + 1/n)), beyond 1.96 for n = 50 and not for n = 48."""
    assert different(np.array([30, 20]), np.array([20, 30])) == 1.0  # z = 2
    assert different(np.array([27, 21]), np.array([20, 28])) == 0.0


def test_homogeneity_is_pearsons_test_of_the_cells_that_hold_rows() -> None:
    from scipy.stats import chi2

    x, y = np.array([30, 20, 0]), np.array([20, 30, 0])
    assert homogeneity(x, y) == pytest.approx(chi2.sf(0.81 * 4, 1))  # with Yates' correction: 4 (|d| - 1/2)^2 / 25
    assert homogeneity(np.array([5, 0]), np.array([7, 0])) == 1.0


def test_few_rows_have_few_bins() -> None:
    measured = DifferentBins().measure(side(normal(60, seed=0)), side(normal(55, seed=1)), known())
    assert measured.value in (0.0, 0.5, 1.0)
