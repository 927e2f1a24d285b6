"""Arrow tables as rows of cells, and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidInput
from pushforward.models.tables.columns import AnyColumn, Category, Constant, Identifier, Number, Time
from pushforward.models.tables.table import Table
from pushforward.models.tables.times import UNIT_NS, read_times, stand_as_written, tick_ns, units_since, write_times

if TYPE_CHECKING:
    import pyarrow

Cells = NDArray[np.float64]

EXAMPLE_S = 1_709_211_909  # 2024-02-29 13:05:09


def to_cells(table: Table, rows: pyarrow.Table, *, field: str = "records") -> Cells:
    """Rows of cells, (N, C). Columns without a cell may be left out. Raises InvalidInput: which column, what to do."""
    cells = np.empty((rows.num_rows, table.n_cells))
    for i, column in enumerate(cells_by_column(table, rows, field=field)):
        cells[:, i] = column
    return cells


def cells_by_column(table: Table, rows: Any, *, field: str = "records") -> Iterator[Cells]:
    """The cells of each column, (N,): those of `to_cells`, a column at a time.

    rows: a `pyarrow.Table`, or what gives `column_names` and a `column` by its name.
    """
    known = {column.name for column in table.columns} | {*table.left_out}
    unknown = next((name for name in rows.column_names if name not in known), None)
    if unknown is not None:
        raise InvalidInput(f"has a column {unknown!r}, which this model's table lacks; leave it out", field=field)
    for column in table.columns:
        if isinstance(column, Constant) and column.name in rows.column_names:
            _check_constant(column, _one_chunk(rows.column(column.name)), field)
    for column in table.modelled:
        if column.name not in rows.column_names:
            raise InvalidInput(f"lacks the column {column.name!r}; give it", field=field)
        try:
            yield column_cells(column, _one_chunk(rows.column(column.name)))
        except InvalidInput as error:
            raise InvalidInput(f"column {column.name!r} {error.message}", field=field) from error


def _check_constant(column: Constant, array: Any, field: str) -> None:
    """Refuse rows with another value than all rows of the training had. Raises InvalidInput."""
    import pyarrow as pa
    from pyarrow import compute

    given = array.drop_null()
    try:
        wanted = _cast(pa.array([column.value]), column.arrow_type)[0]
        equal = compute.equal(_cast(given, column.arrow_type), wanted)
        is_same = len(given) == 0 or compute.all(equal, skip_nulls=False).as_py()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):  # what is of another type is another value
        is_same = len(given) == 0
    if not is_same:
        raise InvalidInput(
            f"column {column.name!r} holds another value than {column.value!r}, which all rows had in training; leave "
            "the column out",
            field=field,
        )


def column_cells(column: Number | Time | Category, array: Any) -> Cells:
    """The cells of one column, (N,). Raises InvalidInput without the column's name."""
    import pyarrow as pa

    if pa.types.is_dictionary(array.type):
        array = array.dictionary_decode()
    if isinstance(column, Category):
        return _indices(column, array)
    try:
        array = _cast(array, column.arrow_type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, ValueError) as error:
        raise InvalidInput(f"does not hold values of type {column.arrow_type}: {str(error)[:200]}") from error
    cells = np.full(len(array), np.nan)
    present = np.array(array.is_valid())
    if isinstance(column, Time) and column.format is not None:
        texts, array = array, read_times(array, column.format)
        unread = present & ~stand_as_written(texts, array, column.format)
        if unread.any():
            row = int(unread.argmax())
            text, like = str(texts[row])[:50], write_times(pa.array([EXAMPLE_S], array.type), column.format)[0]
            raise InvalidInput(f"holds {text!r} in row {row}, and its times are written like {like}")
    if isinstance(column, Time):
        cells[present] = units_since(array.drop_null(), column.unit, column.start)
    elif pa.types.is_decimal(array.type):
        cells[present] = [float(value) for value in array.drop_null().to_pylist()]
    else:
        cells[present] = array.drop_null().to_numpy(zero_copy_only=False).astype(np.float64)
    return cells


def from_cells(table: Table, cells: Cells, *, start: int = 0) -> pyarrow.Table:
    """Rows as they were in the file: names, order and types; `start` numbers the identifiers of the first row."""
    import pyarrow as pa

    cell_of = table.cell_of
    columns = {
        column.name: _restored(
            column, cells[:, cell_of[column.name]] if column.name in cell_of else cells[:, :0], start
        )
        for column in table.columns
    }
    return pa.table(columns)


def _restored(column: AnyColumn, cells: Cells, start: int) -> Any:
    import pyarrow as pa

    kind = arrow_type(column.arrow_type)
    n = len(cells)
    match column:
        case Constant():
            return _cast(pa.array([column.value] * n), column.arrow_type)
        case Identifier():
            numbers = range(start + 1, start + n + 1)
            return pa.array(
                [f"{column.prefix}{i}" if column.prefix or _is_text(kind) else i for i in numbers], type=kind
            )
        case Category():
            return _chosen(column, cells, kind)
        case Time():
            return _times(column, cells, kind)
    mask = np.isnan(cells)
    if pa.types.is_integer(kind):
        return pa.array(np.where(mask, 0, np.round(cells)).astype(np.int64), mask=mask).cast(kind)
    if pa.types.is_decimal(kind):
        return pa.array(np.where(mask, 0.0, cells), mask=mask).cast(kind, safe=False)
    return pa.array(_tidy(column, cells), mask=mask).cast(kind, safe=False)


def _chosen(column: Category, cells: Cells, kind: Any) -> Any:
    import pyarrow as pa

    mask = np.isnan(cells)
    indices = pa.array(np.where(mask, 0, cells).astype(np.int64), mask=mask)
    if pa.types.is_dictionary(kind):
        values = pa.array(column.values).cast(kind.value_type)
        return pa.DictionaryArray.from_arrays(indices.cast(kind.index_type), values, ordered=kind.ordered)
    return _cast(pa.array(column.values), column.arrow_type).take(indices)


def _tidy(column: Number, cells: Cells) -> Cells:
    """Numbers of a grid of decimals without the rounding of float64: 0.30000000000000004 is 0.3."""
    if column.step is None:
        return cells
    digits = max(0, 12 - int(np.floor(np.log10(max(abs(column.low), abs(column.high), column.step)))))
    return np.round(cells, min(digits, 15))


def _times(column: Time, cells: Cells, kind: Any) -> Any:
    import pyarrow as pa

    mask = np.isnan(cells)
    units = np.where(mask, 0, np.round(cells)).astype(np.int64) + column.start
    if column.format is not None:
        seconds = pa.array(units * (UNIT_NS[column.unit] // UNIT_NS["second"]), mask=mask)
        return write_times(seconds.cast(pa.timestamp("s")), column.format).cast(kind)
    ticks = units * (UNIT_NS[column.unit] // tick_ns(kind))
    small = np.int32 if kind.bit_width == 32 else np.int64
    return pa.array(ticks.astype(small), mask=mask).cast(kind)


def _indices(column: Category, array: Any) -> Cells:
    """The index of each value; the cell of a missing one is NaN."""
    import pyarrow as pa
    from pyarrow import compute

    first = column.values[0]
    kind = pa.bool_() if isinstance(first, bool) else pa.string() if isinstance(first, str) else pa.float64()
    try:
        given = pa.nulls(len(array), kind) if pa.types.is_null(array.type) else array.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise InvalidInput(f"does not hold values like {first!r}: {str(error)[:200]}") from error
    if pa.types.is_floating(kind):
        given = pa.array(given.to_numpy(zero_copy_only=False), from_pandas=True)  # NaN is missing
    place = compute.index_in(given, value_set=pa.array(column.values).cast(kind))
    unseen = np.array(given.is_valid()) & ~np.array(place.is_valid())
    if unseen.any() and not column.other:
        row = int(unseen.argmax())
        some = ", ".join(map(repr, column.values[:10]))
        value = str(given[row].as_py())[:50]
        raise InvalidInput(f"holds {value!r} in row {row}, which training has not seen; it has seen {some}")
    cells: Cells = place.cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.where(unseen, float(len(column.values) - 1), cells) if column.other else cells


def _cast(array: Any, to: str) -> Any:
    import pyarrow as pa

    kind = arrow_type(to)
    if array.type == kind:
        return array
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), kind)
    if pa.types.is_integer(kind) and pa.types.is_floating(array.type):
        return array  # a number between integers is refused by the grid
    return array.cast(kind)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def arrow_type(name: str) -> Any:
    """The Arrow type of this name, as `str(type)` writes it. Raises ValueError."""
    import pyarrow as pa

    if parts := re.fullmatch(r"dictionary<values=(.+), indices=(\w+), ordered=([01])>", name):
        return pa.dictionary(arrow_type(parts[2]), arrow_type(parts[1]), ordered=parts[3] == "1")
    if parts := re.fullmatch(r"(timestamp|time32|time64|duration)\[(s|ms|us|ns)(?:, tz=(.+))?\]", name):
        make = getattr(pa, parts[1])
        return make(parts[2], parts[3]) if parts[3] else make(parts[2])
    if parts := re.fullmatch(r"decimal(32|64|128|256)\((\d+), (-?\d+)\)", name):
        return getattr(pa, f"decimal{parts[1]}")(int(parts[2]), int(parts[3]))
    named = {"date32[day]": pa.date32(), "date64[ms]": pa.date64(), "double": pa.float64(), "float": pa.float32()}
    return named[name] if name in named else pa.type_for_alias(name)


def cell_type(name: str) -> Any:
    """The Arrow type of a cell in a column of this type: that of a dictionary's values. Raises ValueError."""
    import pyarrow as pa

    kind = arrow_type(name)
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _one_chunk(column: Any) -> Any:
    import pyarrow as pa

    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.nulls(0)
