"""Rows of a table that fulfil what a request wants: drawn until there are enough.

Row i of a sample is a function of (model, seed, i), and the answer has the first rows that fulfil it, so it is one of
(model, seed, where), too, however many rows are drawn at a time. The share of accepted rows estimates how probable what
is wanted is under the model; a rare one is refused with that estimate, because it would take for ever.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidInput
from pushforward.models.tables.arrow import column_cells
from pushforward.models.tables.columns import Category
from pushforward.models.tables.records import no_column
from pushforward.models.tables.table import Table
from pushforward.service.application.commands.where import Where
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.formats.tables import check_pyarrow

LEAST_ROWS = 64  # drawn at a time
MARGIN = 1.3  # drawn more than expected to be needed
COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@final
class Accepted:
    """The rows that were drawn so far and fulfil what is wanted."""

    def __init__(self, table: Table, where: Sequence[Where], n: int, max_rows: int) -> None:
        """Raises InvalidInput. `n` rows are wanted, at most `max_rows` are drawn."""
        self._tests = [_test(table, i, each) for i, each in enumerate(where)]
        self._n, self._max_rows = n, max_rows
        self.n_drawn = 0
        self._places: list[NDArray[np.int64]] = []  # of accepted rows
        self._rows: list[NDArray[Any]] = []

    @property
    def n_accepted(self) -> int:
        """How many rows were accepted."""
        return sum(map(len, self._rows))

    @property
    def is_complete(self) -> bool:
        """Whether they are enough."""
        return self.n_accepted >= self._n

    def next_rows(self, most: int) -> int:
        """How many rows to draw next. Raises Invalid where too many were drawn in vain."""
        if self.n_drawn >= self._max_rows:
            share = self.n_accepted / self.n_drawn
            raise Invalid.field(
                "where",
                f"holds for {self.n_accepted} of {self.n_drawn} rows drawn, {share:.2g} of them; {self._n} are wanted: "
                "want less, or raise max_tries, or complete records that have it",
            )
        left = (self._n - self.n_accepted) * self.n_drawn / max(1, self.n_accepted) if self.n_drawn else self._n
        return min(max(LEAST_ROWS, ceil(MARGIN * left)), most, self._max_rows - self.n_drawn)

    def add(self, cells: NDArray[Any]) -> None:
        """The next rows that were drawn, (m, C)."""
        holds = np.all([test(cells) for test in self._tests], axis=0)
        self._places.append(self.n_drawn + np.flatnonzero(holds))
        self._rows.append(cells[holds])
        self.n_drawn += len(cells)

    def result(self) -> tuple[NDArray[Any], float]:
        """The first n accepted rows, and the share of accepted ones among those drawn until the last of them."""
        last = int(np.concatenate(self._places)[self._n - 1])
        return np.concatenate(self._rows)[: self._n], self._n / (last + 1)


def drawn_again(whole: InferenceRequest, first: int, rows: int) -> InferenceRequest:
    """Rows first, ..., first + rows - 1 of a sample, under the one condition of all its rows. Raises Invalid."""
    arrays = {}
    for name, array in whole.arrays.items():
        if not np.array_equal(array, np.broadcast_to(array[:1], array.shape), equal_nan=True):
            raise Invalid.field(name, "is one for all rows, where rows must fulfil something; give one")
        arrays[name] = array[:1].repeat(rows, axis=0)
    return replace(whole, first=first, rows=rows, arrays=arrays)


def _test(table: Table, i: int, where: Where) -> Callable[[NDArray[Any]], NDArray[np.bool_]]:
    """Whether rows of cells, (m, C), fulfil it, (m,). Raises InvalidInput."""
    field = f"where.{i}"
    names = [column.name for column in table.modelled]
    if where.column not in names:
        raise InvalidInput(no_column(where.column, names), field=f"{field}.column")
    cell = names.index(where.column)
    column = table.modelled[cell]
    if (where.op == "in") != isinstance(where.value, tuple):
        raise InvalidInput("is a list for `in`, and one value for the others", field=f"{field}.value")
    if isinstance(column, Category) and not column.ordered and where.op not in ("==", "!=", "in"):
        raise InvalidInput(
            f"is for columns with an order, and {column.name!r} has none; use ==, != or in", field=f"{field}.op"
        )
    check_pyarrow()
    import pyarrow as pa

    values = where.value if isinstance(where.value, tuple) else (where.value,)
    try:
        wanted = column_cells(column, pa.array(values))
    except (InvalidInput, pa.ArrowException, TypeError) as error:
        raise InvalidInput(f"{error}", field=f"{field}.value") from error
    if where.op == "in":
        return lambda cells: np.isin(cells[:, cell], wanted)
    compare, there = COMPARISONS[where.op], float(wanted[0])
    return lambda cells: compare(cells[:, cell], there) & ~np.isnan(cells[:, cell])
