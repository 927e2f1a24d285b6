"""Digits in several styles: unpaired, and with a known translation."""

from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pushforward.models.data import Digits, StyledDigits
from pushforward.models.data.domains.styles import styled
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.training.data import load_data

PLAIN = Digits().rows(Path()).x
FOUR = StyledDigits(styles=("plain", "thick", "slanted", "inverted"), condition="label")
ATTRIBUTES = FOUR.model_copy(update={"condition": "vector"})
RED = StyledDigits(styles=("plain", "inverted", "colored"), condition="label")
THREE = PLAIN.repeat(3, axis=1)


def test_each_digit_has_one_style_and_all_styles_are_equally_frequent() -> None:
    rows = FOUR.rows(Path())
    assert rows.y is not None
    assert len(rows.x) == len(PLAIN)
    assert np.ptp(np.bincount(rows.y)) <= 1
    for label, style in enumerate(FOUR.styles):
        of = rows.y == label
        np.testing.assert_array_equal(rows.x[of], styled(PLAIN[of], [style], low=0, high=16))


def test_the_style_does_not_tell_which_digit_it_is() -> None:
    y, digit = FOUR.rows(Path()).y, Digits().rows(Path()).y
    assert y is not None
    assert digit is not None
    counts = np.array([[((y == style) & (digit == which)).sum() for which in range(10)] for style in range(4)])
    assert counts.min() > 25  # of 45 on average


def test_the_counterpart_of_a_row_is_its_original_in_the_other_style() -> None:
    rows = FOUR.rows(Path())
    to = np.arange(len(rows.x))[:, None] % 4
    (found,) = FOUR.counterparts(rows, to)
    for label, style in enumerate(FOUR.styles):
        of = to[:, 0] == label
        np.testing.assert_array_equal(found[of], styled(PLAIN[of], [style], low=0, high=16))


def test_a_vector_tells_which_styles_are_combined() -> None:
    rows = ATTRIBUTES.rows(Path())
    assert rows.c is not None
    assert set(np.unique(rows.c)) == {0, 1}
    assert len(np.unique(rows.c, axis=0)) == 8
    both = (rows.c == [1, 0, 1]).all(1)
    np.testing.assert_array_equal(rows.x[both], styled(PLAIN[both], ["thick", "inverted"], low=0, high=16))
    np.testing.assert_array_equal(ATTRIBUTES.counterparts(rows, np.zeros_like(rows.c)), [PLAIN])


@pytest.mark.parametrize("source", [FOUR, ATTRIBUTES], ids=lambda source: source.condition)
def test_the_outline_tells_the_condition_before_rows_are_read(source: StyledDigits) -> None:
    outline = source.outline(Path())
    assert outline.n_rows == len(PLAIN)
    assert outline.condition == (Labels(n_classes=4) if source is FOUR else Vector(shift=(0.5,) * 3, scale=(0.5,) * 3))


def test_held_out_rows_keep_what_they_were_made_of() -> None:
    run = Run.model_validate({"family": {"family": "stargan"}, "data": ATTRIBUTES.model_dump()})
    data = load_data(run, Path())
    rows, condition = data.validation, data.spec.condition
    assert isinstance(condition, Vector)
    np.testing.assert_array_equal(ATTRIBUTES.counterparts(rows, data.source.condition_values(rows)), [rows.x])
    np.testing.assert_allclose(np.square(condition.scale), np.array(condition.shift) * (1 - np.array(condition.shift)))


def test_where_a_style_is_colored_all_images_have_three_channels_and_gray_ones_equal_ones() -> None:
    rows = RED.rows(Path())
    assert rows.y is not None
    assert rows.x.shape == (1797, 3, 8, 8)
    assert RED.spec(rows).shape == RED.outline(Path()).shape == (3, 8, 8)
    assert FOUR.outline(Path()).shape == (1, 8, 8)
    for label, style in enumerate(RED.styles):
        of = rows.y == label
        np.testing.assert_array_equal(rows.x[of], styled(THREE[of], [style], low=0, high=16))
    gray = rows.x[rows.y < 2]
    np.testing.assert_array_equal(gray, gray[:, :1].repeat(3, axis=1))
    RED.spec(rows).check(rows.x.astype(np.float32), on_levels=True)


def test_the_true_translation_is_known_from_gray_to_red_and_back() -> None:
    rows = RED.rows(Path())
    assert rows.y is not None
    there = np.full((len(rows.x), 1), 2)
    (red,) = RED.counterparts(rows, there)
    np.testing.assert_array_equal(red, styled(THREE, ["colored"], low=0, high=16))
    (back,) = RED.counterparts(rows._replace(x=red, y=there[:, 0]), rows.y[:, None])
    np.testing.assert_array_equal(back, rows.x)


def test_a_vector_tells_of_color_among_other_attributes() -> None:
    source = RED.model_copy(update={"condition": "vector"})
    rows = source.rows(Path())
    assert rows.c is not None
    assert source.attributes == ("inverted", "colored")
    both = rows.c.all(1)
    np.testing.assert_array_equal(rows.x[both], styled(THREE[both], ["inverted", "colored"], low=0, high=16))
    np.testing.assert_array_equal(source.counterparts(rows, np.zeros_like(rows.c)), [THREE])


def test_a_style_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValidationError, match="name each once"):
        StyledDigits(styles=("thick", "thick"))
