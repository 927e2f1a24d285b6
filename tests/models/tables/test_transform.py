"""`models.tables.transform`: maps of numbers increase, invert, and make columns about normal."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pushforward.models.tables.transform import MAX_KNOTS, NumberTransform, TransformName, fitted


@pytest.mark.parametrize("name", get_args(TransformName))
@given(numbers=st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=300).filter(lambda r: max(r) - min(r) > 1e-3))
@settings(max_examples=60, deadline=None)
def test_knots_and_images_increase_whatever_the_numbers(name: TransformName, numbers: list[float]) -> None:
    transform = fitted(name, np.array(numbers))  # its validator says so
    assert len(transform.knots) <= MAX_KNOTS
    if transform.origin is not None:
        assert transform.origin < min(numbers)


def test_quantiles_of_a_skewed_column_are_those_of_a_normal() -> None:
    r = np.random.default_rng(0).lognormal(sigma=1.5, size=20_000)
    transform = fitted("quantile", r)
    u = np.interp(r, transform.knots, transform.images)
    assert [float(np.quantile(u, q)) for q in (0.025, 0.16, 0.5, 0.84, 0.975)] == pytest.approx(
        [-1.96, -0.994, 0.0, 0.994, 1.96], abs=0.03
    )


def test_standard_has_mean_zero_and_deviation_one() -> None:
    r = np.random.default_rng(0).normal(5, 3, 1000)
    transform = fitted("standard", r)
    assert transform.knots == (pytest.approx(r.mean()), pytest.approx(r.mean() + r.std()))
    assert transform.images == (0.0, 1.0)


@pytest.mark.parametrize(
    ("knots", "images"), [((1.0, 1.0), (0.0, 1.0)), ((0.0, 1.0), (1.0, 0.0)), ((0.0, 1.0, 2.0), (0.0, 1.0))]
)
def test_what_does_not_increase_is_no_transform(knots: tuple[float, ...], images: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        NumberTransform(knots=knots, images=images)
