"""Histograms of scores: every row is counted once, and far ones do not widen the bins."""

from math import inf

import numpy as np
import pytest

from pushforward.models.data import TwoMoons
from pushforward.service.application.charts.histograms import MOST_BINS, Bins, binned, of_held_out
from tests.apis.fakes import MOONS, card


def total(bins: Bins) -> int:
    return int(bins.counts.sum()) + bins.below + bins.above


def test_uniform_values_fill_bins_of_the_width_of_freedman_and_diaconis() -> None:
    bins = binned(np.linspace(0, 1, 1001))  # IQR 0.5, so the width is 1 / 10.003: eleven bins
    assert len(bins.counts) == 11
    assert (bins.edges[0], bins.edges[-1]) == (0, 1)
    np.testing.assert_allclose(np.diff(bins.edges), 1 / 11)
    assert set(bins.counts.tolist()) <= {90, 91, 92}
    assert (total(bins), bins.below, bins.above) == (1001, 0, 0)


def test_far_rows_are_counted_below_and_above() -> None:
    values = np.array([*np.linspace(0, 1, 101), -2.0, 3.0, -1e9, -inf, inf])
    bins = binned(values)
    lower, upper = np.quantile(values[np.isfinite(values)], [0.25, 0.75])
    assert bins.edges[0] == lower - 3 * (upper - lower)
    assert (total(bins), bins.below, bins.above) == (len(values), 3, 2)


@pytest.mark.parametrize("n", [1, 2, 3, 10])
def test_equal_values_are_one_bin(n: int) -> None:
    bins = binned(np.full(n, -1e12))
    assert bins.counts.tolist() == [n]
    assert bins.edges[0] < -1e12 < bins.edges[1]


def test_values_of_which_most_are_equal_are_one_bin_and_the_others_beyond() -> None:
    bins = binned(np.array([*[5.0] * 50, 1.0, 9.0, 9.0]))
    assert (bins.counts.tolist(), bins.below, bins.above) == ([50], 1, 2)


def test_without_a_finite_value_there_are_no_bins() -> None:
    bins = binned(np.array([-inf, -inf, inf]))
    assert (bins.edges.tolist(), bins.counts.tolist(), bins.below, bins.above) == ([], [], 2, 1)


def test_there_are_never_too_many_bins() -> None:
    for values in (np.random.default_rng(0).standard_cauchy(10**6), np.linspace(0, 1, 10**6)):
        bins = binned(values)
        assert len(bins.counts) <= MOST_BINS
        assert total(bins) == len(values)


def test_the_kind_is_that_of_the_metric_on_the_card() -> None:
    moons = card("moons", MOONS, TwoMoons().spec)
    assert of_held_out(moons, [-1.0, -2.0]).kind is None
    metrics = {"validation_log_prob_nats_lower_bound": -1.5}
    told = of_held_out(moons.model_copy(update={"metrics": metrics}), [-1.0, -2.0])
    assert (told.model, told.kind, told.unit, told.n) == ("moons@1", "lower_bound", "nats", 2)
