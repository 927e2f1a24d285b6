"""A diffusion of a table's rows, trained on tables whose distribution is known."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.form import form_of
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.paths.weightings import MaximumLikelihood
from pushforward.models.samplers.options import MixedBoundOptions, MixedStepsOptions
from pushforward.models.spec.conditions import Labels
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.tabular.diffusion import DiffusionForm
from tests.models.tabular.small_tables import category, mixed, number, spec_of, table_of, trained

PAIR = torch.tensor([[0.35, 0.05, 0.1], [0.05, 0.15, 0.3]], dtype=torch.float64)
CELLS = torch.tensor([[i, j] for i in range(2) for j in range(3)], dtype=torch.float64)  # of `PAIR`, in its order


def pairs(n: int, rng: torch.Generator) -> Tensor:
    return CELLS[torch.multinomial(PAIR.flatten().float(), n, replacement=True, generator=rng)]


@pytest.fixture(scope="module")
def of_pairs() -> tuple[Any, Nets]:
    return trained(Diffusion(width=32), table_of(category("a", 2), category("b", 3)), pairs)


@pytest.fixture(scope="module")
def of_mixed() -> tuple[Any, Nets]:
    return trained(Diffusion(width=32), table_of(category("c", 2), number("r", missing=True)), mixed, steps=600)


def test_a_bound_is_near_the_probability_of_an_enumerable_row(of_pairs: tuple[Any, Nets]) -> None:
    """Below it on average, but for three standard errors, and by less than 0.1 nats; the sum of all is about one."""
    form, nets = of_pairs
    x = CELLS.repeat(200, 1)
    answer = form.log_prob(nets, x, no_condition(x), Noise.rows(0, len(x)), MixedBoundOptions(draws=2))
    values, p = answer.value.view(200, 6), PAIR.flatten()
    gap, error = float((p * (p.log() - values.mean(0))).sum()), float((p * values.std(0)).norm() / 200**0.5)
    assert -3 * error < gap < 0.1
    assert error < 0.05
    assert 0.85 < float(values.mean(0).exp().sum()) < 1.05


def test_draws_follow_the_training_rows(of_pairs: tuple[Any, Nets]) -> None:
    """Total variation of six cells."""
    form, nets = of_pairs
    x = sample(form.sampler(nets, MixedStepsOptions()), Noise.rows(0, 8000)).long()
    shares = torch.bincount(3 * x[:, 0] + x[:, 1], minlength=6) / len(x)
    assert float((shares - PAIR.flatten()).abs().sum() / 2) < 0.04


def test_missing_cells_come_in_proportion_and_numbers_where_their_category_has_them(
    of_mixed: tuple[Any, Nets],
) -> None:
    form, nets = of_mixed
    x = sample(form.sampler(nets, MixedStepsOptions()), Noise.rows(0, 6000))
    form.table.check(x.numpy())
    for c in (0, 1):
        r = x[x[:, 0] == c, 1]
        assert abs(len(r) / len(x) - 0.5) < 0.05
        assert abs(float(r.isnan().double().mean()) - (0.1 + 0.4 * c)) < 0.05
        assert abs(float(r[~r.isnan()].mean()) - 4 * c) < 0.3
        assert abs(float(r[~r.isnan()].std()) - 1) < 0.2


def test_bounds_of_numbers_are_near_their_density(of_mixed: tuple[Any, Nets]) -> None:
    """On average over rows, nats; data that are missing have a probability."""
    form, nets = of_mixed
    x = mixed(300, torch.Generator().manual_seed(1))
    answer = form.log_prob(nets, x, no_condition(x), Noise.rows(0, 300), MixedBoundOptions(steps=32, draws=8))
    c, r = x.T
    missing = 0.1 + 0.4 * c
    density = torch.distributions.Normal(4 * c, 1.0).log_prob(r.nan_to_num())
    exact = torch.where(r.isnan(), missing.log(), (1 - missing).log() + density) + np.log(0.5)
    assert -0.05 < float((exact - answer.value).mean()) < 0.25
    assert -0.2 < float((exact - answer.value)[r.isnan()].mean()) < 0.25


def test_a_row_is_drawn_and_scored_alone_as_in_a_batch(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    of, noise = form.sampler(nets, MixedStepsOptions(steps=10)), Noise.rows(5, 6)
    torch.testing.assert_close(sample(of, noise)[2:3].float(), sample(of, noise[2:3]).float(), equal_nan=True)
    x, options = mixed(6, torch.Generator().manual_seed(2)), MixedBoundOptions(steps=4, draws=2)
    together = form.log_prob(nets, x, no_condition(x), noise, options).value
    alone = form.log_prob(nets, x[2:3], no_condition(x[2:3]), noise[2:3], options).value
    torch.testing.assert_close(together[2:3], alone)


@pytest.mark.parametrize("columns", [[number("r"), number("s", step=1.0)], [category("a", 3, missing=True)]])
def test_a_table_may_have_numbers_alone_or_choices_alone(columns: list[dict[str, object]]) -> None:
    table = table_of(*columns)
    spec = spec_of(table)
    form = form_of(Diffusion(width=8, depth=1, steps=20), spec)
    assert isinstance(form, DiffusionForm)
    nets = form.build(spec)
    x = torch.zeros(5, table.n_cells, dtype=torch.float64)
    (loss,) = form.losses(nets, Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(5)))
    loss.value.backward()
    assert all(weight.grad is not None for weight in nets.parameters())
    assert set(loss.terms) == ({"noise_mse"} if table.numbers else {"choice_nats"})
    drawn = sample(form.sampler(nets, MixedStepsOptions(steps=5)), Noise.rows(0, 5))
    table.check(drawn.numpy())
    answer = form.log_prob(nets, drawn, no_condition(drawn), Noise.rows(0, 5), MixedBoundOptions())
    assert answer.value.isfinite().all()


def test_the_loss_of_choices_is_the_bound_of_a_network_that_knows_nothing() -> None:
    """Fresh networks have even logits: T times the mean divergence estimates log D, as D even cases have it."""
    table = table_of(category("a", 3))
    spec = spec_of(table)
    form = form_of(Diffusion(width=8, steps=50), spec)
    nets = form.build(spec)
    x = torch.zeros(20_000, 1, dtype=torch.float64)
    batch = Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x)))
    (loss,) = form.losses(nets, batch)
    assert abs(float(loss.value.detach()) - np.log(3)) < 0.1


def test_a_condition_steers_draws_and_guidance_needs_one() -> None:
    table = table_of(category("a", 2))
    spec = spec_of(table).model_copy(update={"condition": Labels(n_classes=2)})
    form = form_of(Diffusion(width=8, steps=20, drop=0.1), spec)
    assert isinstance(form, DiffusionForm)
    assert form.answers_without
    nets = form.build(spec)
    form.check_sampling(spec, MixedStepsOptions(guidance=2.0))
    x = sample(form.sampler(nets, MixedStepsOptions(guidance=0.0)), Noise.rows(0, 4), torch.eye(2)[[0, 1, 0, 1]])
    table.check(x.numpy())
    with pytest.raises(InvalidInput) as refused:
        form.check_sampling(spec_of(table), MixedStepsOptions(guidance=2.0))
    assert refused.value.field == "options.guidance"


def test_another_weighting_is_refused() -> None:
    with pytest.raises(InvalidData) as refused:
        form_of(Diffusion(weighting=MaximumLikelihood()), spec_of(table_of(category("a", 2))))
    assert refused.value.field == "run.family.weighting"


def test_a_row_has_no_code() -> None:
    assert capabilities(form_of(Diffusion(), spec_of(table_of(category("a", 2))))) == ("sample", "likelihood")
