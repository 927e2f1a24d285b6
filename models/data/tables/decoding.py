"""Rows of cells of a table, in memory or in a mapped file: columns are decoded one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.mapped.pieces import Pieces, spans
from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.data.tables.columns_of_files import TableColumns
from pushforward.models.tables.arrow import Cells, cells_by_column, to_cells
from pushforward.models.tables.split import SplitTable
from pushforward.models.tables.table import Table

REALS = np.dtype(np.float64)


@final
@dataclass(frozen=True)
class SomeColumns:
    """Some columns of a table, in some of its rows."""

    of: TableColumns
    column_names: list[str]
    kept: NDArray[np.bool_] | None = None  # (N,) which rows; all where None

    @property
    def num_rows(self) -> int:
        """How many rows are kept."""
        return self.of.num_rows if self.kept is None else int(self.kept.sum())

    def column(self, name: str) -> Any:
        """A column, `pyarrow.ChunkedArray`."""
        column = self.of.column(name)
        return column if self.kept is None else column.filter(self.kept)

    def without_missing(self) -> SomeColumns:
        """The rows without a missing cell."""
        whole = np.ones(self.num_rows, bool)
        for name in self.column_names:
            column = self.column(name)
            if column.null_count:
                whole &= column.is_valid().to_numpy()
        return SomeColumns(self.of, self.column_names, whole)


def stored_cells(table: Table, rows: TableColumns, scratch: ScratchSpace) -> Cells:
    """Rows of cells, (N, C), as `to_cells` makes them. Raises InvalidInput."""
    shape = rows.num_rows, table.n_cells
    if scratch.holds(shape[0] * shape[1] * REALS.itemsize):
        return to_cells(table, rows, field="path")
    return scratch.array("rows", shape, REALS, _transposed(table, rows, scratch))


def _transposed(table: Table, rows: TableColumns, scratch: ScratchSpace) -> Iterator[Cells]:
    """Rows, some at a time, of columns that are written one behind the other: so disks like it."""
    columns = scratch.array(
        "columns", (table.n_cells, rows.num_rows), REALS, cells_by_column(table, rows, field="path")
    )
    for some in spans(rows.num_rows, table.n_cells):
        yield columns[:, some].T
    scratch.drop("columns")


def stored_parts(split: SplitTable, cells: Cells, scratch: ScratchSpace) -> Sequence[Cells]:
    """The cells x, (N, C), and g, (N, V), of rows of the file."""
    if scratch.holds(cells.nbytes):
        return split.split(cells)
    parts = (("modelled", split.modelled, 0), ("given", split.given, 1))
    return [
        scratch.array(name, (len(cells), part.n_cells), REALS, (split.split(piece)[which] for piece in Pieces(cells)))
        for name, part, which in parts
    ]
