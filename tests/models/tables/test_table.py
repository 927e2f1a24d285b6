"""`models.tables.table`: what a density of rows is with respect to."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.models.tables.table import Measure, Table

PLACE: dict[str, Any] = {"low": 0, "high": 4, "transform": {"knots": [0, 4], "images": [-1, 1]}, "arrow_type": "double"}
LENGTH = PLACE | {"kind": "number", "name": "length"}
STEPPED = PLACE | {"kind": "number", "name": "stepped", "step": 0.5}
KIND = {"kind": "category", "name": "kind", "arrow_type": "string", "values": ["a", "b"]}
SITE = {"kind": "constant", "name": "site", "arrow_type": "string", "value": "north"}
ROW = {"kind": "identifier", "name": "row", "arrow_type": "string"}


@pytest.mark.parametrize(
    ("columns", "numbers", "counted"),
    [
        ([KIND, LENGTH, STEPPED, SITE, ROW], ("length",), ("kind", "stepped")),
        ([LENGTH | {"missing": True, "atoms": (0.0,)}], ("length",), ()),
        ([STEPPED, KIND], (), ("stepped", "kind")),
    ],
)
def test_numbers_without_a_step_have_a_density_and_all_else_that_is_modelled_is_counted(
    columns: list[dict[str, Any]], numbers: tuple[str, ...], counted: tuple[str, ...]
) -> None:
    table = Table.model_validate({"columns": columns})
    assert table.measure == Measure(numbers=numbers, counted=counted)
