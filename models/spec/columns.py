"""Columns of a table as a condition: p(other columns | these).

A condition is a record of the columns, or its cells. Networks see it as they see rows of a table, its numbers through
their transforms and its choices one-hot (`models.tables.coding`), followed by a 1: all zeros is no condition at all.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Self, final

import numpy as np
from pydantic import NonNegativeInt, model_validator

from pushforward.models.errors import InvalidInput
from pushforward.models.lazy import torch
from pushforward.models.spec.condition import Condition
from pushforward.models.spec.precision import Held
from pushforward.models.tables.coding import coded_rows, decode_row
from pushforward.models.tables.columns import Category, Modelled, Time
from pushforward.models.tables.records import Record, as_record, whole_cells
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor

NO_RECORD = "is no object by column"
NAMED = 10  # columns, and values of a column, in a message


@final
class Columns(Condition):
    """Some columns of a table, beside the others."""

    kind: Literal["columns"] = "columns"
    table: Table
    """The columns that are given."""
    places: tuple[NonNegativeInt, ...]
    """The place of each among all columns of the table, from 0."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.places) != len(self.table.columns) or any(a >= b for a, b in pairwise(self.places)):
            raise ValueError("places are one for each column that is given, in order")
        return self

    @property
    def width(self) -> int:
        return self.table.n_cells

    @property
    def size(self) -> int:
        return self.table.width + 1

    @property
    def dtype(self) -> Held:
        return "float64"

    @property
    def form(self) -> str:
        named = ", ".join(map(_wanted, self.table.modelled[:NAMED]))
        more = ", ..." if self.width > NAMED else ""
        return f"an object of the columns {named}{more},"

    def read(self, given: np.ndarray) -> np.ndarray:
        """Records as objects, or their cells: (n, V), or (V,) of one."""
        if given.dtype.kind == "O":
            return whole_cells(self.table, _records(given), field="condition")
        if given.dtype.kind == "U" and "text" in self.table.cell_of:  # {"text": ...}, which is read as a text
            return whole_cells(self.table, [{"text": text} for text in given.reshape(-1).tolist()], field="condition")
        cells = given.reshape(1 if given.ndim <= 1 else len(given), -1)
        if given.dtype.kind == "U" or cells.shape[1] != self.width:
            raise InvalidInput(NO_RECORD, field="condition")
        self.table.check(cells, field="condition")
        return cells

    def given(self, values: np.ndarray) -> Record:
        return as_record(self.table, values)

    def code(self, values: Tensor) -> Tensor:
        v = coded_rows(self.table, values)
        return torch.cat([v, torch.ones_like(v[:, :1])], 1)

    def values(self, c: Tensor) -> Tensor:
        return decode_row(self.table, c[:, :-1])

    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        self.table.check(values, field=field)


def _records(given: np.ndarray) -> list[dict[str, Any]]:
    """Raises InvalidInput."""
    records: list[Any] = given.reshape(-1).tolist()
    if not all(isinstance(record, dict) for record in records):
        raise InvalidInput(NO_RECORD, field="condition")
    return records


def _wanted(column: Modelled) -> str:
    """`'kind' ('oak', 'ash' or null)`."""
    if isinstance(column, Category):
        some = ", ".join(map(repr, column.values[:NAMED]))
        of = f"{some}, ..." if len(column.values) > NAMED else some
    else:
        of = "a time" if isinstance(column, Time) else "a number"
    return f"{column.name!r} ({of}{' or null' if column.missing else ''})"
