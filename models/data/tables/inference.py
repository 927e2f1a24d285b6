"""The kinds of a table's columns, told by their types in Arrow and by their cells.

| type, and what is seen                                             | kind                                           |
|--------------------------------------------------------------------|------------------------------------------------|
| one distinct value in every row                                    | `constant`                                     |
| booleans                                                           | `category`                                     |
| texts with few distinct values, at most sqrt(N) or 20              | `category`, most frequent first                |
| texts, all of them distinct                                        | `identifier`                                   |
| other texts                                                        | refused: a free text                           |
| integers with at most 10 distinct values                           | `category`, in order                           |
| other integers, decimals                                           | `number` with a step: their common divisor     |
| floats that lie on a grid of at most 1,000 points                  | `number` with a step                           |
| other floats                                                       | `number`                                       |
| dates, times, durations, texts that are dates in one format        | `time`, in the coarsest unit that holds them   |

A number that makes up more than 5 % of the cells of a column without a grid, or with a long one, is an atom.
"""

from __future__ import annotations

from math import sqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.tables.cells import ColumnCells, ColumnChoice, column_cells
from pushforward.models.data.tables.checks import check_choice, check_grid, check_length
from pushforward.models.data.tables.columns_of_files import TableColumns
from pushforward.models.data.tables.grids import EXACT, atoms, common_step, decimal_step, grid
from pushforward.models.data.tables.rare import check_other, frequent, plain, value_counts
from pushforward.models.errors import InvalidData
from pushforward.models.tables.columns import OTHER, AnyColumn, Category, Constant, Identifier, Number, Time
from pushforward.models.tables.times import whole_units, written_times
from pushforward.models.tables.transform import fitted

Reals = NDArray[np.float64]

FEW_TEXTS, MOST_TEXTS, FEW_INTEGERS = 20, 256, 10
MOST_CHOSEN = 10_000  # values of a column whose kind is given
LONG_GRID = 100  # points of a grid; a longer one can have atoms


class Inferred(NamedTuple):
    """A column and why it is one."""

    column: AnyColumn
    reason: str


def infer(table: TableColumns, chosen: dict[str, ColumnChoice], min_count: int = 1) -> list[Inferred]:
    """The columns that a model is given, in order. Raises InvalidData: which column, what to do.

    Values of categories in fewer than `min_count` rows, held out ones among them, are `other`.
    """
    unknown = next((name for name in chosen if name not in table.column_names), None)
    if unknown is not None:
        there = ", ".join(map(repr, table.column_names[:20]))
        raise InvalidData(f"there is no column {unknown!r}; the file has {there}", field=f"columns.{unknown}")
    inferred = []
    for name in table.column_names:
        choice = chosen.get(name, ColumnChoice())
        if choice.kind != "drop":
            cells = column_cells(table, name, choice, min_count)
            inferred.append(_inferred(cells))
            check_choice(cells, inferred[-1].column)
    if not inferred:
        raise InvalidData("leaves no column; drop fewer", field="columns")
    return inferred


def _inferred(cells: ColumnCells) -> Inferred:
    import pyarrow as pa

    kind = cells.array.type
    present = cells.array.drop_null()
    if len(present) == 0:
        return Inferred(Constant(name=cells.name, arrow_type=cells.arrow_type, value=None), "every cell is missing")
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        raise cells.refuse(f'holds {kind}, which is no single value; give its parts as columns, or {{"kind": "drop"}}')
    distinct = present.unique()
    if len(distinct) == 1 and not cells.has_missing and cells.chosen.kind is None:
        check_length(cells, [distinct[0].as_py()])
        value = plain(distinct[0])
        return Inferred(Constant(name=cells.name, arrow_type=cells.arrow_type, value=value), "every cell is the same")
    match cells.chosen.kind:
        case "identifier":
            return _identifier(cells, present, "as chosen")
        case "category":
            return _category(cells, present, "as chosen", most=MOST_CHOSEN)
    if pa.types.is_temporal(kind):
        return _time(cells, present)
    if pa.types.is_boolean(kind):
        return _category(cells, present, "booleans")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _text(cells, present, len(distinct))
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
        raise cells.refuse(f'holds {kind}, which no kind of column holds; give {{"kind": "drop"}}')
    if cells.chosen.kind == "time":
        raise cells.refuse("holds numbers and no times; leave the kind out, or write the times as dates")
    if pa.types.is_integer(kind) and len(distinct) <= FEW_INTEGERS and cells.chosen.kind is None:
        return _category(cells, present, f"integers with {len(distinct)} distinct values", ordered=True)
    return _number(cells, present)


def _text(cells: ColumnCells, present: Any, n_distinct: int) -> Inferred:
    if cells.chosen.kind in (None, "time") and (found := written_times(present)) is not None:
        return _time(cells, found[0], found[1])
    if cells.chosen.kind in ("number", "time"):
        raise cells.refuse(f"holds texts and no {cells.chosen.kind}s; write them as such")
    few = min(MOST_TEXTS, max(FEW_TEXTS, int(sqrt(cells.n_rows))))
    if n_distinct <= few or 0 < len(frequent(cells, value_counts(present))) <= few:
        return _category(cells, present, f"texts with {n_distinct} distinct values")
    if n_distinct == len(present) and not cells.has_missing:
        return _identifier(cells, present, "texts that are all distinct")
    raise cells.refuse(
        f"holds {n_distinct} distinct texts in {cells.n_rows} rows, a free text, which is not modelled; give "
        f'{{"{cells.name}": {{"kind": "drop"}}}}, or the kind category or identifier'
    )


def _identifier(cells: ColumnCells, present: Any, reason: str) -> Inferred:
    texts = [str(value) for value in present[:1000].to_pylist()]
    prefix = _common_prefix(texts).rstrip("0123456789") if cells.arrow_type in ("string", "large_string") else ""
    return Inferred(Identifier(name=cells.name, arrow_type=cells.arrow_type, prefix=prefix), reason)


def _category(
    cells: ColumnCells, present: Any, reason: str, *, ordered: bool = False, most: int = MOST_TEXTS
) -> Inferred:
    counts, n_distinct = frequent(cells, counted := value_counts(present)), len(counted)
    other = len(counts) < n_distinct
    if len(counts) > most:
        raise cells.refuse(f"has {len(counts)} distinct values; a category has at most {most}")
    check_length(cells, counts)
    arrow_type, declared = cells.arrow_type, []
    if cells.dictionary is not None:
        arrow_type, ordered = str(cells.dictionary.type), cells.dictionary.type.ordered
        declared = [plain(value) for value in cells.dictionary.dictionary]
    ordered = cells.chosen.ordered if cells.chosen.ordered is not None else ordered
    values = _in_order(counts, declared, ordered=ordered)
    if other:
        check_other(cells, counted, ordered=ordered)
        values.append(OTHER)
        reason += f", {n_distinct - len(counts)} of them in fewer than {cells.min_count} rows: {OTHER}"
    column = Category(
        name=cells.name,
        arrow_type=arrow_type,
        values=tuple(values),
        ordered=ordered,
        missing=cells.has_missing,
        other=other,
    )
    return Inferred(column, reason)


def _in_order(counts: dict[Any, int], declared: list[Any], *, ordered: bool) -> list[Any]:
    """The values of a category: as its dictionary has them; texts without order by frequency; else by size."""
    if declared:
        return [value for value in dict.fromkeys(declared) if value in counts]
    if ordered or not any(isinstance(value, str) for value in counts):
        return sorted(counts)
    return sorted(counts, key=lambda value: (-counts[value], str(value)))


def _number(cells: ColumnCells, present: Any) -> Inferred:
    import pyarrow as pa

    if pa.types.is_decimal(cells.array.type):
        exact = present.to_pylist()
        numbers = np.array([float(value) for value in exact])
        step, reason = decimal_step(exact), "decimals"
    else:
        numbers = present.to_numpy(zero_copy_only=False).astype(np.float64)
        step, reason = (None, "floats")
        if pa.types.is_integer(cells.array.type):
            step, reason = float(common_step(present.to_numpy(zero_copy_only=False))), "integers"
        elif (on := grid(numbers)) is not None:
            step, reason = on, f"floats on a grid of {on:g}"
    if not np.isfinite(numbers).all():
        row = int(np.flatnonzero(~np.isfinite(numbers))[0])
        raise cells.refuse(f"holds an infinite number, the first in row {row} of those with a number; leave it out")
    if np.abs(numbers).max() > EXACT and step is not None:
        raise cells.refuse("holds integers beyond 2^53, which are not exact; is it an identifier? give that kind")
    if cells.chosen.step is not None:
        step = cells.chosen.step
        check_grid(cells, numbers, step)
    return _measured(cells, numbers, step, reason, Number, {})


def _time(cells: ColumnCells, present: Any, written: str | None = None) -> Inferred:
    unit, counts = whole_units(present)
    start = int(counts.min())
    numbers = (counts - start).astype(np.float64)
    step = float(common_step(counts - start))
    return _measured(cells, numbers, step, f"{unit}s", Time, {"unit": unit, "start": start, "format": written})


def _measured(
    cells: ColumnCells,
    numbers: Reals,
    step: float | None,
    reason: str,
    kind: type[Number] | type[Time],
    more: dict[str, Any],
) -> Inferred:
    """A column of numbers, with its atoms and its transform."""
    low, high = float(numbers.min()), float(numbers.max())
    at_atoms = atoms(numbers, cells.n_rows) if step is None or (high - low) / step > LONG_GRID else ()
    rest = numbers[~np.isin(numbers, at_atoms)]
    if len(np.unique(rest)) < 2:
        if cells.chosen.kind is None:
            return _category(cells, cells.array.drop_null(), "few distinct values", ordered=True)
        at_atoms, rest = (), numbers
    if low == high:
        raise cells.refuse('holds one value and missing cells; give {"kind": "category"}')
    name = cells.chosen.transform or "quantile"
    column = kind(
        name=cells.name,
        arrow_type=cells.arrow_type,
        transform=fitted(name, rest),
        fitted_by=name,
        step=step,
        low=low,
        high=high,
        atoms=at_atoms,
        missing=cells.has_missing,
        **more,
    )
    return Inferred(column, reason)


def _common_prefix(texts: list[str]) -> str:
    first, last = min(texts), max(texts)
    n = next((i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
    return first[:n]
