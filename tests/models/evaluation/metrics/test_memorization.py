"""Distances from the nearest training row."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.memorization import (
    AT_ONCE,
    NearestTrainingRow,
    nearest_distances,
    trained_on,
)
from tests.models.evaluation.metrics.sides import known, normal, side

TRAINING = normal(800, seed=0)
HELD_OUT = side(normal(400, seed=1))


def test_new_rows_are_as_far_as_held_out_rows() -> None:
    measured = NearestTrainingRow().measure(side(normal(400, seed=2)), HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(1.0, abs=0.15)
    assert measured.p_value is not None
    assert measured.p_value > 0.01


def test_copies_of_training_rows_are_at_no_distance() -> None:
    measured = NearestTrainingRow().measure(side(TRAINING[:400]), HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(0.0, abs=1e-6)
    assert measured.p_value is not None
    assert measured.p_value < 1e-12


def test_a_training_row_is_not_its_own_neighbor() -> None:
    places = np.arange(400)
    measured = NearestTrainingRow().measure(side(TRAINING[:400], places=places), HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(1.0, abs=0.15)


def test_samples_far_from_the_data_have_a_large_ratio_and_no_small_p_value() -> None:
    measured = NearestTrainingRow().measure(side(normal(400, seed=2, shift=5)), HELD_OUT, known(TRAINING))
    assert measured.value > 5
    assert measured.p_value is not None
    assert measured.p_value > 0.99


def test_where_held_out_rows_are_copies_too_there_is_no_ratio() -> None:
    """Rows of the same whole numbers: 0 / 0."""
    rows = side(np.repeat(np.arange(5.0), 10)[:, None])
    assert np.isnan(NearestTrainingRow().measure(rows, rows, known(np.arange(5.0)[:, None])).value)


def test_where_most_held_out_rows_are_copies_there_is_no_infinite_ratio() -> None:
    """Data of few values: a distance that is not 0, divided by 0."""
    rows = side(np.repeat(np.arange(5.0), 10)[:, None])
    assert np.isnan(NearestTrainingRow().measure(side(rows.x + 0.5), rows, known(np.arange(5.0)[:, None])).value)


def test_reference_rows_that_were_trained_on_have_no_part_in_it() -> None:
    both = np.concatenate([TRAINING, HELD_OUT.x])
    reference = side(both)._replace(trained_on=trained_on(both, TRAINING))
    samples = side(normal(400, seed=2))
    expected = NearestTrainingRow().measure(samples, HELD_OUT, known(TRAINING))
    assert NearestTrainingRow().measure(samples, reference, known(TRAINING)) == expected


def test_a_row_was_trained_on_where_every_element_is_that_of_one_training_row() -> None:
    training = np.array([[[0, 1]], [[2, 3]]], np.uint8)
    rows = np.array([[[2, 3]], [[0, 3]], [[0, 1]]], np.uint8)
    assert trained_on(rows, training).tolist() == [True, False, True]


def test_distances_are_exact_in_blocks_of_training_rows() -> None:
    training = normal(AT_ONCE + 500, seed=4)
    places = np.array([0, 7, AT_ONCE - 1, AT_ONCE, AT_ONCE + 499])
    x = training[places]
    square = ((x[:, None] - training) ** 2).sum(2)
    assert nearest_distances(side(x), training) == pytest.approx(0, abs=1e-6)
    square[np.arange(5), places] = np.inf
    assert nearest_distances(side(x, places=places), training) == pytest.approx(np.sqrt(square).min(1), abs=1e-9)
