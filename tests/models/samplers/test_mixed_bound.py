"""The bound of a table's rows, with networks that know their distribution."""

from collections import Counter
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.noise import Noise
from pushforward.models.paths import multinomial
from pushforward.models.paths.schedules import Cosine, LinearSchedule, Schedule
from pushforward.models.samplers.mixed_bound import MixedBound, reverse_divergence
from pushforward.models.stepwise.program import run
from pushforward.models.stepwise.sampling import no_condition
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from tests.models.samplers.known_tables import known
from tests.models.tabular.small_tables import category, number, table_of

ONE = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
TWO = torch.tensor([[0.35, 0.05, 0.1], [0.05, 0.15, 0.3]], dtype=torch.float64)
PAIRS = torch.tensor([[i, j] for i in range(2) for j in range(3)], dtype=torch.float64)  # of `TWO`, in its order


def two_categories() -> Table:
    return table_of(category("a", 2), category("b", 3))


def scored(
    table: Table, joint: Tensor, x: Tensor, *, T: int = 200, levels: int = 16, draws: int = 64, start: int = 0
) -> LogProb:
    scorer = MixedBound(known(table, joint), Cosine().log_snr(T), levels, draws)
    return run(scorer, (x, no_condition(x)), Noise.rows(0, len(x), start=start))


@pytest.mark.parametrize("schedule", [LinearSchedule(), Cosine()], ids=lambda s: s.schedule)
def test_it_is_the_probability_of_a_single_choice_for_who_knows_it(schedule: Schedule) -> None:
    """The reverse process of one choice is exact; z-score below 5."""
    x = torch.arange(3.0, dtype=torch.float64)[:, None]
    scorer = MixedBound(known(table_of(category("a", 3)), ONE), schedule.log_snr(200), 16, 64)
    answer = run(scorer, (x, no_condition(x)), Noise.rows(0, 3))
    assert answer.kind == "lower_bound"
    assert answer.std_error is not None
    assert ((answer.value - ONE.log()).abs() < 5 * answer.std_error + 1e-3).all()
    assert (answer.std_error < 0.1).all()


def whole_bound(T: int) -> Tensor:
    """The bound of each pair of choices, all levels and all noisy pairs enumerated, (6,)."""
    predict, log_snr = known(two_categories(), TWO), Cosine().log_snr(T)
    bars = torch.from_numpy(np.append(1.0, 1 / (1 + np.exp(-log_snr))))
    k = PAIRS.long()
    total = torch.zeros(6, dtype=torch.float64)
    none = torch.zeros(6, 0)
    for t in range(1, T + 1):
        p = predict(none, k, torch.full((6,), log_snr[t - 1]), no_condition(none)).p
        for row in range(6):
            k0 = k[row].expand(6, 2)
            q = multinomial.noisy(predict.one_hot(k0[:1]), bars[t : t + 1], (2, 3)).exp()[0]
            weight = q[:2][k[:, 0]] * q[2:][k[:, 1]]
            kl = reverse_divergence(predict, k0, k, p, bars[t].expand(6), bars[t - 1].expand(6))
            total[row] -= (weight * kl.sum(1)).sum()
    q = multinomial.noisy(predict.one_hot(k), bars[-1].expand(6), (2, 3)).exp()
    return total - multinomial.divergence(q, multinomial.uniform(q, (2, 3)), (2, 3)).sum(1)


def test_levels_drawn_at_random_estimate_the_whole_bound() -> None:
    """z-score below 5."""
    answer = scored(two_categories(), TWO, PAIRS, T=20, levels=8)
    assert answer.std_error is not None
    assert ((answer.value - whole_bound(20)).abs() < 5 * answer.std_error).all()


def test_it_lies_below_the_probability_and_tends_to_it() -> None:
    """On average over the rows: choices of one step are independent, which matters less the shorter it is."""
    exact = (TWO * TWO.log()).sum()
    gaps = [float(exact - (TWO.flatten() * whole_bound(T)).sum()) for T in (10, 50, 250)]
    assert gaps[0] > gaps[1] > gaps[2] > 0
    assert gaps[2] < 0.01


def test_its_probabilities_sum_to_at_most_one() -> None:
    assert 0.95 < float(whole_bound(100).exp().sum()) <= 1


def test_a_normal_number_has_its_density_without_any_noise() -> None:
    table = table_of(number("r"))
    x = torch.tensor([[-2.0], [1.0], [4.5]], dtype=torch.float64)
    answer = scored(table, torch.ones(()), x, levels=4, draws=4)
    expected = torch.distributions.Normal(1.0, 2.0).log_prob(x)[:, 0]
    torch.testing.assert_close(answer.value, expected, atol=1e-4, rtol=0)
    assert answer.std_error is not None
    assert answer.std_error.max() < 1e-3


def test_absent_numbers_have_the_probability_of_being_absent_and_no_density() -> None:
    """Cases: a number, missing, the atom 0."""
    table = table_of(number("r", missing=True, atoms=[0.0]))
    x = torch.tensor([[2.0], [np.nan], [0.0]], dtype=torch.float64)
    answer = scored(table, ONE, x)
    density = torch.distributions.Normal(1.0, 2.0).log_prob(torch.tensor(2.0))
    expected = ONE.log() + torch.tensor([float(density), 0.0, 0.0])
    assert answer.std_error is not None
    assert ((answer.value - expected).abs() < 5 * answer.std_error + 1e-3).all()


def test_a_number_on_a_grid_has_at_most_the_probability_of_its_cell() -> None:
    """Uniform dequantization is an average of logarithms, computed here by quadrature."""
    table = table_of(number("r", step=1.0))
    x = torch.tensor([[0.0], [3.0]], dtype=torch.float64)
    answer = scored(table, torch.ones(()), x, levels=4, draws=64)
    w = (torch.arange(500, dtype=torch.float64) + 0.5) / 500
    normal = torch.distributions.Normal(torch.tensor(1.0, dtype=torch.float64), 2.0)
    expected = normal.log_prob(x + w - 0.5).mean(1)
    assert answer.std_error is not None
    assert ((answer.value - expected).abs() < 5 * answer.std_error).all()
    assert (expected < (normal.cdf(x + 0.5) - normal.cdf(x - 0.5)).log()[:, 0]).all()


def test_a_bound_does_not_depend_on_batch_mates() -> None:
    together = scored(two_categories(), TWO, PAIRS, levels=4, draws=2)
    alone = scored(two_categories(), TWO, PAIRS[4:5], levels=4, draws=2, start=4)
    torch.testing.assert_close(together.value[4:5], alone.value)


def test_one_draw_has_no_error_bar() -> None:
    assert scored(two_categories(), TWO, PAIRS, levels=4, draws=1).std_error is None


class Numbered(Noise):
    """Noise that keeps the numbers of its arrays."""

    numbers: ClassVar[list[int]] = []

    def key(self, draw: int | Tensor | np.ndarray) -> np.ndarray:
        self.numbers.extend(np.atleast_1d(np.asarray(draw)).tolist())
        return super().key(draw)


@pytest.mark.parametrize("levels", [1, 2, 5])
def test_levels_of_a_draw_share_its_row_and_no_other_noise(levels: int) -> None:
    """The place in a grid cell and what fills absent numbers are a draw's own; the level and its noises a level's."""
    Numbered.numbers.clear()
    table = table_of(number("r", missing=True, step=1.0))
    scorer = MixedBound(known(table, torch.tensor([0.7, 0.3]).double()), Cosine().log_snr(100), levels, 4)
    x = torch.tensor([[1.0]], dtype=torch.float64)
    run(scorer, (x, no_condition(x)), Numbered.rows(0, 1))
    times = Counter(Counter(Numbered.numbers).values())
    assert times == Counter({levels: 4 * 2}) + Counter({1: 4 * 3 * levels})
