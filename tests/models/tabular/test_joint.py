"""`models.tabular.joint`: the joint distribution of choices and numbers is one, and draws follow it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pushforward.models.errors import InvalidData
from pushforward.models.families.cnf import CNF
from pushforward.models.families.flow import Flow
from pushforward.models.family import Samples, Scores
from pushforward.models.flows.dequantization import DequantizationOptions
from pushforward.models.form import form_of
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.tables.table import Table
from pushforward.models.tabular.joint import JointForm
from tests.models.tables.small_tables import CHOICES, LEVELS, ONE_NUMBER, category, every_row, number, table

NAN = float("nan")
TWO_NUMBERS = table(category("a", "x", "y"), number("r", missing=True), number("s", missing=True))


def built(of: Table, **fields: object) -> tuple[JointForm, Nets]:
    """A joint density whose flow is no identity any more."""
    form = form_of(Flow(**fields), DataSpec(shape=(of.n_cells,), table=of))  # type: ignore[arg-type]
    assert isinstance(form, JointForm)
    torch.manual_seed(0)
    nets = form.build(DataSpec(shape=(of.n_cells,), table=of)).eval()
    with torch.no_grad():
        for parameter in nets.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return form, nets


def log_prob(form: JointForm, nets: Nets, x: Tensor, k: int = 16) -> Tensor:
    with torch.no_grad():
        return form.log_prob(nets, x, no_condition(x), Noise.rows(0, len(x)), DequantizationOptions(k=k)).value


def test_probabilities_of_all_choices_add_up_to_one_and_draws_have_them() -> None:
    form, nets = built(CHOICES)
    x = every_row(CHOICES, [0.0, 1.0], [0.0, 1.0, 2.0, NAN], [0.0, 1.0])
    probability = log_prob(form, nets, x).exp()
    assert float(probability.sum()) == pytest.approx(1, abs=1e-6)
    n = 20_000
    drawn = sample(form.sampler(nets, None), Noise.rows(0, n))  # type: ignore[arg-type]
    counts = torch.stack([(drawn.nan_to_num(9) == row.nan_to_num(9)).all(1).sum() for row in x])
    assert int(counts.sum()) == n
    assert float((counts / n - probability).abs().sum() / 2) < 0.02


@pytest.mark.parametrize("scheme", ["coupling", "autoregressive"])
def test_the_density_of_one_number_integrates_to_one_beside_its_cases(scheme: str) -> None:
    form, nets = built(ONE_NUMBER, scheme=scheme)
    r = torch.linspace(-60, 60, 24_001, dtype=torch.float64)
    total = 0.0
    for a in (0.0, 1.0):
        rows = torch.stack([torch.full_like(r, a), r], 1)
        total += float(log_prob(form, nets, rows).exp().sum() * (r[1] - r[0]))
        total += float(log_prob(form, nets, torch.tensor([[a, NAN], [a, 0.5]], dtype=torch.float64)).exp().sum())
    assert total == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("scheme", ["coupling", "autoregressive"])
def test_the_density_of_whichever_numbers_are_there_integrates_to_one(scheme: str) -> None:
    form, nets = built(TWO_NUMBERS, scheme=scheme)
    r = torch.linspace(-25, 25, 301, dtype=torch.float64)
    cell = float(r[1] - r[0])
    for a in (0.0, 1.0):
        grid = torch.cartesian_prod(torch.tensor([a], dtype=torch.float64), r, r)
        both = log_prob(form, nets, grid)
        choice = float(_of_choices(form, nets, grid[:1]).exp())
        assert float(both.exp().sum()) * cell**2 == pytest.approx(choice, rel=0.03)
        for missing in (1, 2):
            one = torch.stack([torch.full_like(r, a), r, r], 1)
            one[:, missing] = NAN
            choice = float(_of_choices(form, nets, one[:1]).exp())
            assert float(log_prob(form, nets, one).exp().sum()) * cell == pytest.approx(choice, rel=0.03)


def _of_choices(form: JointForm, nets: Nets, x: Tensor) -> Tensor:
    with torch.no_grad():
        return form.log_density(nets, form._coded(x, None), no_condition(x))[0]


def test_bounds_of_the_probabilities_of_a_grid_add_up_to_less_than_one_and_draws_have_them() -> None:
    form, nets = built(LEVELS)
    x = every_row(LEVELS, [0.0, 1.0], [*map(float, range(-3, 5)), NAN])
    probability = log_prob(form, nets, x, k=400).exp()
    assert 0.5 < float(probability.sum()) < 1.005  # mass beyond the grid is in no cell
    n = 20_000
    drawn = sample(form.sampler(nets, None), Noise.rows(0, n))  # type: ignore[arg-type]
    inner = (x[:, 1] > -3) & (x[:, 1] < 4) | x[:, 1].isnan()
    counts = torch.stack([(drawn.nan_to_num(9) == row.nan_to_num(9)).all(1).sum() for row in x])
    assert float((counts / n - probability)[inner].abs().max()) < 0.015


def test_a_row_is_drawn_alone_as_it_is_in_company() -> None:
    form, nets = built(ONE_NUMBER)
    together = sample(form.sampler(nets, None), Noise.rows(3, 20))  # type: ignore[arg-type]
    alone = torch.cat([sample(form.sampler(nets, None), Noise.rows(3, 1, start=i)) for i in range(20)])  # type: ignore[arg-type]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4, equal_nan=True)


@pytest.mark.parametrize("of", [table(number("r"), number("s")), table(number("r")), table(category("a", 1, 2))])
def test_tables_of_one_kind_have_a_joint_density_too(of: Table) -> None:
    form, nets = built(of)
    drawn = sample(form.sampler(nets, None), Noise.rows(0, 5))  # type: ignore[arg-type]
    of.check(drawn.numpy())
    scored = log_prob(form, nets, drawn)
    assert scored.isfinite().all()


def test_its_capabilities_are_samples_and_likelihoods_of_the_kind_that_its_columns_allow() -> None:
    form, nets = built(ONE_NUMBER)
    assert isinstance(form, Samples)
    assert isinstance(form, Scores)
    x = torch.tensor([[0.0, 0.1]], dtype=torch.float64)
    assert form.log_prob(nets, x, no_condition(x), Noise.rows(0, 1), DequantizationOptions()).kind == "exact"
    form, nets = built(LEVELS)
    x = torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert form.log_prob(nets, x, no_condition(x), Noise.rows(0, 1), DequantizationOptions()).kind == "lower_bound"


def test_a_scheme_without_a_form_and_a_family_without_one_are_refused() -> None:
    spec = DataSpec(shape=(2,), table=ONE_NUMBER)
    with pytest.raises(InvalidData, match="coupling or autoregressive"):
        form_of(Flow(scheme="inverse_autoregressive"), spec)
    with pytest.raises(InvalidData, match=r"cnf does not model tables; train .*flow.*vae"):
        form_of(CNF(), spec)
