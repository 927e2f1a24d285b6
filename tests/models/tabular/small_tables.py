"""Tables of a few columns, and the distributions that tests give them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition
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


def mixed(n: int, rng: torch.Generator) -> Tensor:
    """A category c, even of 2; a number of mean 4 c, variance 1, missing for a tenth of c = 0 and half of c = 1."""
    c = torch.randint(2, (n,), generator=rng).double()
    r = 4 * c + torch.randn(n, generator=rng)
    return torch.stack([c, torch.where(torch.rand(n, generator=rng) < 0.1 + 0.4 * c, torch.nan, r)], 1)


def trained(
    family: Family, table: Table, draw_rows: Callable[[int, torch.Generator], Tensor], steps: int = 400
) -> tuple[Any, Nets]:
    """The form of a family for a table, and its networks after a short training on fresh rows, each with its Adam."""
    spec = spec_of(table)
    form = form_of(family, spec)
    torch.manual_seed(0)
    nets = form.build(spec)
    options = family.optimizer
    adams = {
        name: torch.optim.Adam(net.parameters(), options.lr, options.betas)
        for name, net in nets.items()
        if [*net.parameters()]
    }
    falling = [torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps) for adam in adams.values()]
    rng = torch.Generator().manual_seed(0)
    for step in range(steps):
        x = draw_rows(256, rng)
        for loss in form.losses(nets, Batch(x, no_condition(x), rng, step, steps, torch.arange(256))):
            nets.zero_grad()
            loss.value.backward()
            for name in loss.trains:
                adams[name].step()
        for each in falling:
            each.step()
    return form, nets.requires_grad_(False).eval()
