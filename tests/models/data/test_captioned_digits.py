"""`models.data.captioned_digits`: exact maps of digits, and captions that tell of them."""

from itertools import chain, combinations
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data import CaptionedDigits, Digits
from pushforward.models.data.captioned_digits import (
    ATTRIBUTES,
    LONGEST,
    NAMES,
    TEXT,
    WORDS,
    captions,
    inverted,
    slanted,
    thick,
)
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.text import NUMBERS
from pushforward.models.training.data import load_data

HERE = Path()
DIGITS = Digits().rows(HERE)
SETS = list(chain.from_iterable(combinations(WORDS, n) for n in range(4)))
EVERY = [(digit, attributes) for digit in range(10) for attributes in SETS]


def test_ink_of_a_thick_digit_spreads_one_pixel_to_the_right() -> None:
    x = np.zeros((1, 1, 8, 8), np.uint8)
    x[..., 3, 2], x[..., 5, 7] = 9, 16
    expected = x.copy()
    expected[..., 3, 3] = 9
    np.testing.assert_array_equal(thick(x), expected)


def test_a_slanted_line_leans_to_the_right() -> None:
    x = np.zeros((1, 1, 8, 8), np.uint8)
    x[..., 4] = 16
    assert slanted(x)[0, 0].argmax(1).tolist() == [6, 5, 5, 4, 4, 3, 3, 2]


def test_an_inverted_digit_inverted_again_is_the_digit() -> None:
    np.testing.assert_array_equal(inverted(inverted(DIGITS.x)), DIGITS.x)
    assert inverted(DIGITS.x).max() == 16


def test_a_row_is_its_digit_under_the_maps_that_its_caption_tells() -> None:
    rows = CaptionedDigits(copies=2, seed=3).rows(HERE)
    assert rows.y is not None
    assert rows.c is not None
    np.testing.assert_array_equal(rows.y, np.tile(DIGITS.y, 2))
    for i in range(0, len(rows.x), 97):
        words = set(TEXT.given(rows.c[i]).text.replace(",", "").split())
        x = DIGITS.x[i % len(DIGITS.x)]
        for attribute, mapped in ATTRIBUTES.items():
            x = mapped(x) if words & {*WORDS[attribute]} else x
        np.testing.assert_array_equal(rows.x[i], x)
        assert words & {NAMES[rows.y[i]], str(rows.y[i])}


def test_attributes_and_captions_are_those_of_the_seed() -> None:
    one, same, other = (CaptionedDigits(seed=seed).rows(HERE) for seed in (1, 1, 2))
    assert one.fingerprint == same.fingerprint != other.fingerprint


@pytest.mark.parametrize(("condition", "kind"), [(None, None), ("label", Labels(n_classes=10)), ("text", TEXT)])
def test_a_model_is_given_the_caption_or_the_label_or_nothing(condition: str | None, kind: object) -> None:
    source = CaptionedDigits.model_validate({"condition": condition, "copies": 1})
    rows = source.rows(HERE)
    assert source.outline(HERE).condition == source.conditions(rows) == kind
    assert source.condition_values(rows).shape == (1797, {"text": TEXT.width, "label": 1, None: 0}[condition])


@pytest.mark.parametrize(
    ("digit", "attributes", "caption"),
    [
        (7, ("thick", "slanted"), "a thick slanted seven"),
        (7, ("thick", "slanted"), "a leaning bold 7"),
        (8, (), "an eight"),
        (8, (), "an 8"),
        (1, ("inverted",), "an inverted one"),
        (3, ("thick", "slanted", "inverted"), "three, slanted, negative and bold"),
        (0, ("slanted",), "the digit zero, leaning"),
    ],
)
def test_a_digit_is_told_in_many_words(digit: int, attributes: tuple[str, ...], caption: str) -> None:
    assert caption in captions(digit, attributes)


def test_no_caption_tells_of_two_kinds_of_digits() -> None:
    told = [caption for digit, attributes in EVERY for caption in captions(digit, attributes)]
    assert len(told) == len(set(told))


@pytest.mark.parametrize(("digit", "attributes"), EVERY)
def test_every_caption_names_the_digit_and_each_attribute_and_no_other(digit: int, attributes: tuple[str, ...]) -> None:
    for caption in captions(digit, attributes):
        words = set(caption.replace(",", "").split())
        assert len(words & {NAMES[digit], str(digit)}) == 1
        assert {each for each in WORDS if words & {*WORDS[each]}} == {*attributes}


def test_every_caption_can_be_read_by_a_model() -> None:
    told = [caption for digit, attributes in EVERY for caption in captions(digit, attributes)]
    assert max(map(len, told)) <= LONGEST
    assert {*"".join(told)} <= NUMBERS.keys()


def test_a_place_in_a_caption_that_is_always_empty_is_no_finding(tmp_path: Path) -> None:
    run = Run.model_validate({
        "family": {"family": "text_to_image"},
        "data": {"source": "captioned_digits", "condition": "text"},
        "budget": {"steps": 1},
    })  # fmt: skip
    assert not [note for note in load_data(run, tmp_path).notes if "condition" in note]
