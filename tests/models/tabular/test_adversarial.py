"""A GAN of a table's rows."""

from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.families.gan import GAN
from pushforward.models.form import form_of
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.tabular.adversarial import AdversarialForm
from pushforward.models.tabular.completion import CandidateOptions
from tests.models.tabular.small_tables import category, mixed, number, spec_of, table_of, trained

CTGAN = GAN.model_validate(
    {
        "latent": 8,
        "width": 32,
        "depth": 1,
        "critic_steps": 2,
        "game": {"game": "wasserstein"},
        "regularizers": [{"regularizer": "gradient_penalty"}, {"regularizer": "packing", "rows": 10}],
    }
)
RARE = torch.tensor([0.9, 0.09, 0.01])


@pytest.fixture(scope="module")
def of_mixed() -> tuple[Any, Nets]:
    return trained(GAN(width=64), table_of(category("c", 2), number("r", missing=True)), mixed, steps=600)


def form_and_nets(family: GAN, *columns: dict[str, Any]) -> tuple[AdversarialForm, Nets]:
    spec = spec_of(table_of(*columns))
    form = form_of(family, spec)
    assert isinstance(form, AdversarialForm)
    return form, form.build(spec)


def batch_of(x: torch.Tensor) -> Batch:
    return Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x)))


def test_missing_cells_come_in_proportion_and_numbers_where_their_category_has_them(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    x = sample(form.sampler(nets, Options()), Noise.rows(0, 4000))
    form.table.check(x.numpy())
    for c in (0, 1):
        r = x[x[:, 0] == c, 1]
        assert abs(len(r) / len(x) - 0.5) < 0.1
        assert abs(float(r.isnan().double().mean()) - (0.1 + 0.4 * c)) < 0.15
        assert abs(float(r[~r.isnan()].mean()) - 4 * c) < 1


@pytest.mark.parametrize("columns", [
    [number("r", missing=True, atoms=[0.0]), category("a", 3)], [number("r"), number("s", step=1.0)], [category("a", 3)]
])  # fmt: skip
@pytest.mark.parametrize("family", [CTGAN, GAN(width=8, depth=1)], ids=["ctgan", "default"])
def test_gradients_reach_the_player_that_a_loss_trains(family: GAN, columns: list[dict[str, Any]]) -> None:
    form, nets = form_and_nets(family, *columns)
    trains = []
    for loss in form.losses(nets, batch_of(torch.zeros(40, form.table.n_cells, dtype=torch.float64))):
        nets.zero_grad()
        loss.value.backward()
        (player,) = loss.trains
        assert all(weight.grad is not None for weight in nets[player].parameters())
        trains.append(player)
    assert trains == ["critic"] * family.critic_steps + ["generator"]
    form.table.check(sample(form.sampler(nets, Options()), Noise.rows(0, 20)).numpy())


def test_rare_cases_train_by_the_logarithm_of_their_count() -> None:
    """One choice: cases in the proportion of log(1 + n)."""
    form, nets = form_and_nets(CTGAN, category("a", 3))
    k = torch.repeat_interleave(torch.arange(3), (RARE * 10_000).long())
    list(form.losses(nets, batch_of(k[:, None].double())))
    counts = nets["cases"]()
    torch.testing.assert_close(counts, (RARE * 10_000).double())
    asked = form.asked_cases(nets, k[:, None], torch.Generator().manual_seed(0))
    shares = torch.bincount(k[asked.row], minlength=3) / len(k)
    torch.testing.assert_close(shares.double(), counts.log1p() / counts.log1p().sum(), atol=0.02, rtol=0)
    assert torch.equal(asked.hot.argmax(1), k[asked.row])
    assert torch.equal(asked.hot.sum(1), torch.ones(len(k)))


def test_a_sample_asks_for_a_case_with_its_frequency() -> None:
    form, nets = form_and_nets(CTGAN, category("a", 3), category("b", 2))
    nets.get_buffer("cases.counts").copy_(torch.tensor([90.0, 9.0, 1.0, 50.0, 50.0]))
    hot = form.drawn_case(nets, Noise.rows(0, 20_000))
    assert torch.equal(hot.sum(1), torch.ones(20_000))
    expected = torch.tensor([0.45, 0.045, 0.005, 0.25, 0.25])
    torch.testing.assert_close(hot.mean(0), expected, atol=0.01, rtol=0)


def test_a_generator_that_makes_what_it_is_asked_for_is_not_penalized() -> None:
    form, nets = form_and_nets(CTGAN, category("a", 3), category("b", 2))
    k = torch.tensor([[0, 1], [2, 0]])
    list(form.losses(nets, batch_of(k.double())))
    asked = form.asked_cases(nets, k, torch.Generator().manual_seed(0))
    sure = 50 * torch.cat([torch.eye(3)[asked.k[:, 0]], torch.eye(2)[asked.k[:, 1]]], 1)
    rows = form.layout(nets)
    assert float(form.missed(rows, sure, asked)) < 1e-6
    expected = torch.tensor([3.0, 2.0])[asked.choice].log().mean()
    torch.testing.assert_close(form.missed(rows, torch.zeros(2, 5), asked), expected)


def test_a_row_is_drawn_alone_as_in_a_batch(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    of, noise = form.sampler(nets, Options()), Noise.rows(5, 6)
    torch.testing.assert_close(sample(of, noise)[2:3].float(), sample(of, noise[2:3]).float(), equal_nan=True)


def test_counts_and_modes_are_kept_with_the_weights(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    again = form.build(spec_of(form.table))
    again.load_state_dict(nets.state_dict())
    noise = Noise.rows(0, 20)
    drawn = [sample(form.sampler(each, Options()), noise) for each in (nets, again)]
    torch.testing.assert_close(*drawn, equal_nan=True)


def test_a_condition_takes_the_place_of_what_is_asked_for() -> None:
    table = table_of(category("a", 2), number("r"))
    spec = spec_of(table).model_copy(update={"condition": Labels(n_classes=3)})
    form = form_of(CTGAN, spec)
    assert isinstance(form, AdversarialForm)
    nets = form.build(spec)
    x, c = torch.zeros(20, 2, dtype=torch.float64), torch.eye(3)[torch.arange(20) % 3]
    for loss in form.losses(nets, batch_of(x)._replace(c=c)):
        assert loss.value.isfinite()
        assert loss.terms.get("asked_nats", 0) == 0
    table.check(sample(form.sampler(nets, Options()), Noise.rows(0, 20), c).numpy())


@pytest.mark.parametrize(
    ("family", "field"),
    [({"network": {"network": "dcgan"}}, "network"), ({"conditioned_by": "projection"}, "conditioned_by")],
)
def test_what_is_not_for_tables_is_refused(family: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidData) as refused:
        form_of(GAN.model_validate(family), spec_of(table_of(category("a", 2))))
    assert refused.value.field == f"run.family.{field}"


def test_it_samples_completes_and_nothing_else() -> None:
    form, _ = form_and_nets(CTGAN, category("a", 2))
    assert capabilities(form) == ("sample", "complete")


def test_a_completion_keeps_what_is_given_and_follows_it(of_mixed: tuple[Any, Nets]) -> None:
    form, nets = of_mixed
    n = 400
    x = torch.tensor([[0.0, torch.nan], [1.0, torch.nan]], dtype=torch.float64).repeat_interleave(n, 0)
    given = torch.tensor([[True, False]]).expand(2 * n, 2)
    done = form.complete_rows(nets, x, given, Noise.rows(0, 2 * n), no_condition(x), CandidateOptions(candidates=20))
    form.table.check(done.x.numpy())
    assert torch.equal(done.x[:, 0], x[:, 0])
    for c, r in enumerate(done.x[:, 1].split(n)):
        assert abs(float(r[~r.isnan()].mean()) - 4 * c) < 1
    assert done.kind == "approximate"
    assert done.effective is not None
    assert float(done.effective.mean()) > 10  # of 20: it mostly makes what it is asked for
    alone = form.complete_rows(
        nets,
        x[n : n + 1],
        given[:1],
        Noise.rows(0, 2 * n)[n : n + 1],
        no_condition(x[:1]),
        CandidateOptions(candidates=20),
    )
    torch.testing.assert_close(alone.x, done.x[n : n + 1], equal_nan=True)


def test_candidates_count_by_the_probability_of_what_is_given() -> None:
    """A generator that makes the wrong case for two of three codes, whatever it is asked for."""
    form, nets = form_and_nets(CTGAN, category("a", 2), category("b", 2))

    class Says(torch.nn.Module):
        def forward(self, told: torch.Tensor) -> torch.Tensor:
            sign = torch.where(told[:, :1] > 0.43, 1.0, -1.0)  # P(z > 0.43) = 1/3
            return 20 * torch.cat([-sign, sign, sign, -sign], 1)

    nets["generator"] = Says()
    x, given = torch.tensor([[1.0, 0.0]]).double().repeat(50, 1), torch.tensor([[True, False]]).repeat(50, 1)
    done = form.complete_rows(nets, x, given, Noise.rows(0, 50), no_condition(x), CandidateOptions(candidates=300))
    assert torch.equal(done.x, torch.tensor([[1.0, 0.0]]).double().repeat(50, 1))  # b follows a
    assert done.effective is not None
    assert abs(float(done.effective.mean()) - 100) < 5


def test_a_gan_of_no_width_completes() -> None:
    form, nets = form_and_nets(GAN(), category("a", 2), number("r"))
    x, given = torch.tensor([[1.0, 0.0]]).double(), torch.tensor([[True, False]])
    done = form.complete_rows(nets, x, given, Noise.rows(0, 1), no_condition(x), CandidateOptions(candidates=20))
    assert done.x[0, 0].item() == 1
    assert bool(done.x.isfinite().all())


def test_given_numbers_are_refused_and_their_cases_are_not() -> None:
    form, _ = form_and_nets(CTGAN, category("a", 2), number("r", missing=True, atoms=[0.0]))
    x = np.array([[1.0, 0.0], [0.0, np.nan], [1.0, 2.5]])
    given = np.ones((3, 2), np.bool_)
    form.check_given(x[:2], given[:2])
    form.check_given(x, given * [True, False])
    with pytest.raises(InvalidInput, match="column 'r' is given as a number, and gan completes rows by their categ"):
        form.check_given(x, given)
