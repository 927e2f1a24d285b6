"""Metrics of labels."""

from math import log

import numpy as np
import pytest

from pushforward.models.evaluation.metrics.labels import ClassificationAccuracy, LabelDivergence, jensen_shannon
from tests.models.evaluation.metrics.sides import known, ring, side


def test_the_divergence_of_histograms_that_share_no_label_is_log_two() -> None:
    assert jensen_shannon(np.array([3, 0]), np.array([0, 5])) == pytest.approx(log(2))
    assert jensen_shannon(np.array([3, 6]), np.array([1, 2])) == pytest.approx(0.0, abs=1e-12)


def test_the_divergence_is_half_the_sum_of_two_divergences_from_their_mean() -> None:
    """By hand: p = (1/2, 1/2), q = (1, 0), r = (3/4, 1/4)."""
    expected = 0.5 * (0.5 * log(0.5 / 0.75) + 0.5 * log(0.5 / 0.25)) + 0.5 * log(1 / 0.75)
    assert jensen_shannon(np.array([5, 5]), np.array([9, 0])) == pytest.approx(expected, rel=1e-12)


def test_of_one_distribution_its_mean_is_that_of_pearsons_statistic() -> None:
    """(L - 1) (1/n + 1/m) / 8 for 8 labels; z-score below 5."""
    pairs = [((900, 2 * i), (600, 2 * i + 1)) for i in range(300)]
    found = [jensen_shannon(*(np.bincount(ring(n, seed)[1], minlength=8) for n, seed in pair)) for pair in pairs]
    expected = 7 * (1 / 900 + 1 / 600) / 8
    assert abs(np.mean(found) - expected) < 5 * np.std(found) / np.sqrt(300) + 0.02 * expected


def test_a_sampler_that_lacks_a_label_is_found() -> None:
    x, labels = ring(800, 0)
    fake = side(x[labels != 2], labels[labels != 2])
    measured = LabelDivergence().measure(fake, side(*ring(800, 1)), known())
    assert measured.value > 0.02
    assert measured.p_value is not None
    assert measured.p_value < 1e-6


def test_a_classifier_of_perfect_samples_labels_data_as_one_of_training_rows_does() -> None:
    accuracy = ClassificationAccuracy().measure(side(*ring(400, 0)), side(*ring(400, 1)), known())
    assert accuracy.value == 1.0
    assert accuracy.interval is not None
    assert accuracy.interval[0] > 0.98


def test_a_model_that_confuses_two_labels_loses_one_of_them() -> None:
    x, labels = ring(800, 0)
    swapped = np.where(labels == 0, 1, np.where(labels == 1, 0, labels))
    accuracy = ClassificationAccuracy().measure(side(x, swapped), side(*ring(800, 1)), known())
    assert accuracy.value == pytest.approx(0.75, abs=0.06)


def test_without_labels_nothing_is_measured() -> None:
    rows = side(*ring(50, 0))
    with pytest.raises(ValueError, match="no labels"):
        LabelDivergence().measure(rows._replace(found=None), rows, known())
