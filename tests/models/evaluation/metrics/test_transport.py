"""The sliced Wasserstein distance as a metric."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.transport import SlicedWasserstein
from tests.models.evaluation.metrics.sides import known, normal, side


def test_a_shift_is_as_far_as_its_mean_projection() -> None:
    """E |<theta, d>| = 2 / pi |d| in the plane; within five standard errors of the directions."""
    x = normal(200, seed=0)
    measured = SlicedWasserstein().measure(side(x + np.array([3.0, 4.0])), side(x), known())
    assert measured.std_error is not None
    assert abs(measured.value - 10 / np.pi) < 5 * measured.std_error


def test_the_same_seed_takes_the_same_directions() -> None:
    x, y = side(normal(50, 3, seed=0)), side(normal(60, 3, seed=1))
    one, again, other = (SlicedWasserstein().measure(x, y, known(seed=seed)).value for seed in (0, 0, 1))
    assert one == again
    assert one == pytest.approx(other, rel=0.1)
    assert one != other
