"""Values of a category that few rows have: together they are `other`, a value of its own.

A column has `other` where some of its values are in fewer than `min_count` rows, and then unseen values are `other`,
too. It is drawn as the text "other". So the column holds texts without an order, and none of them is that text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pushforward.models.data.tables.cells import ColumnCells
from pushforward.models.tables.columns import OTHER, Value


def value_counts(present: Any) -> dict[Value, int]:
    """How many cells have each value."""
    return {plain(each["values"]): each["counts"].as_py() for each in present.value_counts()}


def frequent(cells: ColumnCells, counts: Mapping[Value, int]) -> dict[Value, int]:
    """The values that are not rare, with their counts."""
    return {value: count for value, count in counts.items() if count >= cells.min_count}


def check_other(cells: ColumnCells, counts: Mapping[Value, int], *, ordered: bool) -> None:
    """Refuse a column whose rare values cannot be `other`. Raises InvalidData."""
    rare = f"has values in fewer than {cells.min_count} rows (min_count)"
    if not isinstance(next(iter(counts)), str):
        raise cells.refuse(f"{rare}, and holds no texts, so none can be {OTHER!r}; lower min_count, or write texts")
    if ordered:
        raise cells.refuse(f"{rare}, and {OTHER!r} has no place in its order; leave ordered out, or lower min_count")
    if OTHER in counts:
        raise cells.refuse(f"{rare}, and holds the text {OTHER!r}, which would stand for them; rename it")
    if not frequent(cells, counts):
        raise cells.refuse(f"has no value in {cells.min_count} rows (min_count); lower it, or drop the column")


def plain(scalar: Any) -> Value:
    """A value as a record holds it: dates and decimals as texts."""
    value = scalar.as_py()
    return value if isinstance(value, bool | int | float | str) else str(value)
