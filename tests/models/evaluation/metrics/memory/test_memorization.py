"""Distances from the nearest training row, and likelihoods of training rows."""

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.memory.memorization import (
    LikelihoodMembership,
    NearestTrainingRow,
    trained_on,
)
from pushforward.models.evaluation.metrics.metric import Likelihoods
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


def test_the_likelihoods_of_rows_that_are_known_by_heart_tell_them_from_others() -> None:
    samples = side(normal(9, seed=0))
    told = samples._replace(likelihoods=Likelihoods(np.array([0.0, -1.0, -3.0]), np.array([-2.0, -4.0])))
    # -3 is above -4 alone, the others are above both: 5 of 6 pairs
    measured = LikelihoodMembership().measure(told, HELD_OUT, known(TRAINING))
    assert measured.value == pytest.approx(5 / 6)
    guessed = samples._replace(likelihoods=Likelihoods(np.zeros(3), np.zeros(2)))
    assert LikelihoodMembership().measure(guessed, HELD_OUT, known(TRAINING)).value == 0.5


def test_rows_of_no_density_have_no_membership() -> None:
    samples = side(normal(9, seed=0))
    assert not LikelihoodMembership().applies_to(samples)
    assert NearestTrainingRow().applies_to(samples)
