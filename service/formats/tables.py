"""Rows of tables as records, csv, parquet and Arrow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.tables.reading import NO_PYARROW, parse_arrow, parse_csv, parse_parquet
from pushforward.models.errors import InvalidInput
from pushforward.models.tables.arrow import Cells, arrow_type, from_cells, to_cells
from pushforward.models.tables.columns import Time
from pushforward.models.tables.records import MAX_REASON_CHARS, of_records
from pushforward.models.tables.table import Table
from pushforward.service.domain.errors import Unsupported

if TYPE_CHECKING:
    import pyarrow

RECORDS = "application/json"
CSV = "text/csv"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
MEDIA_TYPES = (CSV, PARQUET, ARROW)


@final
@dataclass(frozen=True)
class TableRows:
    """Rows as a client gave them; what they mean depends on the table of the model, which is not known yet."""

    media_type: str
    content: Any  # records, a list of objects by column; or the bytes of a file

    def cells(self, table: Table) -> Cells:
        """Rows of cells, (N, C). Raises InvalidInput."""
        rows = self._read(table)
        with self._refusing():
            return to_cells(table, rows)

    def partial_cells(self, table: Table, given: Sequence[str]) -> tuple[Cells, NDArray[np.bool_]]:
        """Rows of cells, (N, C), and which of them are known: all but nulls, and nulls too in the columns `given`.

        Raises InvalidInput.
        """
        rows = self._read(table)
        import pyarrow as pa

        names = [column.name for column in table.modelled]
        unknown = next((name for name in given if name not in names), None)
        if unknown is not None:
            raise InvalidInput(f"names {unknown!r}, which is no column that is modelled", field="given")
        for name in names:
            if name not in rows.column_names:
                rows = rows.append_column(name, pa.nulls(rows.num_rows))
        with self._refusing():
            cells = to_cells(table, rows)
        return cells, ~np.isnan(cells) | np.array([name in given for name in names])

    def _read(self, table: Table) -> pyarrow.Table:
        """Raises InvalidInput."""
        check_pyarrow()
        with self._refusing():
            rows = self._arrow(table)
            names = rows.column_names  # not UTF-8, perhaps
        if rows.num_rows == 0 or not names:
            raise InvalidInput("holds no row; send at least one", field="records")
        return rows

    @contextmanager
    def _refusing(self) -> Iterator[None]:
        """Errors of a parser as a refusal. Raises InvalidInput."""
        import pyarrow as pa

        try:
            yield
        except (pa.ArrowException, ValueError, KeyError, OSError) as error:
            raise InvalidInput(
                f"cannot be read as {self.media_type}: {str(error)[:MAX_REASON_CHARS]}", field="records"
            ) from error

    def _arrow(self, table: Table) -> pyarrow.Table:
        match self.media_type:
            case "application/json":
                return of_records(table, self.content)
            case "text/csv":
                types = {
                    c.name: arrow_type(c.arrow_type) for c in table.columns if not (isinstance(c, Time) and c.format)
                }
                return parse_csv(self.content, types)
            case "application/vnd.apache.parquet":
                return parse_parquet(self.content)
        return parse_arrow(self.content)


def check_pyarrow() -> None:
    """Raises Unsupported where it is not installed."""
    if find_spec("pyarrow") is None:
        raise Unsupported(NO_PYARROW)


def dumps(media_type: str, table: Table, cells: Cells) -> bytes:
    """Rows of cells, (N, C), as a file. Raises Unsupported without pyarrow."""
    check_pyarrow()
    import pyarrow as pa

    rows, sink = from_cells(table, cells), pa.BufferOutputStream()
    if media_type == CSV:
        from pyarrow import csv

        csv.write_csv(rows, sink, csv.WriteOptions(quoting_style="needed"))
    elif media_type == PARQUET:
        from pyarrow import parquet

        parquet.write_table(rows, sink)
    else:
        with pa.ipc.new_stream(sink, rows.schema) as stream:
            stream.write_table(rows)
    content: bytes = sink.getvalue().to_pybytes()
    return content


def records(table: Table, cells: Cells) -> list[dict[str, Any]]:
    """Rows of cells, (N, C), as objects by column; a missing cell is None. Raises Unsupported without pyarrow."""
    check_pyarrow()
    listed: list[dict[str, Any]] = from_cells(table, cells).to_pylist()
    return listed
