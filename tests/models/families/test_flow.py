"""Normalizing flows against autograd, quadrature and closed forms."""

from itertools import product
from math import e, log, pi
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.data import EightGaussians
from pushforward.models.errors import InvalidData
from pushforward.models.families.flow import MIN_U01, Flow, Scheme, flow_network
from pushforward.models.family import reconstruct
from pushforward.models.flows.dequantization import DequantizationOptions, Uniform, Variational
from pushforward.models.flows.univariate import Affine, Spline
from pushforward.models.losses import Adam, Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Budget, Run
from pushforward.models.spec.conditions import Labels, Vector
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

PLANE = DataSpec(shape=(2,), shift=(1.0, -0.5), scale=(2.0, 0.7))
BOX = DataSpec(shape=(2,), low=-1, high=3, shift=(1.0,), scale=(2.0,))
LEVELS = DataSpec(shape=(1, 2, 3), low=0, high=3, levels=4, shift=(1.5,), scale=(1.5,))
SCHEMES: tuple[Scheme, ...] = ("coupling", "autoregressive", "inverse_autoregressive")
FLOWS = [
    Flow(transform=transform, scheme=scheme, n_transforms=3, width=16)
    for transform, scheme in product((Spline(bins=4), Affine()), SCHEMES)
] + [Flow(transform=Spline(bins=4), n_transforms=3, width=16, tails="gaussian")]
each_flow = pytest.mark.parametrize(
    "flow", FLOWS, ids=lambda flow: f"{flow.transform.transform}-{flow.scheme}-{flow.tails}"
)
each_spec = pytest.mark.parametrize("spec", [PLANE, BOX, LEVELS], ids=["plane", "box", "levels"])


def roughened(flow: Flow, spec: DataSpec, seed: int = 0, scale: float = 0.5) -> Nets:
    """Networks in float64, far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nets = flow.build(spec).double()
        for weight in nets.parameters():
            weight.data += scale * torch.randn_like(weight) / weight.shape[-1] ** 0.5
    return nets.requires_grad_(False).eval()


def rows(spec: DataSpec, n: int, seed: int = 3) -> Tensor:
    """Rows of this kind of data, float64."""
    u = Noise.rows(seed, n).uniform(0, spec.shape).double()
    if spec.low is None or spec.high is None:
        return spec.denormalize(6 * u - 3)
    return spec.quantize(spec.low + (spec.high - spec.low) * u)


def score(flow: Flow, nets: Nets, x: Tensor, k: int = 4) -> LogProb:
    return flow.log_prob(nets, x, no_condition(x), Noise.rows(0, len(x)), DequantizationOptions(k=k))


def fitted(flow: Flow, spec: DataSpec, x: Tensor, c: Tensor, steps: int = 300) -> Nets:
    """By maximum likelihood on all rows at once."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = flow.build(spec).double()
    adam = torch.optim.Adam(nets.parameters(), lr=0.03)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    for _ in range(steps):
        loss = -flow.log_density(nets, x, c).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        schedule.step()
    return nets.requires_grad_(False)


@each_flow
@each_spec
def test_the_log_determinant_is_that_of_the_autograd_jacobian(flow: Flow, spec: DataSpec) -> None:
    """T18: log p(x) - log N(z; 0, I) = log |det dz/dx|, at random x."""
    nets = roughened(flow, spec)
    for x in rows(spec, 5):
        z = flow.encode(nets, x[None], no_condition(x[None]))[0]
        jacobian = torch.autograd.functional.jacobian(
            lambda at: flow.encode(nets, at[None], no_condition(at[None]))[0], x
        )
        log_det = torch.linalg.slogdet(jacobian.reshape(spec.size, spec.size)).logabsdet
        log_p = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum() + log_det
        assert torch.allclose(flow.log_density(nets, x[None], no_condition(x[None]))[0], log_p, rtol=1e-9)


@each_flow
@each_spec
def test_decoding_undoes_encoding(flow: Flow, spec: DataSpec) -> None:
    """T19: the inverse error in single precision is below 1e-5 of the range."""
    nets = roughened(flow, spec, scale=0.2).float()
    x = rows(spec, 200).float()
    error = (reconstruct(flow, nets, x, no_condition(x)) - x) / max(spec.scale)
    assert float(error.abs().max()) < 1e-5


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_spline_inverts_at_its_edges_and_in_its_tails(scheme: Scheme) -> None:
    """T19: at -5 and 5, one float to either side, and far outside, where the spline is the identity."""
    spec = DataSpec(shape=(2,))
    flow = Flow(scheme=scheme, n_transforms=1, width=16, tails="gaussian")
    nets = roughened(flow, spec)
    values = torch.tensor([5.0, np.nextafter(5.0, 0), np.nextafter(5.0, 9), 0.0, 20.0], dtype=torch.float64)
    x = torch.cartesian_prod(torch.cat([values, -values]), torch.cat([values, -values]))
    z = flow.encode(nets, x, no_condition(x))
    assert torch.allclose(flow.decode(nets, z, no_condition(z)), x, rtol=1e-10, atol=1e-10)
    assert torch.allclose(z[x.abs() >= 5], x[x.abs() >= 5], rtol=1e-14)


@each_flow
def test_the_density_integrates_to_one(flow: Flow) -> None:
    """T20: over a grid of the plane."""
    nets = roughened(flow, PLANE, scale=0.3)
    side = torch.linspace(-9, 9, 301, dtype=torch.float64)
    grid = PLANE.denormalize(torch.cartesian_prod(side, side))
    cell = (18 / 300) ** 2 * 2.0 * 0.7
    assert abs(float(flow.log_density(nets, grid, no_condition(grid)).exp().sum()) * cell - 1) < 1e-3


@each_flow
def test_log_determinants_of_a_chain_add(flow: Flow) -> None:
    """T23: transform by transform; the orders between them contribute nothing."""
    nets = roughened(flow, LEVELS)
    v = Noise.rows(5, 20).normal(0, (6,)).double()
    z, log_det = flow_network(nets)(v)
    total = torch.zeros(20, dtype=torch.float64)
    for transform in flow_network(nets).layers.transforms:
        v, part = transform().call_and_ladj(v)
        total += part
    assert torch.allclose(total, log_det, rtol=1e-12)
    assert torch.allclose(v, z, rtol=1e-12)


def test_an_affine_flow_fits_a_gaussian_to_its_entropy() -> None:
    """T24: by maximum likelihood, NLL = log(2 pi e) + 1/2 log det C and J^T J = C^-1, C the rows' covariance."""
    L = torch.tensor([[1.0, 0.0], [0.8, 0.5]], dtype=torch.float64)
    x = Noise.rows(9, 2000).normal(0, (2,)).double() @ L.T
    spec = DataSpec(shape=(2,))
    flow = Flow(transform=Affine(), n_transforms=1, width=8, depth=1)
    nets = fitted(flow, spec, x, no_condition(x), steps=400)
    nll = -flow.log_density(nets, x, no_condition(x)).mean().item()
    entropy = log(2 * pi * e) + 0.5 * float(torch.linalg.slogdet(x.T.cov(correction=0)).logabsdet)
    assert abs(nll - entropy) < 0.005
    jacobian = torch.autograd.functional.jacobian(
        lambda at: flow.encode(nets, at[None], no_condition(at[None]))[0], x.mean(0)
    )
    assert torch.allclose(jacobian.T @ jacobian, torch.linalg.inv(x.T.cov(correction=0)), rtol=0.1, atol=0.1)


def test_a_trained_flow_comes_near_the_entropy_and_never_below() -> None:
    """T28: on eight Gaussians, NLL on fresh rows >= H - 5 standard errors."""
    source = EightGaussians()
    run = Run(family=Flow(n_transforms=2, width=32), data=source, optimizer=Adam(lr=5e-3, batch_size=256),
              budget=Budget(steps=100))  # fmt: skip
    data = load_data(run, Path())
    *_, state = train(data, fresh(run, data, torch.device("cpu")))
    nll = -score(run.family, state.average, torch.from_numpy(data.validation.x)).value  # type: ignore[arg-type]
    std_error = float(nll.std()) / len(nll) ** 0.5
    assert source.entropy_nats - 5 * std_error < float(nll.mean()) < source.entropy_nats + 0.35


def test_training_on_levels_lowers_the_bound_that_is_served() -> None:
    x = torch.tensor([[0.0, 3.0], [3.0, 0.0]]).repeat(32, 1)
    spec = DataSpec(shape=(2,), low=0, high=3, levels=4)
    flow = Flow(n_transforms=2, width=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = flow.build(spec)
    adam = torch.optim.Adam(nets.parameters(), lr=1e-2)
    for step in range(80):
        (loss,) = flow.losses(
            nets, Batch(x, no_condition(x), torch.Generator().manual_seed(step), step, 80, torch.arange(len(x)))
        )
        assert torch.isclose(loss.terms["bits_per_dim"], loss.value / (2 * log(2)))
        adam.zero_grad()
        loss.value.backward()
        adam.step()
    bound = score(flow, nets, x[:2], k=256).value
    assert bound.min().item() > log(1 / 16) + 1.0  # 1 / 16: all levels alike; 1 / 2: the two that occur
    assert bound.logsumexp(0).item() < 0.1


@each_flow
def test_the_bounds_of_all_levels_sum_to_less_than_one(flow: Flow) -> None:
    spec = DataSpec(shape=(2,), low=0, high=3, levels=4)
    nets = roughened(flow, spec)
    side = torch.arange(4.0, dtype=torch.float64)
    scored = score(flow, nets, torch.cartesian_prod(side, side), k=60)
    assert scored.kind == "lower_bound"
    assert scored.std_error is not None
    total, slack = float(scored.value.exp().sum()), float((scored.value.exp() * scored.std_error).sum())
    assert 0 < total < 1 + 5 * slack


def test_the_error_bar_of_a_bound_is_that_of_its_draws() -> None:
    flow = FLOWS[0]
    nets = roughened(flow, LEVELS)
    x = rows(LEVELS, 1).repeat(600, 1, 1, 1)
    scored = score(flow, nets, x, k=25)
    assert scored.std_error is not None
    assert np.isclose(float(scored.value.std()), float(scored.std_error.mean()), rtol=0.15)
    assert score(flow, nets, x[:3], k=1).std_error is None


def test_continuous_data_have_exact_likelihoods_whatever_the_draws() -> None:
    nets = roughened(FLOWS[0], PLANE)
    x = rows(PLANE, 7)
    few, many = score(FLOWS[0], nets, x, k=1), score(FLOWS[0], nets, x, k=9)
    assert few.kind == "exact"
    assert few.std_error is None
    assert torch.equal(few.value, many.value)


@each_flow
def test_weights_built_under_another_seed_load_to_the_same_flow(flow: Flow) -> None:
    saved = roughened(flow, LEVELS, seed=1)
    loaded = roughened(flow, LEVELS, seed=2)
    x = rows(LEVELS, 10)
    assert not torch.equal(flow.encode(loaded, x, no_condition(x)), flow.encode(saved, x, no_condition(x)))
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(flow.encode(loaded, x, no_condition(x)), flow.encode(saved, x, no_condition(x)))
    z = Noise.rows(0, 10).normal(0, (6,)).double()
    assert torch.equal(flow.decode(loaded, z, no_condition(z)), flow.decode(saved, z, no_condition(z)))


@each_flow
@each_spec
def test_samples_are_finite_data_that_the_flow_encodes_back_to_their_noise(flow: Flow, spec: DataSpec) -> None:
    nets = roughened(flow, spec, scale=0.2).float()
    noise = Noise.rows(4, 100)
    x = sample(flow.sampler(nets, flow.SampleOptions()), noise)
    assert x.shape == (100, *spec.shape)
    assert torch.allclose(
        flow.encode(nets, x, no_condition(x)), flow.prior(nets, noise, no_condition(noise)), atol=1e-3
    )


def test_samples_of_a_rough_spline_are_finite_in_single_precision() -> None:
    """The square root of the spline's inverse stays real."""
    flow = Flow(n_transforms=2, width=16, transform=Spline(bins=16))
    nets = roughened(flow, DataSpec(shape=(8,)), scale=8.0).float()
    assert torch.isfinite(sample(flow.sampler(nets, flow.SampleOptions()), Noise.rows(0, 5000))).all()


@pytest.mark.parametrize("transform", [Spline(), Affine()], ids=["spline", "affine"])
def test_a_single_element_has_a_flow_too(transform: Spline | Affine) -> None:
    flow = Flow(transform=transform, n_transforms=2)
    nets = roughened(flow, DataSpec(shape=(1,)))
    grid = torch.linspace(-300, 300, 60_001, dtype=torch.float64)[:, None]
    assert abs(float(flow.log_density(nets, grid, no_condition(grid)).exp().sum()) * 0.01 - 1) < 1e-3
    assert torch.allclose(reconstruct(flow, nets, grid, no_condition(grid)), grid, atol=1e-6)


def test_the_same_step_of_the_same_seed_draws_the_same_loss() -> None:
    flow = FLOWS[0]
    nets = roughened(flow, LEVELS)
    x = rows(LEVELS, 6)
    batches = [Batch(x, no_condition(x), torch.Generator().manual_seed(5), 0, 1, torch.arange(6)) for _ in range(2)]
    values = [next(flow.losses(nets, batch)).value.item() for batch in batches]
    assert values[0] == values[1]


def test_a_conditional_flow_recovers_a_linear_gaussian() -> None:
    """T25: p(x|c) = N(A c, S), by maximum likelihood: its means, and NLL = the conditional entropy."""
    A, L = torch.tensor([[1.5], [-1.0]]).double(), torch.tensor([[0.6, 0.0], [0.3, 0.4]]).double()
    told = Noise.rows(1, 4000).normal(0, (1,)).double()
    x = told @ A.T + Noise.rows(2, 4000).normal(0, (2,)).double() @ L.T
    condition = Vector(shift=(0.0,), scale=(1.0,))
    spec = DataSpec(shape=(2,), scale=(1.5,), condition=condition)
    flow = Flow(transform=Affine(), n_transforms=1, width=16, depth=1)
    nets = fitted(flow, spec, x, condition.code(told))
    nll = -flow.log_density(nets, x, condition.code(told)).mean().item()
    assert abs(nll - (log(2 * pi * e) + float(L.diagonal().log().sum()))) < 0.05
    at = torch.tensor([[-1.5], [0.0], [1.0]]).double()
    means = flow.decode(nets, torch.zeros(3, 2).double(), condition.code(at))
    assert torch.allclose(means, at @ A.T, atol=0.1)


def test_summing_a_conditional_flow_over_labels_gives_the_density_without_them() -> None:
    """T25: p(x) = sum_c p(c) p(x|c), of two Gaussians told apart by their label."""
    labels = torch.arange(3000) % 2
    centers = torch.tensor([[-1.0, 0.5], [1.2, -0.3]]).double()
    x = centers[labels] + 0.5 * Noise.rows(3, 3000).normal(0, (2,)).double()
    condition = Labels(n_classes=2)
    spec = DataSpec(shape=(2,), condition=condition)
    flow = Flow(transform=Affine(), n_transforms=1, width=8, depth=1)
    nets = fitted(flow, spec, x, condition.code(labels[:, None]).double())
    side = torch.linspace(-3, 3, 61, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    one_hot = torch.eye(2, dtype=torch.float64)
    density = sum(0.5 * flow.log_density(nets, grid, c.expand(len(grid), 2)).exp() for c in one_hot)
    known = sum(0.5 * torch.distributions.Normal(center, 0.5).log_prob(grid).sum(1).exp() for center in centers)
    assert isinstance(density, Tensor)
    assert isinstance(known, Tensor)
    assert abs(float(density.sum()) * 0.01 - 1) < 0.01
    assert float((density - known).abs().max() / known.max()) < 0.1


def test_more_draws_tighten_the_bound_that_is_served() -> None:
    """T33: on average over rows of noise, and never above the bin's own probability."""
    nets = roughened(FLOWS[0], LEVELS, scale=1.5)
    x = rows(LEVELS, 1).repeat(400, 1, 1, 1)
    one, few, many = (score(FLOWS[0], nets, x, k=k) for k in (1, 4, 40))
    assert few.std_error is not None
    assert float(one.value.mean()) + 0.1 < float(few.value.mean()) < float(many.value.mean())
    probability = score(FLOWS[0], nets, x[:1], k=300)
    assert probability.std_error is not None
    assert float(many.value.mean()) < float(probability.value) + 5 * float(probability.std_error)


def test_an_untrained_variational_dequantization_is_the_uniform_one() -> None:
    flow = Flow(n_transforms=2, width=16, dequantization=Variational(width=8))
    nets = roughened(flow, LEVELS)
    nets["dequantizer"] = flow.build(LEVELS).double()["dequantizer"]
    x = rows(LEVELS, 5)
    assert torch.allclose(score(flow, nets, x).value, score(Flow(), nets, x).value, atol=1e-9)


@pytest.mark.parametrize("dequantization", [Uniform(draws=3), Variational(width=8), Variational(width=8, draws=3)])
def test_every_dequantization_gives_a_bound_whose_levels_sum_to_less_than_one(
    dequantization: Uniform | Variational,
) -> None:
    """E W is a level's probability whatever q is, so the levels' weights sum to one at most."""
    spec = DataSpec(shape=(2,), low=0, high=3, levels=4)
    flow = Flow(n_transforms=2, width=16, dequantization=dequantization)
    nets = roughened(flow, spec)
    side = torch.arange(4.0, dtype=torch.float64)
    scored = score(flow, nets, torch.cartesian_prod(side, side), k=200)
    assert scored.kind == "lower_bound"
    assert scored.std_error is not None
    slack = float((scored.value.exp() * scored.std_error).sum())
    assert 0 < float(scored.value.exp().sum()) < 1 + 5 * slack


@pytest.mark.parametrize("dequantization", [Uniform(draws=3), Variational()])
def test_dequantizing_continuous_data_is_refused(dequantization: Uniform | Variational) -> None:
    with pytest.raises(InvalidData, match="levels") as error:
        Flow(dequantization=dequantization).build(PLANE)
    assert error.value.field == "run.family.dequantization"


def test_a_zero_from_the_generator_does_not_end_a_training() -> None:
    """Torch's uniforms may be zero, which has no logit."""
    flow = Flow(n_transforms=1, width=8, dequantization=Variational(width=8))
    nets = flow.build(LEVELS)
    u01 = torch.full((1, *LEVELS.shape), MIN_U01)
    assert flow.log_level(nets, rows(LEVELS, 1).float(), torch.zeros(1, 0), u01).isfinite().all()
