"""Small tables, whose rows can be enumerated."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pushforward.models.tables.table import Table
from pushforward.models.tables.transform import NumberTransform

STRETCHED = NumberTransform(knots=(-3.0, 0.0, 1.0, 4.0), images=(-2.0, 0.0, 0.5, 1.5))


def category(name: str, *values: Any, missing: bool = False) -> dict[str, Any]:
    kind = "string" if isinstance(values[0], str) else "int64"
    return {"kind": "category", "name": name, "arrow_type": kind, "values": values, "missing": missing}


def number(name: str, **fields: Any) -> dict[str, Any]:
    return {
        "kind": "number",
        "name": name,
        "arrow_type": "double",
        "low": -3.0,
        "high": 4.0,
        "transform": STRETCHED,
        **fields,
    }


def table(*columns: dict[str, Any]) -> Table:
    return Table.model_validate({"columns": columns})


CHOICES = table(category("a", "x", "y"), category("b", "p", "q", "r", missing=True), category("c", 1, 2))
ONE_NUMBER = table(category("a", "x", "y"), number("r", missing=True, atoms=(0.5,)))
LEVELS = table(category("a", "x", "y"), number("n", step=1.0, missing=True))


def every_row(of: Table, *cells: list[float]) -> Tensor:
    """All rows of these cells."""
    assert len(cells) == of.n_cells
    return torch.from_numpy(np.array(list(product(*cells)), np.float64))
