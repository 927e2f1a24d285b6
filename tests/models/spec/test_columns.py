"""`models.spec.columns`: records as conditions, their cells, and what networks see of them."""

from math import nan
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import TypeAdapter

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.condition import as_array
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.spec.conditions import AnyCondition
from pushforward.models.tables.columns import Unit
from tests.models.tables.small_tables import category, number, table

TREES = Columns(
    table=table(category("kind", "oak", "ash"), number("height", missing=True), number("leaves", step=1.0)),
    places=(1, 2, 4),
)


def rows(given: Any, n: int = 2) -> list[list[float]]:
    told = Conditioning("m", TREES, answers_without=False).rows(np.asarray(given), n)
    assert told is not None
    assert told.dtype == np.float64
    return told.tolist()  # type: ignore[no-any-return]


def test_a_record_is_the_condition_of_all_rows_and_records_are_of_one_each() -> None:
    ash, oak = {"kind": "ash", "height": 1.5, "leaves": 2}, {"leaves": 3, "kind": "oak", "height": None}
    assert rows(ash) == [[1, 1.5, 2], [1, 1.5, 2]]
    np.testing.assert_array_equal(rows([ash, oak]), [[1, 1.5, 2], [0, nan, 3]])


def test_cells_are_a_condition_too() -> None:
    assert rows([1, 1.5, 2]) == [[1, 1.5, 2]] * 2
    np.testing.assert_array_equal(rows([[1, 1.5, 2], [0, nan, 3]]), [[1, 1.5, 2], [0, nan, 3]])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "elm", "height": 1, "leaves": 2}, "column 'kind' holds 'elm' in row 0, which training has not seen"),
        ({"kind": "oak", "height": 1}, "lacks the column 'leaves'; m needs an object of the columns 'kind' ('oak', "),
        ({"kind": "oak", "height": "tall", "leaves": 2}, "column 'height' does not hold values of type double"),
        ({"kind": 3, "height": 1, "leaves": 2}, "column 'kind' holds '3' in row 0, which training has not seen"),
        ({"kind": "oak", "height": 1, "leaves": 2.5}, "column 'leaves' is not on the grid of 1"),
        ({"kind": None, "height": 1, "leaves": 2}, "column 'kind' had no missing cells in training"),
        ({"kind": "oak", "height": 1, "leaves": 2, "age": 3}, "has a column 'age', which is none of these"),
        ([{"kind": "oak", "height": 1, "leaves": 2}] * 3, "has 3 rows where the answer has 2"),
        ([{"kind": "oak", "height": 1, "leaves": 2}, {"kind": 1, "height": 1, "leaves": 2}], "of different types"),
        ("oak", "is no object by column; m needs an object of the columns"),
        (7, "is no object by column; m needs an object of the columns"),
        ([0, 1, nan], "column 'leaves' had no missing cells in training, and is missing in row 0"),
        (np.array([1, None]), "is no object by column"),
    ],
)
def test_what_is_no_record_of_these_columns_is_refused_by_column(given: Any, says: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        rows(given)
    assert says in refused.value.message
    assert refused.value.field == "condition"


def test_networks_see_numbers_choices_and_that_there_is_a_condition() -> None:
    c = TREES.code(torch.tensor([[1, 0.5, 2], [0, nan, 3]], dtype=torch.float64))
    assert c.shape == (2, TREES.size)
    assert c.dtype == torch.float32
    #                     height  leaves      kind   height is there   1
    torch.testing.assert_close(c, torch.tensor([[0.25, 0.5 + 1 / 3, 0, 1, 1, 0, 1], [0, 0.5 + 2 / 3, 1, 0, 0, 1, 1]]))
    torch.testing.assert_close(
        TREES.values(c), torch.tensor([[1, 0.5, 2], [0, nan, 3]], dtype=torch.float64), equal_nan=True
    )


@pytest.mark.parametrize("record", [
    {"kind": "ash", "height": 1.5, "leaves": 2.0}, {"kind": "oak", "height": None, "leaves": 3.0}
])  # fmt: skip
def test_a_condition_is_kept_as_a_record(record: dict[str, Any]) -> None:
    kept = Conditioning("m", TREES, answers_without=False).single(np.asarray(record), of="a file")
    assert kept == record
    np.testing.assert_array_equal(TREES.read(as_array(record)), TREES.read(np.asarray([record])))


@pytest.mark.parametrize(
    ("arrow_type", "unit", "written"),
    [
        ("date32[day]", "day", "1970-01-05"),
        ("timestamp[ms]", "millisecond", "1970-01-01 00:00:00.004"),
        ("timestamp[us, tz=Europe/Berlin]", "microsecond", "1970-01-01 01:00:00.000004+0100"),
        ("time64[us]", "microsecond", 4),
        ("duration[s]", "second", 4),
    ],
)
def test_times_are_kept_as_they_are_read(arrow_type: str, unit: Unit, written: Any) -> None:
    time = number("at", low=0, high=9, step=1.0) | {"kind": "time", "arrow_type": arrow_type, "unit": unit, "start": 0}
    of = Columns(table=table(time), places=(0,))
    record = of.given(np.array([4.0]))
    assert record == {"at": written}
    assert of.read(as_array(record)) == [[4.0]]


def test_a_column_named_text_is_a_column() -> None:
    of = Columns(table=table(category("text", "a", "b")), places=(0,))
    assert of.read(np.array("b")) == [[1.0]]


def test_it_is_one_of_the_kinds_of_conditions() -> None:
    kind = TypeAdapter[AnyCondition](AnyCondition)
    assert kind.validate_json(kind.dump_json(TREES)) == TREES
    with pytest.raises(ValueError, match="places are one for each column"):
        kind.validate_python(TREES.model_dump() | {"places": [2, 1, 4]})
