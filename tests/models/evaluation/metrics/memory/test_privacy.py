"""`models.evaluation.metrics.memory.privacy`: new rows, copies, and values in closed form."""

from __future__ import annotations

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.distances import Nearest
from pushforward.models.evaluation.metrics.memory.privacy import (
    DCRShare,
    IdenticalShare,
    NearestPercent,
    NeighborRatio,
    first_to_second,
)
from pushforward.models.evaluation.metrics.metric import Metric
from tests.models.evaluation.metrics.sides import known, normal, side

TRAINING = normal(800, seed=0)
HELD_OUT = side(normal(400, seed=1))
ALL = pytest.mark.parametrize(
    ("metric", "new", "copied"),
    [(DCRShare(), 0.5, 1.0), (NearestPercent(), 1.0, 0.0), (NeighborRatio(), 1.0, 0.0), (IdenticalShare(), 0.0, 1.0)],
    ids=lambda value: value.name if isinstance(value, Metric) else "",
)


@ALL
def test_new_rows_are_as_near_as_held_out_rows(metric: Metric, new: float, copied: float) -> None:
    measured = metric.measure(side(normal(400, seed=2)), HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(new, abs=0.3 if new == 1 else 0.08)


@ALL
def test_copies_of_training_rows_are_told(metric: Metric, new: float, copied: float) -> None:
    measured = metric.measure(side(TRAINING[:400].copy()), HELD_OUT, known(TRAINING))
    halves = 0.3 if isinstance(metric, DCRShare) else 1e-5  # half of the training rows have no part in it
    assert measured.value == pytest.approx(copied, abs=halves)


@ALL
def test_training_rows_are_not_their_own_neighbors(metric: Metric, new: float, copied: float) -> None:
    measured = metric.measure(side(TRAINING[:400], places=np.arange(400)), HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(new, abs=0.3 if new == 1 else 0.08)


def test_the_nearest_twentieth_is_compared_with_that_of_held_out_rows() -> None:
    """Samples at distances 1 to 21 from the only training row, held-out rows at twice that."""
    line = np.arange(1.0, 22.0)[:, None]
    assert NearestPercent().measure(side(line), side(2 * line), known(np.zeros((1, 1)))).value == pytest.approx(0.5)


def test_of_the_two_nearest_the_first_is_divided_by_the_second() -> None:
    near = Nearest(np.array([1.0, 0.0, 0.0, 3.0]), np.array([2.0, 1.0, 0.0, np.inf]))
    assert first_to_second(near).tolist() == [0.5, 0.0, 0.0, 1.0]


def test_rows_between_two_training_rows_have_a_ratio_of_one() -> None:
    training = np.array([[0.0], [2.0]])
    samples, others = side(np.array([[1.0]] * 3)), side(np.array([[0.5]] * 3))  # 1 / 1, and 0.5 / 1.5
    assert NeighborRatio().measure(samples, others, known(training)).value == pytest.approx(3)


def test_held_out_rows_that_are_copies_leave_no_ratio() -> None:
    rows = side(np.repeat(np.arange(5.0), 10)[:, None])
    assert np.isnan(NearestPercent().measure(rows, rows, known(np.arange(5.0)[:, None])).value)
    assert np.isnan(NeighborRatio().measure(rows, rows, known(np.arange(5.0)[:, None])).value)


def test_rows_that_occur_twice_in_training_are_copies_of_each_other() -> None:
    training = np.array([[0.0], [1.0], [1.0], [2.0]])
    of = known(training)
    floor = side(training[:3], places=np.arange(3))
    assert IdenticalShare().measure(floor, floor, of).value == pytest.approx(2 / 3)
    assert IdenticalShare().measure(side(np.array([[2.0], [3.0]])), floor, of).value == 0.5
