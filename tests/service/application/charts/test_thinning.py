"""A thinned line has the ends and the extremes of the whole one."""

import numpy as np
import pytest

from pushforward.service.application.charts.thinning import thinned


def test_few_points_stay_all() -> None:
    assert thinned(np.array([3.0, 1.0, 2.0]), 3).tolist() == [0, 1, 2]
    assert thinned(np.array([]), 2).tolist() == []


@pytest.mark.parametrize("points", [2, 3, 4, 5, 7, 100, 499, 500])
def test_the_ends_stay_and_there_are_at_most_so_many(points: int) -> None:
    kept = thinned(np.random.default_rng(0).normal(size=1000), points)
    assert (kept[0], kept[-1]) == (0, 999)
    assert len(kept) <= points
    assert np.all(np.diff(kept) > 0)


def test_of_two_points_only_the_ends_stay() -> None:
    assert thinned(np.array([0.0, 9.0, -9.0, 1.0]), 2).tolist() == [0, 3]


@pytest.mark.parametrize("points", [4, 5, 30])
def test_a_spike_and_a_dip_stay(points: int) -> None:
    values = np.linspace(0, 1, 10_000)
    values[1234], values[8765] = 50, -50
    assert {1234, 8765} <= {*thinned(values, points).tolist()}


def test_of_each_part_of_a_sine_the_crest_and_the_trough_stay() -> None:
    """Each of 8 parts is one period: its crest is at a quarter, its trough at three quarters."""
    inner = np.sin(2 * np.pi * np.arange(800) / 100)
    kept = thinned(np.concatenate([[0.0], inner, [0.0]]), 18)
    expected = [1 + 100 * period + place for period in range(8) for place in (25, 75)]
    assert kept.tolist() == [0, *expected, 801]


def test_of_a_line_that_rises_the_borders_of_the_parts_stay() -> None:
    assert thinned(np.arange(10.0), 6).tolist() == [0, 1, 4, 5, 8, 9]


def test_nan_is_no_extreme_and_infinity_is() -> None:
    values = np.array([0.0, np.nan, 2.0, np.nan, 1.0, np.inf, 3.0, 0.0])
    assert thinned(values, 4).tolist() == [0, 4, 5, 7]
    assert thinned(np.full(9, np.nan), 4).tolist() == [0, 1, 8]
