"""Rows as a critic sees them, and what is drawn from a generator's words."""

import numpy as np
import torch

from pushforward.models.noise import Noise
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table
from pushforward.models.tabular.mode_rows import ModeRows
from pushforward.models.tabular.modes import ModeCoder
from tests.models.tabular.small_tables import category, number, table_of

N = 20_000


def layout(table: Table) -> ModeRows:
    """Modes of weights 0.5 and 0.5 of the first number; one mode of the others."""
    p = len(table.numbers)
    weight = torch.tensor([[0.5, 0.5], *[[1.0, 0.0]] * (p - 1)], dtype=torch.float64)[:p]
    mean, std = torch.tensor([[-2.0, 4.0]] * p).double(), torch.ones(p, 2).double()
    return ModeRows(table, ModeCoder(table, weight, mean, std))


def of_columns() -> ModeRows:
    return layout(table_of(number("r", missing=True), category("a", 3), number("s")))


def test_what_belongs_to_an_absent_number_is_zero_for_critics() -> None:
    rows = of_columns()
    x = torch.tensor([[np.nan, 2.0, 1.0], [4.0, 0.0, 1.0]], dtype=torch.float64)
    coded = coder(rows.table, x.device).encode(x)
    real = rows.real(coded, torch.full((2, 2), 0.5))
    alpha, modes, k = real[:, :2], real[:, 2:6].view(2, 2, 2), real[:, 6:]
    assert alpha[0, 0] == 0
    assert modes[0, 0].tolist() == [0, 0]
    assert modes[1, 0].tolist() == [0, 1]
    assert modes[:, 1].tolist() == [[1, 0], [1, 0]]
    assert k.tolist() == [[0, 1, 0, 0, 1], [1, 0, 1, 0, 0]]


def test_a_soft_row_has_blocks_that_sum_to_one_or_to_the_share_of_being_there() -> None:
    rows = of_columns()
    said = torch.randn(50, 11, generator=torch.Generator().manual_seed(0), requires_grad=True)
    soft = rows.soft(said, torch.Generator().manual_seed(1))
    modes, missing, a = soft[:, 2:6].view(50, 2, 2), soft[:, 6:8], soft[:, 8:]
    torch.testing.assert_close(missing.sum(1), torch.ones(50))
    torch.testing.assert_close(a.sum(1), torch.ones(50))
    torch.testing.assert_close(modes.sum(2), torch.stack([missing[:, 0], torch.ones(50)], 1))
    assert float(modes[:, 1, 1].detach().abs().max()) == 0
    soft.square().sum().backward()
    assert said.grad is not None
    assert said.grad.isfinite().all()


def test_cases_and_modes_are_drawn_with_the_probabilities_of_their_logits() -> None:
    """Cases of a: 0.2, 0.3, 0.5; missing: 0.25; modes of r: 0.1, 0.9, at the means -2 and 4."""
    rows = of_columns()
    p = torch.tensor([0.1, 0.9, 0.5, 0.5, 0.75, 0.25, 0.2, 0.3, 0.5])
    said = torch.cat([torch.zeros(2), p.log()]).expand(N, -1)
    x = rows.drawn(said, Noise.rows(0, N))
    rows.table.check(x.numpy())
    r = x[:, 0]
    assert abs(float(r.isnan().double().mean()) - 0.25) < 0.01
    torch.testing.assert_close(r[~r.isnan()].unique(), torch.tensor([-2.0, 4.0]).double(), atol=1e-5, rtol=0)
    assert abs(float((r[~r.isnan()] > 0).double().mean()) - 0.9) < 0.01
    shares = torch.bincount(x[:, 1].long(), minlength=3) / N
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.3, 0.5]), atol=0.015, rtol=0)
    torch.testing.assert_close(x[:, 2], torch.full((N,), -2.0).double(), atol=1e-5, rtol=0)


def test_soft_rows_are_gumbels_whose_largest_is_a_draw() -> None:
    rows = layout(table_of(category("a", 3)))
    said = torch.tensor([0.2, 0.3, 0.5]).log().expand(N, -1)
    largest = rows.soft(said, torch.Generator().manual_seed(0)).argmax(1)
    shares = torch.bincount(largest, minlength=3) / N
    torch.testing.assert_close(shares, torch.tensor([0.2, 0.3, 0.5]), atol=0.015, rtol=0)
