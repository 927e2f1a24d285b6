"""`models.data.tables.inference`: the kinds of columns, told by their types and cells."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pushforward.models.data.tables.cells import ColumnChoice
from pushforward.models.data.tables.inference import infer
from pushforward.models.errors import InvalidData
from pushforward.models.tables.columns import AnyColumn

N = 60
RNG = np.random.default_rng(0)
DAYS = [date(2024, 1, 1) + timedelta(days=3 * i % 50) for i in range(N)]


def column(values: Any, **choice: Any) -> AnyColumn:
    [(inferred, _)] = infer(pa.table({"x": pa.array(values)}), {"x": ColumnChoice(**choice)} if choice else {})
    return inferred


@pytest.mark.parametrize(
    ("values", "kind", "fields"),
    [
        ([True, False] * 30, "category", {"values": (False, True)}),
        (["b", "a", "b"] * 20, "category", {"values": ("b", "a"), "ordered": False}),
        ([f"N{i}A" for i in range(N)], "identifier", {"prefix": "N"}),
        (["same"] * N, "constant", {"value": "same"}),
        ([None] * N, "constant", {"value": None}),
        ([DAYS[0]] * N, "constant", {"value": "2024-01-01"}),
        ([3, 1, 2] * 20, "category", {"values": (1, 2, 3), "ordered": True}),
        ([25 * i for i in range(N)], "number", {"step": 25.0, "low": 0.0, "high": 1475.0}),
        ([i / 10 for i in range(N)], "number", {"step": pytest.approx(0.1)}),
        (RNG.normal(size=N), "number", {"step": None, "missing": False}),
        ([Decimal(f"{i}.{i % 4 * 25:02}") for i in range(N)], "number", {"step": 0.25}),
        (DAYS, "time", {"unit": "day", "step": 1.0, "start": 19723}),
        ([datetime(2024, 1, 1) + timedelta(hours=i) for i in range(N)], "time", {"unit": "second", "step": 3600.0}),
        ([date(1500 + 145 * i, 3, 4) for i in range(N - 1)], "time", {"unit": "day", "start": -171602}),
        (
            ["12/31/9999" if i % 9 else f"3/{1 + i % 28}/2023" for i in range(N)],
            "time",
            {"unit": "day", "start": 19417},
        ),
        ([timedelta(seconds=i) for i in range(N)], "time", {"unit": "second", "start": 0}),
        ([d.strftime("%d.%m.%Y") for d in DAYS], "time", {"unit": "day", "format": "%d.%m.%Y"}),
        ([f"{d.month}/{d.day}/{d.year}" for d in DAYS], "time", {"unit": "day", "format": "%-m/%-d/%Y"}),
        ([d.strftime("%b %d, %Y 09:%M:05") for d in DAYS], "time", {"format": "%b %d, %Y %H:%M:%S", "step": 86400.0}),
        (pa.array(["b", "a", "a"] * 20).dictionary_encode(), "category", {"values": ("b", "a"), "ordered": False}),
        ([*RNG.normal(size=N - 6), *[0.0] * 6], "number", {"atoms": (0.0,)}),
        ([*RNG.normal(size=N - 1), None], "number", {"missing": True}),
        ([*RNG.normal(size=N - 1), float("nan")], "number", {"missing": True}),
        (["a", "b", None] * 20, "category", {"missing": True}),
        ([7.5, None] * 30, "category", {"values": (7.5,), "missing": True}),
    ],
)
def test_a_column_has_the_kind_of_its_cells(values: Any, kind: str, fields: dict[str, Any]) -> None:
    inferred = column(values)
    assert inferred.kind == kind
    assert {name: getattr(inferred, name) for name in fields} == fields


@pytest.mark.parametrize(
    ("values", "choice", "message"),
    [
        ([f"{i % 50} words" for i in range(N)], {}, "free text"),
        ([[1, 2]] * N, {}, "no single value"),
        ([b"x"] * N, {}, "no single value"),
        ([*[1.5] * (N - 1), float("inf")], {}, "infinite"),
        ([2**60 + i for i in range(N)], {}, "beyond 2"),
        (["a", "b" * 1001] * 30, {}, "a text of 1001 characters"),
        (["b" * 1001] * N, {}, "a text of 1001 characters"),
        (["a", "b"] * 30, {"kind": "number"}, "texts and no numbers"),
        (["a", "b"] * 30, {"transform": "log"}, "the kind category, and transform is of numbers and times"),
        (["a", "b"] * 30, {"step": 2}, "the kind category, and step is of numbers"),
        (list(range(N)), {"ordered": True}, "the kind number, and ordered is of categories"),
        ([i / 4 for i in range(N)], {"step": 0.5}, "holds 0.25, which is not on the grid of 0.5"),
        ([1, 2] * 30, {"kind": "time"}, "numbers and no times"),
    ],
)
def test_what_is_not_modelled_is_refused_by_name(values: Any, choice: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidData, match=message) as refusal:
        column(values, **choice)
    assert refusal.value.field == "columns.x"
    assert "'x'" in refusal.value.message


def test_what_is_said_of_a_column_counts_more_than_its_cells() -> None:
    assert column([3, 1, 2] * 20, kind="number").kind == "number"
    assert column([3, 1, 2] * 20, kind="category", ordered=False).ordered is False  # type: ignore[union-attr]
    assert column(list(range(N)), kind="identifier").kind == "identifier"
    assert column(RNG.lognormal(size=N), transform="log").transform.origin is not None  # type: ignore[union-attr]


def test_a_column_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(InvalidData, match="no column 'y'; the file has 'x'"):
        infer(pa.table({"x": [1.5, 2.5]}), {"y": ColumnChoice(kind="drop")})


def test_a_table_whose_columns_are_all_dropped_is_refused() -> None:
    with pytest.raises(InvalidData, match="leaves no column"):
        infer(pa.table({"x": [1.5, 2.5]}), {"x": ColumnChoice(kind="drop")})
