"""The diffusion family: training, scores against exact Gaussian densities, and what it refuses."""

from math import log, pi
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from models.data import EightGaussians
from models.denoising import FlowOptions
from models.errors import InvalidInput
from models.families.diffusion import Diffusion
from models.family import Batch, capabilities
from models.networks import Nets
from models.noise import Noise
from models.objectives.schedules import Level
from models.run import Run
from models.sampling import untold
from models.spec import DataSpec
from models.train import fresh, load_data, train

PLANE = DataSpec(shape=(2,), shift=(1.0, -1.0), scale=(2.0, 0.5))
DIGITS = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_classes=10, shift=(8.0,), scale=(8.0,))
TINY = Diffusion(width=8, depth=1)


class CorrelatedNoise(nn.Module):
    """E[eps | x] for data N(mean, covariance), flattened."""

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        super().__init__()
        self.mean, self.covariance = mean, covariance

    def forward(self, x: Tensor, log_snr: Tensor) -> Tensor:
        level = Level.at(log_snr, x.flatten(1))
        total = level.alpha[0] ** 2 * self.covariance + level.sigma[0] ** 2 * torch.eye(len(self.mean)).to(x)
        centered = x.flatten(1) - level.alpha * self.mean
        return (level.sigma * torch.linalg.solve(total, centered.T).T).view_as(x)


def correlated(size: int) -> tuple[Tensor, Tensor]:
    """Mean and covariance of some Gaussian in network units."""
    rng = torch.Generator().manual_seed(1)
    factor = torch.randn(size, size, generator=rng, dtype=torch.float64) / size**0.5
    mean = 0.5 * torch.randn(size, generator=rng, dtype=torch.float64)
    return mean, factor @ factor.T + 0.1 * torch.eye(size, dtype=torch.float64)


def fitted(spec: DataSpec) -> tuple[Nets, Tensor, Tensor]:
    mean, covariance = correlated(spec.size)
    return Nets(spec, denoiser=CorrelatedNoise(mean, covariance)), mean, covariance


def normal_log_prob(u: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    return torch.distributions.MultivariateNormal(mean, covariance).log_prob(u.flatten(1))


def trained_batch(spec: DataSpec, n: int = 16) -> Batch:
    rng = torch.Generator().manual_seed(0)
    x = spec.denormalize(torch.randn(n, *spec.shape, generator=rng))
    return Batch(spec.quantize(x), untold(x), rng, 0, 10, torch.arange(len(x)))


def test_it_answers_everything() -> None:
    assert capabilities(Diffusion) == ("sample", "likelihood", "encode", "decode", "reconstruct", "interpolate")


@pytest.mark.parametrize(("schedule", "error_nats"), [("linear", 5e-3), ("cosine", 1e-4)])
def test_the_probability_flow_has_the_exact_density_of_gaussian_data(schedule: str, error_nats: float) -> None:
    """T67: in float64, of the data with the noise of the first level. The linear schedule stops short of N(0, I)."""
    family = Diffusion.model_validate({"schedule": {"schedule": schedule}})
    nets, mean, covariance = fitted(PLANE)
    x = PLANE.denormalize(torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    answer = family.log_prob(nets, x, untold(x), Noise.rows(0, 5), FlowOptions(steps=64))
    first = Level.at(torch.from_numpy(family.schedule.log_snr(1000)[:1]), x[:1])
    noisy = first.alpha**2 * covariance + first.sigma**2 * torch.eye(2, dtype=torch.float64)
    expected = normal_log_prob(PLANE.normalize(x), first.alpha[0] * mean, noisy) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value, expected, rtol=0, atol=error_nats)
    assert answer.kind == "estimate"
    assert answer.std_error is None


def test_the_truncation_costs_little_where_data_are_wider_than_the_first_noise() -> None:
    """T67: against the density of the data themselves, with the default options."""
    nets, mean, covariance = fitted(PLANE)
    x = PLANE.denormalize(torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    answer = Diffusion().log_prob(nets, x, untold(x), Noise.rows(0, 5), FlowOptions())
    expected = normal_log_prob(PLANE.normalize(x), mean, covariance) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value, expected, rtol=0, atol=1e-2)


def test_random_probes_agree_with_the_exact_divergence_within_their_error_bar() -> None:
    """T67: Hutchinson's estimate, z-score below 5."""
    spec = DataSpec(shape=(3,))
    nets, _, _ = fitted(spec)
    x, noise = torch.zeros(4, 3, dtype=torch.float64), Noise.rows(0, 4)
    exact = Diffusion().log_prob(nets, x, untold(x), noise, FlowOptions(steps=8, divergence="exact"))
    random = Diffusion().log_prob(nets, x, untold(x), noise, FlowOptions(steps=8, divergence="hutchinson", draws=32))
    assert random.std_error is not None
    assert ((random.value - exact.value).abs() < 5 * random.std_error).all()
    assert (random.std_error > 1e-3).all()


def test_levels_are_scored_by_their_dequantized_density() -> None:
    """E_u log p(y + w (u - 1/2)) + D log w, by quadrature over u, z-score below 5."""
    spec = DataSpec(shape=(1,), low=0, high=4, levels=5, shift=(2.0,), scale=(2.0,))
    nets, mean, covariance = fitted(spec)
    y = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    answer = Diffusion().log_prob(nets, y, untold(y), Noise.rows(0, 3), FlowOptions(draws=32))
    u = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    within = ((y - 0.5 + u) - 2.0) / 2.0  # (3, 1000)
    square = (within - mean) ** 2 / covariance
    expected = (-0.5 * (square + log(2 * pi) + covariance.log())).mean(1) - log(2.0)
    assert answer.std_error is not None
    assert ((answer.value - expected).abs() < 5 * answer.std_error + 1e-3).all()


def test_a_score_does_not_depend_on_batch_mates() -> None:
    torch.manual_seed(0)
    nets = TINY.build(DIGITS)
    x, noise = torch.randint(0, 17, (3, 1, 8, 8), generator=torch.Generator().manual_seed(0)).float(), Noise.rows(0, 3)
    together = TINY.log_prob(nets, x, untold(x), noise, FlowOptions(steps=4))
    alone = TINY.log_prob(nets, x[1:2], untold(x[1:2]), noise[1:2], FlowOptions(steps=4))
    torch.testing.assert_close(together.value[1:2], alone.value, rtol=1e-5, atol=1e-4)


def test_a_likelihood_that_costs_too_much_is_refused_with_a_remedy() -> None:
    spec = DataSpec(shape=(400,))
    nets, x, noise = TINY.build(spec), torch.zeros(1, 400), Noise.rows(0, 1)
    with pytest.raises(InvalidInput, match=r"25600 .* take the divergence hutchinson") as refusal:
        TINY.log_prob(nets, x, untold(x), noise, FlowOptions(divergence="exact"))
    assert refusal.value.field == "options"
    with pytest.raises(InvalidInput, match=r"lower steps or draws$"):
        TINY.log_prob(nets, x, untold(x), noise, FlowOptions(steps=200, draws=64))


@pytest.mark.parametrize("spec", [PLANE, DIGITS, DataSpec(shape=(3, 28, 20))], ids=lambda s: str(s.shape))
def test_one_loss_reaches_every_weight(spec: DataSpec) -> None:
    torch.manual_seed(0)
    nets = TINY.build(spec)
    for layer in nets.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.normal_(layer.weight, std=0.1)
    (loss,) = TINY.losses(nets, trained_batch(spec, 4))
    assert loss.trains == ("denoiser",)
    for gradient in torch.autograd.grad(loss.value, list(nets["denoiser"].parameters())):
        assert gradient.abs().sum() > 0


def test_an_untrained_network_is_the_exact_one_for_standard_normal_data() -> None:
    nets = TINY.build(PLANE)
    x = PLANE.denormalize(torch.randn(50, 2, generator=torch.Generator().manual_seed(0)))
    answer = TINY.log_prob(nets, x, untold(x), Noise.rows(0, 50), FlowOptions())
    expected = -0.5 * (PLANE.normalize(x) ** 2 + log(2 * pi)).sum(1) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value.float(), expected, rtol=0, atol=1e-4)


def test_training_leaves_the_gaussian_it_starts_from_for_the_data() -> None:
    """T28: the negative log-likelihood ends below the Gaussian's and not below the entropy."""
    run = Run.model_validate(
        {
            "family": {"family": "diffusion", "width": 64, "depth": 2},
            "data": {"source": "eight_gaussians"},
            "optimizer": {"lr": 5e-3, "batch_size": 128, "decay": "cosine"},
            "budget": {"steps": 200},
        }
    )
    data = load_data(run, Path())
    state = fresh(run, data, torch.device("cpu"))
    x, noise, options = torch.from_numpy(data.validation.x[:500]), Noise.rows(0, 500), FlowOptions(steps=8)
    before = -run.family.log_prob(state.average, x, untold(x), noise, options).value
    *_, state = train(data, state)
    after = -run.family.log_prob(state.average, x, untold(x), noise, options).value
    assert after.mean() < before.mean() - 0.15
    assert after.mean() > EightGaussians().entropy_nats - 5 * after.std() / 500**0.5


def test_the_levels_of_a_batch_cover_the_schedule_evenly() -> None:
    levels = torch.from_numpy(TINY.schedule.log_snr(1000)).float()
    drawn = TINY.draw_levels(100, trained_batch(PLANE))
    step = torch.searchsorted(-levels, -drawn)
    assert torch.equal(step // 10, torch.arange(100))
