"""`service.application.commands.arrays`: what is no array of numbers is refused with the place of the first fault."""

import re
from typing import Any

import numpy as np
import pytest

from pushforward.service.application.commands.arrays import as_array
from pushforward.service.application.commands.commands import Encode, Sample
from pushforward.service.application.commands.validation import MAX_MESSAGE_CHARS, parse
from pushforward.service.domain.errors import Invalid

ONLY = "must hold finite numbers only, in nested lists of equal lengths"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([[7, "a", 1, 0, 2]], f'{ONLY}; row 0, column 1 is "a"'),
        ([[1, 2], [3, None]], f"{ONLY}; row 1, column 1 is null"),
        ([[[1], [2]], [[3], ["b"]]], f'{ONLY}; row 1, element [1, 0] is "b"'),
        ([1, {"a": 1}], f"{ONLY}; row 1 is an object"),
        ("rows", f'{ONLY}; it is "rows"'),
        ([[1, True]], "holds booleans; send 0 and 1 as numbers: row 0, column 1 is true"),
        ([[1, 2], [3]], "must be nested lists of equal lengths: row 1 has 1 elements, row 0 has 2"),
        ([[1, 2], 3], "must be nested lists of equal lengths: row 1 is 3 beside lists"),
        ([1, [2]], "must be nested lists of equal lengths: row 1 is a list beside numbers"),
    ],
)
def test_the_first_fault_is_shown_with_its_place(value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)) as refused:
        as_array(value)
    assert str(refused.value) == message


@pytest.mark.parametrize("value", [3, [1, 2.5], [[1], [2]], [], [[]], np.float64(2), (1, 2)])
def test_numbers_are_taken_as_numpy_takes_them(value: Any) -> None:
    np.testing.assert_array_equal(as_array(value), np.asarray(value))


def test_a_long_text_among_numbers_is_told_in_short_and_makes_no_large_array() -> None:
    rows = [[0.0] * 100 for _ in range(1000)]
    rows[999][99] = "x" * 10_000_000  # type: ignore[call-overload]
    with pytest.raises(Invalid) as refused:
        parse(Encode, {"model": "m", "x": rows})
    assert "row 999, column 99" in refused.value.detail
    assert len(refused.value.detail) < 200


def test_lists_that_are_deeper_than_an_array_can_be_are_refused() -> None:
    deep: Any = 1.0
    for _ in range(900):
        deep = [deep]
    with pytest.raises(Invalid, match="x: must be nested lists") as refused:
        parse(Encode, {"model": "m", "x": deep})
    assert len(refused.value.errors[0].message) <= MAX_MESSAGE_CHARS


def test_a_condition_is_refused_with_the_place_too() -> None:
    with pytest.raises(Invalid, match=r'condition: must be a number or the name .*; row 1 is "a"'):
        parse(Sample, {"model": "m", "condition": [1, "a"]})


def test_records_by_column_are_a_condition() -> None:
    one = parse(Sample, {"model": "m", "condition": {"kind": "oak", "age": None}}).condition
    assert one is not None
    assert (one.shape, one.item()) == ((), {"kind": "oak", "age": None})
    each = parse(Sample, {"model": "m", "condition": [{"age": 1}, {"age": 2.5}]}).condition
    assert each is not None
    assert each.tolist() == [{"age": 1}, {"age": 2.5}]


@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ({"kind": ["oak"]}, "condition: column 'kind' holds no text, number, boolean or null in row 0"),
        ([{"age": 1}, {"age": {}}], "condition: column 'age' holds no text, number, boolean or null in row 1"),
        ([{"age": 1}, 2], "condition: must be a list of objects"),
    ],
)
def test_what_is_no_record_is_refused_with_its_place(condition: object, says: str) -> None:
    with pytest.raises(Invalid, match=says):
        parse(Sample, {"model": "m", "condition": condition})
