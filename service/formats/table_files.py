"""Rows of tables as files, whole or piece by piece: csv, parquet and Arrow.

What is held in memory are the rows of a piece, however many there are in all.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, final

import numpy as np

from pushforward.models.data.tables.media_types import ARROW_FILE, CSV, MEDIA_TYPES, PARQUET
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.durable import sync
from pushforward.models.tables.arrow import Cells, from_cells
from pushforward.models.tables.table import Table
from pushforward.service.domain.errors import NotAcceptable
from pushforward.service.formats.tables import check_pyarrow

ROWS_AT_ONCE = 16_384  # of a file that is written from an npy file


@final
class TableCells(NamedTuple):
    """Rows as cells, and the table that they are of."""

    table: Table
    cells: Cells  # (N, C)


OfTable = TypeVar("OfTable", Table, TableCells)


@final
class TableWriter:
    """A file of rows that is written piece by piece."""

    def __init__(self, media_type: str, table: Table, *, start: int = 0) -> None:
        """`start` is the number of the first row. Raises Unsupported without pyarrow."""
        check_pyarrow()
        self._media_type, self._table = media_type, table
        self._sink = BytesIO()
        self._writer: Any = None
        self._next = start

    def piece(self, cells: Cells) -> bytes:
        """The bytes of the next rows, (n, C); before those of the first stands what begins the file."""
        rows = from_cells(self._table, cells, start=self._next)
        if self._writer is None:
            self._writer = _writer(self._media_type, self._sink, rows.schema)
        self._writer.write_table(rows)
        self._next += len(cells)
        return self._written()

    def end(self) -> bytes:
        """The bytes that end the file."""
        if self._writer is not None:
            self._writer.close()
        return self._written()

    def _written(self) -> bytes:
        """What was written since the last time."""
        written = self._sink.getvalue()
        self._sink.seek(0)
        self._sink.truncate()
        return written


def in_file(x: np.ndarray, spec: DataSpec, condition: np.ndarray | None) -> TableCells | None:
    """All columns of a table, and the cells of rows, (n, all cells): x, (n, C), and the condition that they are under.

    The condition is of all rows, (1, V), or of each, (n, V); given columns are missing without one. None where the rows
    are of no table.
    """
    if spec.table is None or spec.split is None:
        return None if spec.table is None else TableCells(spec.table, x)
    given = np.full((1, spec.split.given.n_cells), np.nan) if condition is None else condition
    return TableCells(spec.split.whole, spec.split.joined(x, given))


def of_table(found: OfTable | None, media_type: str) -> OfTable:
    """A table, or rows of one, where there is any. Raises NotAcceptable, as where the format is no table's."""
    if media_type not in MEDIA_TYPES:
        raise NotAcceptable(f"no file of a table is {media_type[:100]}; accept one of {', '.join(MEDIA_TYPES)}")
    if found is None:
        raise NotAcceptable(f"{media_type} is for rows of tables, and these are none; accept application/json")
    return found


def dumps(media_type: str, table: Table, cells: Cells, *, start: int = 0) -> bytes:
    """Rows of cells, (N, C), as a file. Raises Unsupported without pyarrow."""
    writer = TableWriter(media_type, table, start=start)
    return writer.piece(cells) + writer.end()


class Written(NamedTuple):
    """What was written so far."""

    n_bytes: int
    sha256: str


def table_file(
    rows: Path, file: Path, spec: DataSpec, condition: np.ndarray | None, media_type: str
) -> Iterator[Written]:
    """Write `rows`, an npy file of cells, (N, C), under a condition, (1, V), into `file`.

    Yields after each piece, last when it is on the disk. The file is a function of the rows, the condition and the
    format. Raises OSError.
    """
    cells = np.load(rows, mmap_mode="r")
    writer, digest, n_bytes = TableWriter(media_type, of_table(spec.file_table, media_type)), sha256(), 0
    with file.open("wb") as stream:
        for piece in _pieces(writer, cells, spec, condition):
            n_bytes += stream.write(piece)
            digest.update(piece)
            yield Written(n_bytes, digest.hexdigest())
    sync(file)
    yield Written(n_bytes, digest.hexdigest())


def _pieces(writer: TableWriter, cells: np.ndarray, spec: DataSpec, condition: np.ndarray | None) -> Iterator[bytes]:
    for first in range(0, len(cells), ROWS_AT_ONCE):
        rows = in_file(np.array(cells[first : first + ROWS_AT_ONCE]), spec, condition)
        if rows is not None:
            yield writer.piece(rows.cells)
    yield writer.end()


def _writer(media_type: str, sink: BytesIO, schema: Any) -> Any:
    import pyarrow as pa

    kept = pa.PythonFile(sink, mode="w")  # is not closed with its writer
    if media_type == CSV:
        from pyarrow import csv

        return csv.CSVWriter(kept, schema, write_options=csv.WriteOptions(quoting_style="needed"))
    if media_type == PARQUET:
        from pyarrow import parquet

        return parquet.ParquetWriter(kept, schema)
    return pa.ipc.new_file(kept, schema) if media_type == ARROW_FILE else pa.ipc.new_stream(kept, schema)
