"""Columns of numbers of a csv, parquet or Arrow file as one series."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.files import reading
from pushforward.models.data.fitting import check_integers
from pushforward.models.data.mapped.pieces import Pieces
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.tables.cells import ColumnChoice, column_cells
from pushforward.models.data.tables.columns_of_files import TableColumns
from pushforward.models.data.tables.reading import read
from pushforward.models.errors import InvalidData


def read_columns(
    file: Path, name: str, wanted: Sequence[str] | None, scratch: ScratchSpace = IN_MEMORY
) -> NDArray[Any]:
    """The series, (T, C), of the columns that are wanted, in this order, or of all.

    `name` is the file's for messages. Raises InvalidData, Hindered.
    """
    table = read(file, name, scratch)
    names = tuple(wanted or table.column_names)
    unknown = next((each for each in names if each not in table.column_names), None)
    if unknown is not None:
        there = ", ".join(map(repr, table.column_names[:10]))
        raise InvalidData(f"names {unknown!r}, which {name!r} does not have; it has {there}", field="columns")
    with reading(file):
        return np.stack([_numbers(table, each) for each in names], 1)


def _numbers(table: TableColumns, name: str) -> NDArray[Any]:
    """The numbers of a column, (T,): float32 where it has these, else float64. Raises InvalidData."""
    import pyarrow as pa

    cells = column_cells(table, name, ColumnChoice())
    kind = cells.array.type
    if not _are_numbers(kind):
        raise InvalidData(
            f"has column {name!r} of {cells.arrow_type}, and a series is of numbers; name the columns of numbers: "
            f"{[each for each in table.column_names if _are_numbers(table.column(each).type)][:10]}",
            field="columns",
        )
    if cells.has_missing:
        row = int(cells.array.is_null().to_numpy(zero_copy_only=False).argmax())
        more = f", and {cells.n_missing - 1} more are missing" if cells.n_missing > 1 else ""
        raise InvalidData(
            f"has no number in row {row} (counted from 0) of column {name!r}{more}; fill such cells, by interpolation "
            "for example, or name columns without gaps",
            field="columns",
        )
    if pa.types.is_decimal(kind):
        return np.array(cells.array.cast(pa.float64()))
    found = np.array(cells.array)
    check_integers(Pieces(found[:, None]), what=f"column {name!r}", field="columns")
    return found.astype(np.float32 if kind in (pa.float16(), pa.float32()) else np.float64)


def _are_numbers(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind))
