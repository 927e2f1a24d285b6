"""Completions of a table's rows against the conditional distributions of their models, in float64."""

from itertools import product
from math import nan

import pytest
import torch
from torch import Tensor

from pushforward.models.families.autoregressive import Autoregressive, Made
from pushforward.models.families.flow import Flow
from pushforward.models.families.vae import VAE
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.tables.coding import coder
from pushforward.models.tabular.columnwise import ColumnwiseForm
from pushforward.models.tabular.completion import CandidateOptions, Candidates, Completed, CompletesRows, resampled
from pushforward.models.tabular.joint import JointForm
from pushforward.models.variational.weighted_draws import Draws
from tests.models.tables.small_tables import category, number, table
from tests.models.tabular.enumerated import (
    COUNTED,
    counted_rows,
    frequencies,
    no_condition,
    roughened,
    spec_of,
    surprise,
)

PAIR = table(category("a", "x", "y", "z"), number("x"))
EACH_GIVEN = pytest.mark.parametrize(
    "row",
    [(None, None, 1, None), (None, nan, None, 0), (nan, None, None, 1), (1, 0, None, None), (None, 2, 0, 1)],
    ids=str,
)
Row = tuple[float | None, ...]


def columnwise(*, any_order: bool) -> tuple[ColumnwiseForm, Nets]:
    form = Autoregressive(network=Made(width=24), any_order=any_order, components=3).for_table(COUNTED)
    return form, roughened(form, spec_of(COUNTED))


def completed(form: CompletesRows, nets: Nets, row: Row, n: int, candidates: int = 100) -> Completed:
    """A row, completed n times; cells that are not given hold what no table has."""
    x = torch.tensor([[-7e3 if cell is None else cell for cell in row]] * n, dtype=torch.float64)
    given = torch.tensor([[cell is not None for cell in row]] * n)
    options = CandidateOptions(candidates=candidates)
    return form.complete_rows(nets, x, given, Noise.rows(0, n), no_condition(n), options)


def agree(rows: Tensor, row: Row) -> Tensor:
    """Which rows have the cells that are given, (n,) bool."""
    cells = [torch.ones(len(rows), dtype=torch.bool)]
    for i, cell in enumerate(row):
        if cell is not None:
            cells.append(rows[:, i].isnan() if cell != cell else rows[:, i] == cell)
    return torch.stack(cells).all(0)


@EACH_GIVEN
def test_a_model_in_any_order_completes_by_its_own_conditionals(row: Row) -> None:
    """The given cells first, then the others in their order: P(x) / P(x_S) of that order's joint distribution."""
    form, nets = columnwise(any_order=True)
    rows = counted_rows()[agree(counted_rows(), row)]
    log_p = torch.zeros(len(rows), dtype=torch.float64)
    known = torch.tensor([[cell is not None for cell in row]]).expand(len(rows), -1).clone()
    for i in range(len(row)):
        if row[i] is None:
            log_p += form.log_terms(nets, rows, no_condition(len(rows)), known)[:, i]
            known[:, i] = True
    p, n = log_p.exp(), 8_000
    assert float(p.sum()) == pytest.approx(1)
    done = completed(form, nets, row, n)
    assert done.kind == "exact"
    assert done.effective is None
    assert surprise(frequencies(done.x, rows), p, n) < 5


@EACH_GIVEN
def test_a_model_in_order_completes_by_the_joint_over_the_marginal(row: Row) -> None:
    form, nets = columnwise(any_order=False)
    rows = counted_rows()
    joint = form.log_terms(nets, rows, no_condition(len(rows))).sum(1).exp()
    mine, n = agree(rows, row), 2_000
    done = completed(form, nets, row, n)
    assert done.kind == "approximate"
    assert surprise(frequencies(done.x, rows[mine]), joint[mine] / joint[mine].sum(), n) < 5


def test_all_candidates_count_where_the_first_columns_are_given() -> None:
    form, nets = columnwise(any_order=False)
    for row, all_count in (((1, 2, None, None), True), ((None, None, 1, None), False)):
        effective = completed(form, nets, row, 20).effective
        assert effective is not None
        assert bool((effective > 100 - 1e-5).all()) == all_count
        assert bool(((effective >= 1) & (effective <= 100 + 1e-9)).all())


@pytest.mark.parametrize("any_order", [False, True])
def test_a_completion_is_the_same_alone_and_in_a_batch(any_order: bool) -> None:
    form, nets = columnwise(any_order=any_order)
    x = torch.tensor([[0, 1, 0, 1], [nan, nan, 1, 0], [1, 3, 1, 1]], dtype=torch.float64)
    given = torch.tensor([[True, False, False, True], [True, True, False, False], [False] * 4])
    noise, options = Noise.rows(0, 3), CandidateOptions(candidates=20)
    together = form.complete_rows(nets, x, given, noise, no_condition(3), options).x
    for i in range(3):
        each = slice(i, i + 1)
        alone = form.complete_rows(nets, x[each], given[each], noise[each], no_condition(1), options).x
        torch.testing.assert_close(together[each], alone, equal_nan=True)
    torch.testing.assert_close(together[given], x[given], equal_nan=True)


def joint_density(form: JointForm, nets: Nets, rows: Tensor) -> Tensor:
    coded = coder(form.table, rows.device).encode(rows)
    of_choices, of_numbers = form.log_density(nets, coded, no_condition(len(rows)))
    return (of_choices + of_numbers).exp()


def flow_on_pair() -> tuple[JointForm, Nets]:
    form = Flow(width=16, n_transforms=2).for_table(PAIR)
    torch.manual_seed(2)
    nets = form.build(spec_of(PAIR)).double()
    for weight in nets.parameters():
        weight.data += 0.2 * torch.randn_like(weight)
    return form, nets.requires_grad_(False).eval()


def test_a_flow_completes_a_category_by_its_density() -> None:
    (form, nets), n = flow_on_pair(), 4_000
    rows = torch.tensor([[a, 1.3] for a in range(3)], dtype=torch.float64)
    p = joint_density(form, nets, rows)
    done = completed(form, nets, (None, 1.3), n)
    assert surprise(frequencies(done.x, rows), p / p.sum(), n) < 5


def test_a_flow_completes_a_number_by_its_density() -> None:
    (form, nets), n = flow_on_pair(), 4_000
    grid = torch.linspace(-20, 40, 60_001, dtype=torch.float64)
    p = joint_density(form, nets, torch.stack([torch.full_like(grid, 2.0), grid], 1))
    below = torch.cumulative_trapezoid(p, grid) / torch.trapezoid(p, grid)
    done = completed(form, nets, (2, None), n)
    x = done.x[:, 1].sort().values
    at = below[torch.searchsorted(grid[1:], x).clamp_max(len(below) - 1)]
    uniform = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    assert float((at - uniform).abs().max()) < 1.9 / n**0.5  # Kolmogorov and Smirnov, 0.1 %


def test_a_flow_completes_beside_a_number_on_a_grid_by_the_mass_of_its_grid_cell() -> None:
    of = table(category("a", "x", "y", "z"), number("m", low=0, high=3, step=1))
    form, n, n_places = Flow(width=16, n_transforms=2).for_table(of), 4_000, 400
    torch.manual_seed(2)
    nets = form.build(spec_of(of)).double()
    for weight in nets.parameters():
        weight.data += 0.2 * torch.randn_like(weight)
    nets.requires_grad_(False)
    rows = torch.tensor([[a, 1] for a in range(3)], dtype=torch.float64)
    w = ((torch.arange(n_places) + 0.5) / n_places).repeat(3)[:, None]
    coded = coder(of, rows.device).encode(rows.repeat_interleave(n_places, 0), w)
    p = sum(form.log_density(nets, coded, no_condition(len(w))), torch.zeros(len(w))).exp().view(3, -1).mean(1)
    done = completed(form, nets, (None, 1), n)
    assert surprise(frequencies(done.x, rows), p / p.sum(), n) < 5


def test_a_vae_completes_by_its_likelihood_of_what_is_given() -> None:
    of = table(
        category("a", "x", "y", missing=True), number("m", low=0, high=3, step=1, missing=True), category("b", "x", "y")
    )
    rows = torch.tensor(list(product((0, 1, nan), (0, 1, 2, 3, nan), (0, 1))), dtype=torch.float64)
    form, n = VAE(latent=1, width=8, depth=1).for_table(of), 2_000
    nets = roughened(form, spec_of(of))
    z = torch.linspace(-6, 6, 601, dtype=torch.float64)
    y = form.rows.decoder_output(nets, z[:, None], no_condition(len(z)))
    v = coder(of, rows.device).row(coder(of, rows.device).encode(rows)).double()
    given_z = [form.rows.likelihood.log_prob(nets.spec, v, each.expand(len(v), -1), nets["scale"]()) for each in y]
    joint = (torch.stack(given_z) - z[:, None] ** 2 / 2).exp().sum(0)
    for row in ((None, None, 1), (0, 2, None), (None, nan, 0)):
        mine = agree(rows, row)
        done = completed(form, nets, row, n)
        assert surprise(frequencies(done.x, rows[mine]), joint[mine] / joint[mine].sum(), n) < 5


def test_one_candidate_of_many_is_taken_by_its_weight() -> None:
    weights = torch.tensor([1.0, 2.0, 0.0, 5.0], dtype=torch.float64)

    def candidates(draws: Draws) -> Candidates:
        number = torch.from_numpy(draws.number)
        return Candidates(number[:, None].double(), weights[number].log())

    done = resampled(candidates, Noise.rows(0, 8_000), 4, size=1)
    rows = torch.arange(4, dtype=torch.float64)[:, None]
    assert surprise(frequencies(done.x, rows), weights / 8, 8_000) < 5
    assert done.effective is not None
    torch.testing.assert_close(done.effective, torch.full((8_000,), 64 / 30, dtype=torch.float64))


def test_everything_given_comes_back() -> None:
    form, nets = columnwise(any_order=False)
    for cells in product((0, nan), (0, 3, nan), (1,), (0,)):
        torch.testing.assert_close(
            completed(form, nets, cells, 1, 2).x[0], torch.tensor(cells).double(), equal_nan=True
        )
