"""Tables so small that all their rows can be listed, and networks far from uniform on them."""

from itertools import product
from math import nan

import torch
from torch import Tensor

from pushforward.models.family import Family
from pushforward.models.networks import Nets
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.table import Table
from tests.models.tables.small_tables import category, number, table

COUNTED = table(
    category("a", "x", "y", missing=True),
    number("count", low=0, high=3, step=1, atoms=(0,), missing=True),
    category("b", "p", "q"),
    category("d", 1, 2),
)
COUNTED_CELLS = ([0, 1, nan], [0, 1, 2, 3, nan], [0, 1], [0, 1])
REAL = table(category("a", "x", "y"), number("x", atoms=(0.5,), missing=True), number("y"))


def counted_rows() -> Tensor:
    """Every row of `COUNTED` that there can be, (60, 4)."""
    return torch.tensor(list(product(*COUNTED_CELLS)), dtype=torch.float64)


def spec_of(of: Table, condition_size: int = 0) -> DataSpec:
    condition = Labels(n_classes=condition_size) if condition_size else None
    return DataSpec(shape=(of.n_cells,), table=of, n_rows=100, condition=condition)


def roughened(form: Family, spec: DataSpec) -> Nets:
    """Networks in float64, far from uniform."""
    torch.manual_seed(1)
    nets = form.build(spec).double()
    for weight in nets.parameters():
        weight.data += 0.5 * torch.randn_like(weight) * (len(weight) / weight.numel()) ** 0.5
    return nets.requires_grad_(False).eval()


def no_condition(n: int) -> Tensor:
    return torch.empty(n, 0, dtype=torch.float64)


def frequencies(x: Tensor, rows: Tensor) -> Tensor:
    """The share of each of some rows, which are all there can be, among x."""
    same = ((x[:, None] == rows) | (x[:, None].isnan() & rows.isnan())).all(2)
    assert same.any(1).all()
    return same.double().mean(0)


def surprise(drawn: Tensor, p: Tensor, n: int) -> float:
    """How far shares of n draws are from p: chi-square in standard deviations above its mean, rare rows as one."""
    rare = p * n < 5
    p, drawn = (torch.cat([each[~rare], each[rare].sum()[None]]) for each in (p, drawn))
    kept = p > 0
    chi_square = n * ((drawn - p)[kept] ** 2 / p[kept]).sum()
    degrees = max(1, int(kept.sum()) - 1)
    return float((chi_square - degrees) / (2 * degrees) ** 0.5)
