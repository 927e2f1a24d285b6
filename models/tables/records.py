"""Rows of tables as records: objects by column, as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pushforward.models.errors import InvalidInput
from pushforward.models.tables.arrow import Cells, from_cells, to_cells
from pushforward.models.tables.columns import Value
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    import pyarrow

Record = dict[str, Value | None]

MAX_REASON_CHARS, MAX_NAMED = 200, 20  # of a message: characters of a reason, columns that it names


def no_column(name: str, modelled: Sequence[str]) -> str:
    """The refusal of a name."""
    known = ", ".join(map(repr, modelled[:MAX_NAMED]))
    return f"names {name[:100]!r}, which is no column that is modelled; name some of {known}"


def of_records(table: Table, given: Sequence[Mapping[str, Any]]) -> pyarrow.Table:
    """A column of each field that any record has; a field that a record lacks is missing in its row."""
    import pyarrow as pa

    names = dict.fromkeys(name for record in given for name in record)
    names |= dict.fromkeys(column.name for column in table.modelled)
    columns = {}
    for name in names:
        values = [record.get(name) for record in given]
        try:
            columns[name] = pa.array(values)
        except (pa.ArrowException, TypeError) as error:
            reason = str(error)[:MAX_REASON_CHARS]
            raise InvalidInput(f"column {name!r} holds values of different types: {reason}", field="records") from error
    return pa.table(columns)


def whole_cells(table: Table, given: Sequence[Mapping[str, Any]], *, field: str) -> Cells:
    """Rows of cells, (N, C), of records with all columns that have cells; null is missing.

    Raises InvalidInput: which column, what to do.
    """
    if find_spec("pyarrow") is None:
        raise InvalidInput("is a record, which needs pyarrow; install pushforward[table]", field=field)
    import pyarrow as pa

    names = list(table.cell_of)
    for record in given:
        lacking = next((name for name in names if name not in record), None)
        if lacking is not None:
            raise InvalidInput(f"lacks the column {lacking!r}", field=field)
        unknown = next((name for name in record if name not in table.cell_of), None)
        if unknown is not None:
            raise InvalidInput(f"has a column {str(unknown)[:100]!r}, which is none of these", field=field)
    try:
        cells = to_cells(table, of_records(table, given), field=field)
    except (pa.ArrowException, ValueError) as error:
        raise InvalidInput(f"cannot be read: {str(error)[:MAX_REASON_CHARS]}", field=field) from error
    table.check(cells, field=field)
    return cells


def as_record(table: Table, cells: Cells) -> Record:
    """One row of cells, (C,), as JSON has it: dates as texts, durations and times of day in the ticks of their type."""
    rows = from_cells(table, cells[None])
    return {name: _plain(*rows.column(name)) for name in table.cell_of}


def _plain(cell: Any) -> Value | None:
    import pyarrow as pa

    if pa.types.is_duration(cell.type) or pa.types.is_time(cell.type):  # no text is read as one
        ticks: int | None = cell.value
        return ticks
    value = cell.as_py()
    return value if value is None or isinstance(value, Value) else str(cell.cast(pa.string()))
