"""Sampling of a table's rows, with networks that know their distribution."""

import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Cosine
from pushforward.models.samplers.linear import ancestral
from pushforward.models.samplers.mixed_steps import MixedSteps
from pushforward.models.samplers.options import MixedStepsOptions
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.tables.table import Table
from tests.models.samplers.known_tables import known
from tests.models.tabular.small_tables import category, number, table_of

N = 20_000
ONE = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
TWO = torch.tensor([[0.35, 0.05, 0.1], [0.05, 0.15, 0.3]], dtype=torch.float64)


def sampler(table: Table, joint: Tensor, steps: int = 100) -> MixedSteps:
    levels = MixedStepsOptions(steps=steps).levels(Cosine().log_snr(200))
    return MixedSteps(known(table, joint), levels, ancestral(levels, "posterior"))


def chi_square(counts: Tensor, p: Tensor) -> float:
    expected = p * counts.sum()
    return float(((counts - expected) ** 2 / expected).sum())


def test_a_single_choice_is_drawn_with_its_probabilities_in_any_number_of_steps() -> None:
    """Its reverse process is exact. Chi-square of 2 degrees of freedom: above 18 once in 8,000."""
    for steps in (1, 2, 10, 100):
        x = sample(sampler(table_of(category("a", 3)), ONE, steps), Noise.rows(0, N))
        assert chi_square(torch.bincount(x[:, 0].long(), minlength=3), ONE) < 18


def test_choices_are_drawn_with_their_joint_probabilities() -> None:
    """Up to the steps' own error, a total variation of 0.005 for a hundred."""
    x = sample(sampler(table_of(category("a", 2), category("b", 3)), TWO), Noise.rows(0, N)).long()
    shares = torch.bincount(3 * x[:, 0] + x[:, 1], minlength=6) / N
    assert float((shares - TWO.flatten()).abs().sum() / 2) < 0.02


def test_missing_cells_and_atoms_come_in_proportion_and_numbers_are_normal() -> None:
    x = sample(sampler(table_of(number("r", missing=True, atoms=[0.0])), ONE), Noise.rows(0, N))[:, 0]
    missing, atom = x.isnan(), x == 0
    there = x[~missing & ~atom]
    assert chi_square(torch.tensor([float(len(there)), float(missing.sum()), float(atom.sum())]), ONE) < 18
    assert abs(float(there.mean()) - 1) < 0.1
    assert abs(float(there.std()) - 2) < 0.1


def test_rows_at_their_own_steps_are_drawn_as_if_alone() -> None:
    of = sampler(table_of(number("r", missing=True), category("b", 3)), TWO, steps=6)
    noise = Noise.rows(3, 4)
    together = sample(of, noise)
    state = of.init((no_condition(noise),), noise)
    at = torch.zeros(4, dtype=torch.long)
    for turn in range(9):  # row i joins at turn i
        moves = (at < of.steps) & (torch.arange(4) <= turn)
        advanced = of.step(tuple(part[moves] for part in state), at[moves], noise[moves.numpy()])
        state = tuple(part.clone() for part in state)
        for part, fresh in zip(state, advanced, strict=True):
            part[moves] = fresh
        at = at + moves
    torch.testing.assert_close(of.finish(state, noise), together, equal_nan=True)


def test_a_preview_is_a_row_of_the_table() -> None:
    table = table_of(number("r", missing=True), category("b", 3))
    of, noise = sampler(table, TWO, steps=6), Noise.rows(3, 4)
    state = of.init((no_condition(noise),), noise)
    table.check(of.preview(state, noise).numpy())
