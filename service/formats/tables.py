"""Rows of tables from records, csv, parquet and Arrow, and as records."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.tables import media_types
from pushforward.models.data.tables.parsing import parse_arrow, parse_csv, parse_parquet
from pushforward.models.data.tables.reading import NO_PYARROW
from pushforward.models.errors import InvalidInput
from pushforward.models.tables.arrow import Cells, cell_type, from_cells, to_cells
from pushforward.models.tables.columns import Time
from pushforward.models.tables.records import MAX_REASON_CHARS, no_column, of_records
from pushforward.models.tables.table import Table
from pushforward.service.domain.errors import Unsupported

if TYPE_CHECKING:
    import pyarrow

RECORDS = "application/json"


@final
@dataclass(frozen=True)
class TableRows:
    """Rows as a client gave them; what they mean depends on the table of the model, which is not known yet."""

    media_type: str
    content: Any  # records, a list of objects by column; or the bytes of a file

    @property
    def n_bytes(self) -> int:
        """Of a file; 0 of records, which are read already."""
        return 0 if self.media_type == RECORDS else len(self.content)

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
            raise InvalidInput(no_column(unknown, names), field="given")
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
            case media_types.CSV:
                types = {
                    c.name: cell_type(c.arrow_type) for c in table.columns if not (isinstance(c, Time) and c.format)
                }
                return parse_csv(self.content, types)
            case media_types.PARQUET:
                return parse_parquet(self.content)
            case media_types.ARROW_FILE | media_types.ARROW_STREAM:
                return parse_arrow(self.content)
        return of_records(table, self.content)


def check_pyarrow() -> None:
    """Raises Unsupported where it is not installed."""
    if find_spec("pyarrow") is None:
        raise Unsupported(NO_PYARROW)


def records(table: Table, cells: Cells, *, start: int = 0) -> list[dict[str, Any]]:
    """Rows of cells, (N, C), as objects by column; a missing cell is None; `start` is the number of the first row.

    Raises Unsupported without pyarrow.
    """
    check_pyarrow()
    listed: list[dict[str, Any]] = from_cells(table, cells, start=start).to_pylist()
    return listed
