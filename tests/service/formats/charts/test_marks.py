"""Axes have room for what is on them, and are logarithmic where that helps."""

from math import inf, nan

import numpy as np
import pytest

from pushforward.service.formats.charts.marks import Axis

FALLING = np.exp(-np.arange(100) / 10)


def over(values: list[float] | np.ndarray) -> Axis:
    return Axis.over("loss", np.array(values, float), may_be_logarithmic=True)


@pytest.mark.parametrize("values", [[1.0], [1.0, 1.0], [-5e9], [0.0, 0.0], [1e16, 1e16 + 2], [nan, 3.0], [], [inf]])
def test_an_axis_is_never_empty(values: list[float]) -> None:
    axis = over(values)
    assert axis.low < axis.high
    shares = axis.share(np.array([value for value in values if np.isfinite(value)]))
    assert np.all((shares > 0) & (shares < 1))


def test_values_beyond_floats_have_an_axis() -> None:
    axis = over([-1.7e308, 1.7e308])
    assert np.isfinite([axis.low, axis.high, axis.high - axis.low]).all()


def test_positive_values_over_decades_are_on_a_logarithmic_axis() -> None:
    axis = over(FALLING)
    assert axis.logarithmic
    shares = axis.share(FALLING)
    np.testing.assert_allclose(np.diff(shares), shares[1] - shares[0])  # a straight line


@pytest.mark.parametrize(
    "values",
    [FALLING + 0.5, -FALLING, FALLING - 0.1, [*np.linspace(10, 12, 99), 1e-3]],
    ids=["of one decade", "negative", "of both signs", "one far below the others"],
)
def test_other_values_are_not(values: np.ndarray) -> None:
    assert not over(values).logarithmic


def test_only_where_it_is_asked_for() -> None:
    assert not Axis.over("x[0]", FALLING).logarithmic


def test_what_is_not_positive_has_no_place_on_a_logarithmic_axis() -> None:
    assert np.isnan(Axis("loss", 1, 100, logarithmic=True).share(np.array([0.0, -1.0]))).all()
