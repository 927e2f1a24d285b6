"""Autoregressive models against sums over all images, in float64."""

from itertools import product
from math import log, sqrt

import pytest
import torch
from torch import Tensor

from pushforward.models.capabilities import capabilities
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData
from pushforward.models.families.autoregressive import Autoregressive, Made, Network, PixelCNN
from pushforward.models.likelihoods import Categorical, DiscretizedLogistic
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import sample
from pushforward.models.tables.table import Table

GRAY = DataSpec(shape=(1, 2, 3), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
COLOR = DataSpec(shape=(3, 1, 2), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
VECTOR = DataSpec(shape=(8,), low=-1, high=1, levels=2)
TERNARY = DataSpec(shape=(1, 2, 2), low=-2, high=2, levels=3, shift=(0.0,), scale=(2.0,))
MADE, PIXELCNN = Made(width=48), PixelCNN(width=9, depth=3)
CASES = [(MADE, VECTOR), (MADE, GRAY), (MADE, COLOR), (PIXELCNN, GRAY), (PIXELCNN, COLOR), (PIXELCNN, TERNARY)]
LIKELIHOODS = [Categorical(), DiscretizedLogistic(components=2)]
each_case = pytest.mark.parametrize(
    ("network", "spec"), CASES, ids=[f"{network.network}-{list(spec.shape)}" for network, spec in CASES]
)
each_likelihood = pytest.mark.parametrize("likelihood", LIKELIHOODS, ids=lambda p: p.likelihood)


def roughened(family: Autoregressive, spec: DataSpec) -> Nets:
    """Networks in float64, far from uniform."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = family.build(spec).double()
        for weight in nets.parameters():
            weight.data += torch.randn_like(weight) * (len(weight) / weight.numel()) ** 0.5
    return nets.requires_grad_(False).eval()


def all_rows(spec: DataSpec) -> Tensor:
    """Every row there can be, data units."""
    assert spec.low is not None
    assert spec.levels is not None
    values = [spec.low + k * spec.bin_width for k in range(spec.levels)]
    return torch.tensor(list(product(values, repeat=spec.size)), dtype=torch.float64).view(-1, *spec.shape)


def no_condition(n: int) -> Tensor:
    return torch.empty(n, 0, dtype=torch.float64)


def probabilities(family: Autoregressive, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
    return family.log_prob(nets, x, c, Noise.rows(0, len(x)), Options()).value.exp()


@each_likelihood
@each_case
def test_the_probabilities_of_all_rows_add_up_to_one(
    network: Network, spec: DataSpec, likelihood: Categorical | DiscretizedLogistic
) -> None:
    """T26."""
    family = Autoregressive.model_validate({"network": network, "likelihood": likelihood})
    x = all_rows(spec)
    P = probabilities(family, roughened(family, spec), x, no_condition(len(x)))
    assert float(P.sum()) == pytest.approx(1, rel=1e-9)
    assert float(P.max() / P.min()) > 2


@each_likelihood
@each_case
def test_what_is_drawn_has_these_probabilities(
    network: Network, spec: DataSpec, likelihood: Categorical | DiscretizedLogistic
) -> None:
    """T26: chi^2 of the sampler's frequencies, within five standard deviations of its mean."""
    family, n = Autoregressive.model_validate({"network": network, "likelihood": likelihood}), 4_000
    nets, x = roughened(family, spec), all_rows(spec)
    expected = n * probabilities(family, nets, x, no_condition(len(x)))
    drawn = sample(family.sampler(nets, Options()), Noise.rows(5, n), no_condition(n)).double()
    found = (drawn.flatten(1)[:, None] == x.flatten(1)).all(2).sum(0).double()
    assert int(found.sum()) == n
    chi2, degrees = float(((found - expected) ** 2 / expected).sum()), len(x) - 1
    assert abs(chi2 - degrees) < 5 * sqrt(2 * degrees + float((1 / expected).sum()))


@each_likelihood
@pytest.mark.parametrize("network", [MADE, PIXELCNN], ids=lambda n: n.network)
def test_each_condition_has_probabilities_of_its_own(
    network: Network, likelihood: Categorical | DiscretizedLogistic
) -> None:
    """T25: they add up to one for each."""
    spec = GRAY.model_copy(update={"condition": Labels(n_classes=2)})
    family = Autoregressive.model_validate({"network": network, "likelihood": likelihood})
    nets, x = roughened(family, spec), all_rows(spec)
    first, second = (probabilities(family, nets, x, c.expand(len(x), 2)) for c in torch.eye(2).double())
    assert float(first.sum()) == pytest.approx(1, rel=1e-9)
    assert float(second.sum()) == pytest.approx(1, rel=1e-9)
    assert float((first - second).abs().max()) > 1e-3


@pytest.mark.parametrize("network", [Made(width=32, depth=1), PixelCNN(width=8, depth=2)], ids=lambda n: n.network)
def test_training_finds_the_probabilities_of_a_small_table(network: Network) -> None:
    """Two pixels: the first is on in 3 of 10, the second is like the first in 9 of 10."""
    spec = DataSpec(shape=(1, 1, 2), low=0, high=1, levels=2, shift=(0.5,), scale=(0.5,))
    table = torch.tensor([0.7 * 0.9, 0.7 * 0.1, 0.3 * 0.1, 0.3 * 0.9])
    family = Autoregressive.model_validate({"network": network})
    torch.manual_seed(0)
    nets, rng = family.build(spec), torch.Generator().manual_seed(1)
    adam = torch.optim.Adam(nets.parameters(), lr=1e-2)
    for step in range(150):
        x = all_rows(spec).float()[torch.multinomial(table, 128, replacement=True, generator=rng)]
        (loss,) = family.losses(nets, Batch(x, torch.empty(128, 0), rng, step, 150, torch.arange(128)))
        adam.zero_grad()
        loss.value.backward()
        adam.step()
    assert loss.terms["bits_per_dim"].item() == pytest.approx(loss.value.item() / (2 * log(2)))
    P = probabilities(family, nets.requires_grad_(False), all_rows(spec).float(), torch.empty(4, 0))
    assert float((table * (table / P).log()).sum()) < 0.01


def test_it_samples_and_scores_and_has_no_codes() -> None:
    assert capabilities(Autoregressive()) == ("sample", "likelihood")


def test_a_likelihood_is_exact_and_the_same_at_extreme_weights() -> None:
    for likelihood in LIKELIHOODS:
        family = Autoregressive(likelihood=likelihood)
        nets = roughened(family, GRAY)
        for weight in nets.parameters():
            weight.data *= 1e3
        scored = family.log_prob(nets, all_rows(GRAY), no_condition(64), Noise.rows(0, 64), Options())
        assert scored.kind == "exact"
        assert scored.std_error is None
        assert scored.value.isfinite().all()


def test_an_image_half_drawn_can_be_looked_at() -> None:
    family = Autoregressive(network=PIXELCNN)
    sampler, noise = family.sampler(roughened(family, GRAY), Options()), Noise.rows(0, 3)
    state = sampler.init((no_condition(3),), noise)
    for k in range(3):
        state = sampler.step(state, torch.full((3,), k), noise)
    seen = sampler.preview(state, noise)
    assert torch.equal(seen[:, :, 1], torch.zeros(3, 1, 3))
    assert torch.equal(seen[:, :, 0].double(), sample(sampler, noise, no_condition(3))[:, :, 0].double())


@pytest.mark.parametrize(
    ("family", "spec", "field", "remedy"),
    [
        (Autoregressive(), DataSpec(shape=(2,)), "run.family", "take the family flow"),
        (Autoregressive(network=PixelCNN()), VECTOR, "run.family.network", '{"network": "made"}'),
        (
            Autoregressive(),
            DataSpec(shape=(2,), low=0, high=999, levels=1000),
            "run.family.likelihood",
            '{"likelihood": "discretized_logistic"}',
        ),
        (
            Autoregressive(),
            DataSpec(shape=(3, 32, 32), low=0, high=255, levels=256),
            "run.family.network",
            '{"network": "pixelcnn"}',
        ),
    ],
)
def test_what_it_cannot_model_is_refused_with_the_remedy(
    family: Autoregressive, spec: DataSpec, field: str, remedy: str
) -> None:
    with pytest.raises(InvalidData) as refusal:
        family.build(spec)
    assert refusal.value.field == field
    assert remedy in refusal.value.message


def test_what_does_not_fit_tables_and_what_fits_only_them_is_refused_by_name() -> None:
    flower = {"kind": "category", "name": "flower", "arrow_type": "string", "values": ["iris", "rose"]}
    table = Table.model_validate({"columns": [flower]})
    for family, spec, field, remedy in (
        (Autoregressive(network=PixelCNN()), None, "network", '"network": "made"'),
        (Autoregressive(likelihood=DiscretizedLogistic()), None, "likelihood", "leave it out"),
        (Autoregressive(any_order=True), VECTOR, "any_order", "leave it out"),
        (Autoregressive(components=3), VECTOR, "components", "leave it out"),
    ):
        with pytest.raises(InvalidData, match=remedy) as refusal:
            family.check(spec) if spec else family.for_table(table)
        assert refusal.value.field == f"run.family.{field}"
    form = Autoregressive(network=Made(width=8)).for_table(Table.model_validate({"columns": [
        {**flower, "name": f"flower {i}"} for i in range(9)
    ]}))  # fmt: skip
    with pytest.raises(InvalidData, match="at least 9") as refusal:
        form.check(DataSpec(shape=(9,), table=form.table))
    assert refusal.value.field == "run.family.network.width"
