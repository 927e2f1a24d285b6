"""Tables of a few columns, and the distributions that tests give them."""

from typing import Any

from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.table import Table


def category(name: str, n: int, *, missing: bool = False) -> dict[str, Any]:
    """A category of n values."""
    values = [f"{name}{i}" for i in range(n)]
    return {"kind": "category", "name": name, "arrow_type": "string", "values": values, "missing": missing}


def number(name: str, **fields: Any) -> dict[str, Any]:
    """A number whose network unit is half of its own."""
    transform = {"knots": [1.0, 3.0], "images": [0.0, 1.0]}
    return {
        "kind": "number", "name": name, "arrow_type": "double", "low": -9.0, "high": 9.0, "transform": transform
    } | fields  # fmt: skip


def table_of(*columns: dict[str, Any]) -> Table:
    return Table.model_validate({"columns": columns})


def spec_of(table: Table, n_rows: int | None = None) -> DataSpec:
    return DataSpec(shape=(table.n_cells,), table=table, n_rows=n_rows)
