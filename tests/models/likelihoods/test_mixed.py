"""`models.likelihoods.mixed`: the probabilities of a row's numbers and choices add up to one, and draws follow them."""

from __future__ import annotations

import pytest
import torch

from pushforward.models.likelihoods.mixed import Mixed
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.coding import coded_rows
from pushforward.models.tables.table import Table
from tests.models.tables.small_tables import LEVELS, ONE_NUMBER, every_row

NAN = float("nan")
GRID = [float(n) for n in range(-3, 5)]
LOG_SCALE = torch.tensor([-0.7])


def parameters(table: Table) -> torch.Tensor:
    return torch.randn(1, table.width, generator=torch.Generator().manual_seed(1))


def log_probs(table: Table, x: torch.Tensor) -> torch.Tensor:
    v = coded_rows(table, x)
    y = parameters(table).expand(len(x), -1)
    return Mixed(table=table).log_prob(DataSpec(shape=(table.width,)), v, y, LOG_SCALE)


def test_probabilities_of_all_rows_of_a_grid_add_up_to_one() -> None:
    x = every_row(LEVELS, [0.0, 1.0], [*GRID, NAN])
    assert float(log_probs(LEVELS, x).exp().sum()) == pytest.approx(1, abs=1e-6)


def test_densities_of_numbers_integrate_to_one_beside_the_masses_of_their_cases() -> None:
    r = torch.linspace(-200, 200, 40_001, dtype=torch.float64)
    numbers = torch.stack([torch.zeros_like(r), r], 1)
    v = coded_rows(ONE_NUMBER, numbers)
    step = float(r[1] - r[0])
    slope = torch.gradient(v[:, 0].double(), spacing=step)[0]
    total = 0.0
    for a in (0.0, 1.0):
        numbers[:, 0] = a
        total += float((log_probs(ONE_NUMBER, numbers).exp() * slope).sum()) * step
        cases = torch.tensor([[a, NAN], [a, 0.5]], dtype=torch.float64)
        total += float(log_probs(ONE_NUMBER, cases).exp().sum())
    assert total == pytest.approx(1, abs=2e-3)


def test_draws_have_the_probabilities_of_their_rows() -> None:
    n, likelihood = 40_000, Mixed(table=LEVELS)
    spec = DataSpec(shape=(LEVELS.width,))
    drawn = likelihood.draw(spec, parameters(LEVELS).expand(n, -1), LOG_SCALE, Noise.rows(0, n))
    from pushforward.models.tables.coding import decode_row

    cells = decode_row(LEVELS, drawn)
    x = every_row(LEVELS, [0.0, 1.0], [*GRID, NAN])
    probability = log_probs(LEVELS, x).exp()
    same = torch.stack([(cells.nan_to_num(99) == row.nan_to_num(99)).all(1).sum() for row in x])
    assert int(same.sum()) == n
    assert float((same / n - probability).abs().sum() / 2) < 0.01


def test_a_mean_is_the_likeliest_case_and_a_row_of_its_table() -> None:
    from pushforward.models.tables.coding import decode_row

    y = parameters(LEVELS)
    row = decode_row(LEVELS, Mixed(table=LEVELS).mean(DataSpec(shape=(LEVELS.width,)), y))
    LEVELS.check(row.numpy())
    assert int(row[0, 0]) == int(y[0, 1:3].argmax())
