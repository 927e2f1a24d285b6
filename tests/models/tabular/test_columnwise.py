"""Autoregressive models of tables against sums over all rows and integrals over numbers, in float64."""

from collections.abc import Mapping
from math import nan

import pytest
import torch
from torch import Tensor

from pushforward.models.config.config import Options
from pushforward.models.families.autoregressive import Autoregressive, Made
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.stepwise.sampling import sample
from pushforward.models.tables.table import Table
from pushforward.models.tabular.columnwise import ColumnwiseForm
from tests.models.tables.small_tables import number, table
from tests.models.tabular.enumerated import (
    COUNTED,
    REAL,
    counted_rows,
    frequencies,
    no_condition,
    roughened,
    spec_of,
    surprise,
)

ORDERS = pytest.mark.parametrize("any_order", [False, True], ids=["in-order", "any-order"])


def form_of(of: Table, *, any_order: bool) -> ColumnwiseForm:
    return Autoregressive(network=Made(width=24), any_order=any_order, components=3).for_table(of)


def log_p(form: ColumnwiseForm, nets: Nets, x: Tensor) -> Tensor:
    return form.log_prob(nets, x, no_condition(len(x)), Noise.rows(0, len(x)), Options()).value


@ORDERS
def test_the_probabilities_of_all_rows_add_up_to_one(any_order: bool) -> None:
    """An atom that lies on the grid of its column has the mass of its grid cell, too."""
    form = form_of(COUNTED, any_order=any_order)
    assert float(log_p(form, roughened(form, spec_of(COUNTED)), counted_rows()).exp().sum()) == pytest.approx(1)


@ORDERS
def test_draws_have_the_probabilities_of_their_scores(any_order: bool) -> None:
    form, n = form_of(COUNTED, any_order=any_order), 20_000
    nets, rows = roughened(form, spec_of(COUNTED)), counted_rows()
    x = sample(form.sampler(nets, Options()), Noise.rows(0, n), no_condition(n))
    assert surprise(frequencies(x, rows), log_p(form, nets, rows).exp(), n) < 5


@ORDERS
def test_a_density_with_an_atom_and_missing_cells_has_a_mass_of_one(any_order: bool) -> None:
    form = form_of(REAL, any_order=any_order)
    nets = roughened(form, spec_of(REAL))
    grid = torch.linspace(-60, 90, 50_001, dtype=torch.float64) + 1e-4
    x_cells = torch.cat([grid, torch.tensor([nan, 0.5], dtype=torch.float64)])
    mass = 0.0
    for a in (0.0, 1.0):
        terms = terms_of(form, nets, torch.full_like(x_cells, a), x_cells, torch.ones_like(x_cells))
        p = (terms["a"] + terms["x"]).exp()
        mass += float(torch.trapezoid(p[:-2], grid) + p[-2:].sum())
        for x in (nan, 0.5, 0.7):
            terms = terms_of(form, nets, torch.full_like(grid, a), torch.full_like(grid, x), grid)
            assert float(torch.trapezoid(terms["y"].exp(), grid)) == pytest.approx(1, abs=1e-3)
    assert mass == pytest.approx(1, abs=1e-3)


def terms_of(form: ColumnwiseForm, nets: Nets, *columns: Tensor) -> Mapping[str, Tensor]:
    rows = torch.stack(columns, 1)
    return form.log_prob(nets, rows, no_condition(len(rows)), Noise.rows(0, len(rows)), Options()).terms


def test_missing_cells_and_atoms_come_in_proportion() -> None:
    form, n = form_of(REAL, any_order=False), 20_000
    nets = roughened(form, spec_of(REAL))
    x = sample(form.sampler(nets, Options()), Noise.rows(0, n), no_condition(n))
    a = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
    for cell, share in ((nan, x[:, 1].isnan()), (0.5, x[:, 1] == 0.5)):
        terms = form.log_terms(nets, torch.cat([a, torch.tensor([[cell, 1.0]] * 2).double()], 1), no_condition(2))
        assert float(share.double().mean()) == pytest.approx(float(terms[:, :2].sum(1).exp().sum()), abs=0.015)
    REAL.check(x.numpy())


@ORDERS
def test_the_terms_of_a_score_are_those_of_the_columns(any_order: bool) -> None:
    form = form_of(COUNTED, any_order=any_order)
    nets, rows = roughened(form, spec_of(COUNTED)), counted_rows()
    scored = form.log_prob(nets, rows, no_condition(len(rows)), Noise.rows(0, len(rows)), Options())
    assert scored.kind == "exact"
    assert list(scored.terms) == ["a", "count", "b", "d"]
    torch.testing.assert_close(sum(scored.terms.values(), torch.zeros(len(rows)).double()), scored.value)
    first = scored.terms["a"].view(3, -1)
    torch.testing.assert_close(first[:, :1].expand_as(first), first)  # the first column sees no other
    assert float(first[:, 0].exp().sum()) == pytest.approx(1)


def test_a_number_on_a_grid_has_the_sum_of_its_probabilities() -> None:
    of = table(number("n", low=0, high=3, step=0.5), number("m", low=0, high=3, step=1))
    form = form_of(of, any_order=False)
    nets = roughened(form, spec_of(of))
    rows = torch.cartesian_prod(torch.arange(0, 3.1, 0.5).double(), torch.arange(4).double())
    assert float(log_p(form, nets, rows).exp().sum()) == pytest.approx(1)


@ORDERS
def test_a_draw_is_the_same_alone_in_a_batch_and_beside_rows_at_other_columns(any_order: bool) -> None:
    form = form_of(COUNTED, any_order=any_order)
    nets = roughened(form, spec_of(COUNTED))
    sampler, noise = form.sampler(nets, Options()), Noise.rows(4, 6)
    together = sample(sampler, noise, no_condition(6))
    alone = torch.cat([sample(sampler, noise[i : i + 1], no_condition(1)) for i in range(6)])
    torch.testing.assert_close(together, alone, equal_nan=True)
    state = sampler.init((no_condition(6),), noise)
    late = torch.arange(6) % 3  # rows join the batch at different times
    for turn in range(sampler.steps + 2):
        k = turn - late
        rows = (k >= 0) & (k < sampler.steps)
        stepped = sampler.step(tuple(part[rows] for part in state), k[rows], noise[rows.numpy()])
        for part, new in zip(state, stepped, strict=True):
            part[rows] = new
    torch.testing.assert_close(sampler.finish(state, noise), together, equal_nan=True)


@ORDERS
def test_rows_depend_on_their_condition(any_order: bool) -> None:
    form = form_of(COUNTED, any_order=any_order)
    nets, rows, n = roughened(form, spec_of(COUNTED, 2)), counted_rows(), 10_000
    p = []
    for c in torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64):
        scored = form.log_prob(nets, rows, c.expand(len(rows), 2), Noise.rows(0, len(rows)), Options())
        p.append(scored.value.exp())
        x = sample(form.sampler(nets, Options()), Noise.rows(0, n), c.expand(n, 2))
        assert surprise(frequencies(x, rows), p[-1], n) < 5
    assert float((p[0] - p[1]).abs().sum()) > 0.02


def trained(form: ColumnwiseForm, x: Tensor, steps: int) -> Nets:
    torch.manual_seed(0)
    nets = form.build(spec_of(form.table))
    optimizer = torch.optim.Adam(nets.parameters(), 5e-3)
    rng = torch.Generator().manual_seed(0)
    for step in range(steps):
        batch = Batch(x, torch.empty(len(x), 0), rng, step, steps, torch.arange(len(x)))
        for loss in form.losses(nets, batch):
            assert loss.value.isfinite()
            optimizer.zero_grad()
            loss.value.backward()
            optimizer.step()
    return nets.requires_grad_(False).eval()


@ORDERS
def test_training_finds_the_joint_distribution(any_order: bool) -> None:
    form, rows = form_of(COUNTED, any_order=any_order), counted_rows()
    p = torch.rand(len(rows), generator=torch.Generator().manual_seed(5), dtype=torch.float64) ** 3
    x = rows[torch.multinomial(p, 1000, replacement=True, generator=torch.Generator().manual_seed(6))]
    nets = trained(form, x, 700 if any_order else 300)
    c = torch.empty(len(rows), 0)
    found = form.log_prob(nets, rows, c, Noise.rows(0, len(rows)), Options()).value.exp()
    share = frequencies(x, rows)
    independent = torch.stack([frequencies(x[:, [i]], rows[:, [i]]) for i in range(4)]).prod(0)
    assert float((found - share).abs().sum()) < 0.4 * float((independent - share).abs().sum())


def test_the_loss_of_any_order_is_the_mean_over_orders() -> None:
    """Of two columns there are two orders: the mean of many masks is the mean of both."""
    of = table(number("n", low=0, high=3, step=1), number("m", low=0, high=3, step=1))
    form = form_of(of, any_order=True)
    nets = roughened(form, spec_of(of))
    x, n = torch.tensor([[1.0, 2.0]], dtype=torch.float64), 20_000
    known = [torch.tensor([mask]) for mask in ([False, False], [True, False], [False, True])]
    none, first, second = (form.log_terms(nets, x, no_condition(1), mask)[0] for mask in known)
    exact = -0.5 * (none[0] + first[1] + none[1] + second[0])
    batch = Batch(x.expand(n, 2), no_condition(n), torch.Generator().manual_seed(0), 0, 1, torch.zeros(n).long())
    (loss,) = form.losses(nets, batch)
    assert float(loss.value) == pytest.approx(float(exact), rel=0.02)
