"""Neural importance sampling against integrals that are known."""

from math import isnan, log
from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.data import UnitCube
from pushforward.models.data.integrands import Camel, CornerPeak, GaussianPeak, Integrand, Oscillatory, ProductPeak
from pushforward.models.errors import InvalidData
from pushforward.models.evaluation.held_out import evaluate
from pushforward.models.families.nis import HALF, NIS, mean_and_error
from pushforward.models.losses import Adam, Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.run import Budget, Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

SQUARE = UnitCube().spec
N = 4000


def roughened(nis: NIS, spec: DataSpec = SQUARE, scale: float = 1.0) -> Nets:
    """Networks in float64, far from the identity."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        nets = nis.build(spec).double()
        for weight in nets.parameters():
            weight.data += scale * torch.randn_like(weight) / weight.shape[-1] ** 0.5
    return nets.requires_grad_(False).eval()


class Squares(nn.Module):
    """The bijection of [-5, 5] that makes 2x of the uniform density on [0, 1]: z = x^2."""

    def forward(self, v: Tensor) -> tuple[Tensor, Tensor]:
        x = (v / HALF + 1) / 2
        return HALF * (2 * x**2 - 1), (2 * x).log().sum(1)

    def inverse(self, z: Tensor) -> Tensor:
        return HALF * (2 * ((z / HALF + 1) / 2).sqrt() - 1)


def test_a_proposal_like_the_integrand_has_no_variance() -> None:
    """T29: q' = f gives every weight the integral, 1 here: f = alpha + (1 - alpha) 2x."""
    nis = NIS(alpha=0.25)
    nets = Nets(UnitCube(d=1).spec, proposal=Squares())
    noise = Noise.rows(0, 200)
    x = sample(nis.sampler(nets, nis.SampleOptions()), noise)
    weights = (0.25 + 0.75 * 2 * x[:, 0]) / nis.log_density(nets, x).exp()
    assert torch.allclose(weights, torch.ones(200), atol=1e-5)
    assert mean_and_error(weights).std_error < 1e-6


@pytest.mark.parametrize("f", [Oscillatory(), ProductPeak(), CornerPeak(), GaussianPeak(), Camel()],
                         ids=lambda f: f.integrand)  # fmt: skip
@pytest.mark.parametrize("d", [1, 2, 4])
def test_an_estimate_is_unbiased_whatever_the_proposal(f: Integrand, d: int) -> None:
    """T29: z < 5 for a random one."""
    nis = NIS(integrand=f, width=8)  # type: ignore[arg-type]
    estimate = nis.estimate(roughened(nis, UnitCube(d=d).spec, scale=0.5).float(), Noise.rows(1, N))
    assert abs(estimate.value - f.integral(d)) < 5 * estimate.std_error


def test_a_defensive_weight_is_at_most_the_integrand_over_alpha() -> None:
    """T29: |w| <= |f| / alpha; without the mixture it has no such bound."""
    nis = NIS(alpha=0.2, width=8)
    nets = roughened(nis, scale=4.0)
    x = Noise.rows(2, N).uniform(0, (2,)).double()
    log_mixture = nis.log_density(nets, x)
    _, log_q = nets["proposal"]((2 * x - 1) * HALF)
    assert float(log_mixture.min()) >= log(0.2)
    assert float(log_q.min()) < log(0.2) - 1


def test_the_density_of_the_mixture_integrates_to_one_and_is_that_of_its_samples() -> None:
    nis = NIS(width=8)
    nets = roughened(nis)
    side = (torch.arange(400, dtype=torch.float64) + 0.5) / 400
    grid = torch.cartesian_prod(side, side)
    density = nis.log_density(nets, grid).exp()
    assert abs(float(density.mean()) - 1) < 1e-3
    x = sample(nis.sampler(nets.float(), nis.SampleOptions()), Noise.rows(3, N)).double()
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1
    for statistic in (lambda x: x[:, 0], lambda x: x[:, 0] * x[:, 1], lambda x: (x[:, 1] < 0.3).double()):
        drawn, known = mean_and_error(statistic(x)), float((statistic(grid) * density).mean())
        assert abs(drawn.value - known) < 5 * drawn.std_error + 1e-3


@pytest.mark.parametrize("divergence", ["kl", "chi2"])
def test_a_training_lowers_the_variance_of_the_estimate(divergence: Literal["kl", "chi2"]) -> None:
    nis = NIS(integrand=GaussianPeak(a=8.0), divergence=divergence, n_transforms=2, width=16)
    run = Run(family=nis, data=UnitCube(), optimizer=Adam(lr=1e-2, batch_size=256), budget=Budget(steps=60))
    data = load_data(run, Path())
    *_, state = train(data, fresh(run, data, torch.device("cpu")))
    metrics = evaluate(data, state)
    assert abs(metrics["integral"] - metrics["exact_integral"]) < 5 * metrics["integral_std_error"]
    assert metrics["variance_reduction"] > 5


@pytest.mark.parametrize("f", [CornerPeak(), ProductPeak(), GaussianPeak(a=10.0), Camel(s=0.05)],
                         ids=lambda f: f.integrand)  # fmt: skip
def test_a_loss_is_a_number_where_floats_can_not_tell_the_integrand(f: Integrand) -> None:
    """In 32 dimensions most of its values are less than 1e-38, or more than 1e38, and still differ."""
    spec = UnitCube(d=32).spec
    nis, x = NIS(integrand=f, width=8), Noise.rows(6, 64).uniform(0, (32,))
    nets = nis.build(spec)
    (loss,) = nis.losses(nets, Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x))))
    slopes = torch.autograd.grad(loss.value, list(nets.parameters()))
    assert loss.value.isfinite()
    assert all(slope.isfinite().all() for slope in slopes)
    assert any(slope.any() for slope in slopes)


def test_samples_that_all_miss_a_peak_have_no_effect_and_no_reduction() -> None:
    nis, spec = NIS(integrand=Camel(s=0.02), width=8), UnitCube(d=32).spec
    x = Noise.rows(6, 50).uniform(0, (32,))
    metrics = nis.diagnose(nis.build(spec).requires_grad_(False), x, no_condition(x), Noise.rows(0, 50))
    assert (metrics["integral"], metrics["integral_std_error"]) == (0.0, 0.0)
    assert isnan(metrics["effective_share"])
    assert isnan(metrics["variance_reduction"])


def test_the_effective_share_is_of_the_samples_that_count() -> None:
    assert mean_and_error(torch.ones(10)).effective_share == pytest.approx(1)
    assert mean_and_error(torch.tensor([5.0] + [0.0] * 9)).effective_share == pytest.approx(0.1)


@pytest.mark.parametrize("divergence", ["kl", "chi2"])
def test_a_loss_is_the_divergence_that_it_names(divergence: Literal["kl", "chi2"]) -> None:
    """Of p = f / F from the mixture, by a grid; the loss is its estimate from a large batch."""
    nis = NIS(divergence=divergence, integrand=Camel(s=0.4), width=8)
    nets = roughened(nis, scale=0.3)
    side = (torch.arange(300, dtype=torch.float64) + 0.5) / 300
    grid = torch.cartesian_prod(side, side)
    p, log_q = nis.integrand(grid), nis.log_density(nets, grid)
    p = p / p.mean()
    ratio = p.log() - log_q
    known = float((p * (ratio if divergence == "kl" else ratio.exp() - 1)).mean())
    x = Noise.rows(6, 20_000).uniform(0, (2,)).double()
    (loss,) = nis.losses(nets, Batch(x, no_condition(x), torch.Generator().manual_seed(0), 0, 1, torch.arange(len(x))))
    assert float(loss.value) == pytest.approx(known, rel=0.1)


@pytest.mark.parametrize(
    "spec", [DataSpec(shape=(2,)), DataSpec(shape=(2,), low=0, high=2), DataSpec(shape=(1, 2, 2), low=0, high=1)]
)
def test_data_that_are_no_unit_cube_are_refused(spec: DataSpec) -> None:
    with pytest.raises(InvalidData, match="unit_cube") as error:
        NIS().build(spec)
    assert error.value.field == "run.data"
