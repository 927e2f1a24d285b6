"""The types of fields of commands: arrays, conditions, seeds."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from pushforward.models.config.numbers_only import EXACT
from pushforward.models.data import AnyData
from pushforward.service.application.commands.arrays import as_array, as_texts
from pushforward.service.formats.tables import RECORDS, TableRows

HELD_OUT = "held_out"
_CELLS = frozenset({str, int, float, bool, type(None)})
NO_RECORDS = "must be a list of objects, one for each row, with a value for each column"
DOMAIN = "must be a number or the name of a label, a list of these, or a list of lists of numbers, one for each row"
CONDITION = f'{DOMAIN}; or {{"text": "..."}}, or an object by column'


def _as_array(value: Any) -> np.ndarray:
    """An array of nested lists of numbers, or of an array: float32 stays float32, other numbers become float64.

    The dtype of the data is the model's, which is not known yet.
    """
    if value is None:
        raise ValueError("is missing")
    array = as_array(value)
    if array.dtype.kind == "b":
        raise ValueError("holds booleans; send 0 and 1 as numbers")
    if array.dtype.kind not in "fiu":
        raise ValueError("must hold finite numbers only, in nested lists of equal lengths")
    if array.ndim < 1:
        raise ValueError("must be a list of rows, not a single number")
    is_single = array.dtype.kind == "f" and array.dtype.itemsize <= 4
    return np.ascontiguousarray(array, dtype=np.float32 if is_single else np.float64)


def _as_condition(value: Any, wanted: str = CONDITION) -> np.ndarray:
    """A number, a list of numbers, or a list of such lists, as float64; its meaning depends on the model.

    Names of labels come as they are, texts as `{"text": ...}`, and both as an array of them; records as objects, one or
    a list of them.
    """
    if value is None:
        raise ValueError("is missing")
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":
        return value
    if isinstance(value, Mapping) and value.keys() == {"text"}:
        return as_texts(value["text"])
    if isinstance(value, str) or (isinstance(value, list) and {*map(type, value)} == {str}):
        return as_texts(value)
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        value = value.tolist()
    records = [value] if isinstance(value, Mapping) else value
    if wanted is CONDITION and isinstance(records, list) and records and isinstance(records[0], Mapping):
        _check_records(records)
        return np.array(value, object)
    try:
        array = as_array(value)
    except ValueError as error:
        raise ValueError(f"{wanted}; {error}") from error
    if array.dtype.kind not in "fiu" or array.ndim > 2 or array.size == 0:
        raise ValueError(wanted)
    return array.astype(np.float64)


def _seed(value: Any) -> Any:
    """Refuse a double: JSON parsers read whole numbers beyond 2**64 as doubles."""
    if isinstance(value, float) and abs(value) >= EXACT:
        raise ValueError("must be a whole number from 0 to 2**64 - 1 = 18446744073709551615")
    return value


def _rectangle(value: tuple[tuple[float, float], tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """Refuse a rectangle without an area."""
    if not all(low < high and isfinite(high - low) for low, high in value):
        raise ValueError("must be two intervals, [[x_low, x_high], [y_low, y_high]], each with its lower end first")
    return value


def _against(value: Any) -> Any:
    """Refuse what is neither of the two, so that one message says both."""
    if value != HELD_OUT and not isinstance(value, Mapping):
        raise ValueError(f'must be "{HELD_OUT}", or a source of data as in a run: {{"source": "npy", "path": ...}}')
    return value


def _as_records(value: Any) -> TableRows:
    """Rows of a table: objects by column, of values that a cell can hold."""
    if isinstance(value, TableRows):
        return value
    if not isinstance(value, list) or not value:
        raise ValueError(NO_RECORDS)
    _check_records(value)
    return TableRows(RECORDS, value)


def _check_records(records: list[Any]) -> None:
    """Raises ValueError where they are no objects of cells."""
    if not all(type(record) is dict for record in records):
        raise ValueError(NO_RECORDS)
    for row, record in enumerate(records):
        for name, cell in record.items():
            if type(cell) not in _CELLS:
                raise ValueError(f"column {name!r} holds no text, number, boolean or null in row {row}")


Against = Annotated[
    Annotated[Literal["held_out"], Tag("held_out")] | Annotated[AnyData, Tag("data")],
    Discriminator(lambda value: "held_out" if isinstance(value, str) else "data"),
    BeforeValidator(_against),
]
Records = Annotated[
    TableRows,
    BeforeValidator(_as_records),
    WithJsonSchema({"type": "array", "items": {"type": "object"}, "description": "rows of a table, by column"}),
]
Array = Annotated[
    np.ndarray,
    BeforeValidator(_as_array),
    WithJsonSchema({"type": "array", "items": {}, "description": "rows of numbers: [n, *shape]"}),
]
Domain = Annotated[
    np.ndarray,
    BeforeValidator(lambda value: _as_condition(value, DOMAIN)),
    WithJsonSchema(
        {
            "anyOf": [{"type": "number"}, {"type": "string"}, {"type": "array", "items": {}}],
            "description": "a label, its name or a vector, for all rows; or a list of them, one for each row",
        }
    ),
]
Condition = Annotated[
    np.ndarray,
    BeforeValidator(_as_condition),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string"},
                {"type": "array", "items": {}},
                {
                    "type": "object",
                    "properties": {
                        "text": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
                    },
                    "required": ["text"],
                    "additionalProperties": False,
                },
                {"type": "object", "additionalProperties": True},
            ],
            "description": "a label, its name, a vector, a text or a record of columns, for all rows; or a list of "
            "them, one for each row",
        }
    ),
]
Within = Annotated[
    tuple[tuple[float, float], tuple[float, float]],
    AfterValidator(_rectangle),
]
Seed = Annotated[int, Field(ge=0, lt=2**64, strict=True), BeforeValidator(_seed)]
Priority = Annotated[int, Field(ge=-100, le=100, strict=True)]
