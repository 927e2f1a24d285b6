"""Models that are given some columns: p(other columns | these), against sums over all rows."""

from __future__ import annotations

from itertools import product
from math import nan
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.models.families import FAMILIES
from pushforward.models.families.autoregressive import Autoregressive, Made
from pushforward.models.families.flow import Flow
from pushforward.models.family import Family, Samples
from pushforward.models.form import form_of
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.tables.table import Table
from pushforward.models.tabular.models_tables import ModelsTables
from tests.models.tables.small_tables import category, number, table
from tests.models.tabular.enumerated import frequencies, roughened, surprise

GIVEN = Columns(
    table=table(category("b", "p", "q", missing=True), number("n", low=0, high=3, step=1, atoms=(0,), missing=True)),
    places=(0, 3),
)
GIVEN_ROWS = torch.tensor(list(product([0, 1, nan], [0, 1, 2, 3, nan])), dtype=torch.float64)
COUNTED = table(category("a", "x", "y", missing=True), category("d", 1, 2))
ROWS = torch.tensor(list(product([0, 1, nan], [0, 1])), dtype=torch.float64)
MIXED = table(category("a", "x", "y"), number("r", missing=True))

EXACT = pytest.mark.parametrize(
    "family",
    [
        Autoregressive(network=Made(width=24), components=3),
        Autoregressive(network=Made(width=24), components=3, any_order=True),
        Flow(width=24),
    ],
    ids=["in-order", "any-order", "flow"],
)
TABULAR = sorted(name for name, family in FAMILIES.items() if issubclass(family, ModelsTables))


def spec_of(of: Table, given: Columns = GIVEN) -> DataSpec:
    return DataSpec(shape=(of.n_cells,), table=of, condition=given, n_rows=100)


def log_p(form: Any, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
    scored = form.log_prob(nets, x, c, Noise.rows(0, len(x)), form.ScoreOptions())
    assert scored.kind == "exact"
    value: Tensor = scored.value
    return value


@EXACT
def test_the_probabilities_of_all_rows_add_up_to_one_under_each_condition(family: Family) -> None:
    spec = spec_of(COUNTED)
    form = form_of(family, spec)
    nets, totals, first = roughened(form, spec), [], []
    for c in GIVEN.code(GIVEN_ROWS).double():
        p = log_p(form, nets, ROWS, c.expand(len(ROWS), -1)).exp()
        totals.append(float(p.sum()))
        first.append(float(p[0]))
    assert totals == pytest.approx([1.0] * len(GIVEN_ROWS))
    assert len({round(p, 6) for p in first}) == len(GIVEN_ROWS)  # a missing cell is a condition of its own


@EXACT
def test_draws_have_the_probabilities_of_their_scores_under_a_missing_cell(family: Family) -> None:
    spec, n = spec_of(COUNTED), 10_000
    form = form_of(family, spec)
    assert isinstance(form, Samples)
    nets = roughened(form, spec)
    c = GIVEN.code(torch.tensor([[nan, 2.0]], dtype=torch.float64)).double()
    x = sample(form.sampler(nets, form.SampleOptions()), Noise.rows(0, n), c.expand(n, -1))
    assert surprise(frequencies(x, ROWS), log_p(form, nets, ROWS, c.expand(len(ROWS), -1)).exp(), n) < 5


@EXACT
def test_training_finds_the_conditional_of_a_known_joint(family: Family) -> None:
    """P(x, g) / sum_x P(x, g), of rows that come in exactly these proportions."""
    given = Columns(table=table(category("b", "p", "q", "r")), places=(1,))
    rng = torch.Generator().manual_seed(5)
    joint = torch.rand(3, len(ROWS), generator=rng, dtype=torch.float64) ** 2
    counts = (300 * joint / joint.sum()).long() + 1  # (G, X)
    x = ROWS.repeat(3, 1).repeat_interleave(counts.flatten(), 0)
    g = torch.arange(3.0).double().repeat_interleave(counts.sum(1))[:, None]
    spec = spec_of(COUNTED, given)
    form = form_of(family, spec)
    torch.manual_seed(0)
    nets = form.build(spec)
    adam = torch.optim.Adam(nets.parameters(), 2e-2)
    for step in range(120):
        for loss in form.losses(nets, Batch(x, given.code(g), rng, step, 120, torch.arange(len(x)))):
            adam.zero_grad()
            loss.value.backward()
            adam.step()
    masked = isinstance(family, Autoregressive) and family.any_order  # its loss is random
    wanted = counts / counts.sum(1, keepdim=True)
    for label in range(3):
        c = given.code(torch.full((len(ROWS), 1), float(label), dtype=torch.float64))
        with torch.no_grad():
            found = log_p(form, nets, ROWS, c).exp()
        assert float((found - wanted[label]).abs().sum()) < (0.15 if masked else 0.01)
    marginal = counts.sum(0) / counts.sum()
    assert float((wanted - marginal).abs().sum(1).min()) > 0.4


@pytest.mark.parametrize("name", TABULAR)
def test_every_family_of_tables_draws_a_row_under_its_own_condition_alone_as_in_a_batch(name: str) -> None:
    spec = spec_of(MIXED)
    form = form_of(FAMILIES[name](), spec)
    assert isinstance(form, Samples)
    torch.manual_seed(0)
    nets, c, noise = form.build(spec).eval(), GIVEN.code(GIVEN_ROWS[2:5]), Noise.rows(3, 3)
    sampler = form.sampler(nets, form.SampleOptions())
    with torch.no_grad():
        together = sample(sampler, noise, c)
        alone = torch.cat([sample(sampler, noise[i : i + 1], c[i : i + 1]) for i in range(3)])
    MIXED.check(together.numpy())
    torch.testing.assert_close(together, alone, equal_nan=True, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", TABULAR)
def test_every_family_of_tables_trains_under_a_condition(name: str) -> None:
    spec = spec_of(MIXED)
    form = form_of(FAMILIES[name](), spec)
    nets, rng = form.build(spec), torch.Generator().manual_seed(0)
    for weight in nets.parameters():  # some start at 0
        weight.data += 0.01 * torch.randn(weight.shape, generator=rng)
    x = torch.stack([torch.arange(40).double() % 2, torch.randn(40, generator=rng).double()], 1)
    c = GIVEN.code(GIVEN_ROWS[torch.arange(40) % len(GIVEN_ROWS)])
    c.requires_grad_()
    trained = set[str]()
    for loss in form.losses(nets, Batch(x, c, rng, 0, 1, torch.arange(40))):
        loss.value.backward()
        trained.update(loss.trains)
    assert {name for name, net in nets.items() if [*net.parameters()]} <= trained
    assert c.grad is not None
    assert float(c.grad.abs().sum()) > 0
