"""The diffusion family: training, scores against exact Gaussian densities, and what it refuses."""

from math import log, pi
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.capabilities import capabilities
from pushforward.models.data import EightGaussians
from pushforward.models.errors import InvalidInput
from pushforward.models.families.diffusion import Diffusion
from pushforward.models.losses import Batch
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Level, LinearSchedule
from pushforward.models.run import Run
from pushforward.models.samplers.options import DEFAULTS, DenoisingOptions, ScoringOptions
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

PLANE = DataSpec(shape=(2,), shift=(1.0, -1.0), scale=(2.0, 0.5))
DIGITS = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_classes=10, shift=(8.0,), scale=(8.0,))
TOLD = DataSpec(shape=(2,), condition=Labels(n_classes=10))
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
    return Batch(spec.quantize(x), no_condition(x), rng, 0, 10, torch.arange(len(x)))


def test_it_answers_everything() -> None:
    assert capabilities(Diffusion) == ("sample", "likelihood", "encode", "decode", "reconstruct", "interpolate")


@pytest.mark.parametrize(("schedule", "error_nats"), [("linear", 5e-3), ("cosine", 1e-4)])
def test_the_probability_flow_has_the_exact_density_of_gaussian_data(schedule: str, error_nats: float) -> None:
    """T67: in float64, of the data with the noise of the first level. The linear schedule stops short of N(0, I)."""
    family = Diffusion.model_validate({"schedule": {"schedule": schedule}})
    nets, mean, covariance = fitted(PLANE)
    x = PLANE.denormalize(torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    answer = family.log_prob(nets, x, no_condition(x), Noise.rows(0, 5), ScoringOptions(steps=64))
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
    answer = Diffusion().log_prob(nets, x, no_condition(x), Noise.rows(0, 5), ScoringOptions())
    expected = normal_log_prob(PLANE.normalize(x), mean, covariance) + PLANE.log_jacobian
    torch.testing.assert_close(answer.value, expected, rtol=0, atol=1e-2)


def test_random_probes_agree_with_the_exact_divergence_within_their_error_bar() -> None:
    """T67: Hutchinson's estimate, z-score below 5."""
    spec = DataSpec(shape=(3,))
    nets, _, _ = fitted(spec)
    x, noise = torch.zeros(4, 3, dtype=torch.float64), Noise.rows(0, 4)
    exact = Diffusion().log_prob(nets, x, no_condition(x), noise, ScoringOptions(steps=8, divergence="exact"))
    random = Diffusion().log_prob(
        nets, x, no_condition(x), noise, ScoringOptions(steps=8, divergence="hutchinson", draws=32)
    )
    assert random.std_error is not None
    assert ((random.value - exact.value).abs() < 5 * random.std_error).all()
    assert (random.std_error > 1e-3).all()


def test_levels_are_scored_by_their_dequantized_density() -> None:
    """E_u log p(y + w (u - 1/2)) + D log w, by quadrature over u, z-score below 5."""
    spec = DataSpec(shape=(1,), low=0, high=4, levels=5, shift=(2.0,), scale=(2.0,))
    nets, mean, covariance = fitted(spec)
    y = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    answer = Diffusion().log_prob(nets, y, no_condition(y), Noise.rows(0, 3), ScoringOptions(draws=32))
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
    together = TINY.log_prob(nets, x, no_condition(x), noise, ScoringOptions(steps=4))
    alone = TINY.log_prob(nets, x[1:2], no_condition(x[1:2]), noise[1:2], ScoringOptions(steps=4))
    torch.testing.assert_close(together.value[1:2], alone.value, rtol=1e-5, atol=1e-4)


def test_a_likelihood_that_costs_too_much_is_refused_with_a_remedy() -> None:
    spec = DataSpec(shape=(400,))
    nets, x, noise = TINY.build(spec), torch.zeros(1, 400), Noise.rows(0, 1)
    with pytest.raises(InvalidInput, match=r"25600 .* take the divergence hutchinson") as refusal:
        TINY.log_prob(nets, x, no_condition(x), noise, ScoringOptions(divergence="exact"))
    assert refusal.value.field == "options"
    with pytest.raises(InvalidInput, match=r"lower steps or draws$"):
        TINY.log_prob(nets, x, no_condition(x), noise, ScoringOptions(steps=200, draws=64))


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
    answer = TINY.log_prob(nets, x, no_condition(x), Noise.rows(0, 50), ScoringOptions())
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
    x, noise, options = (
        torch.from_numpy(data.validation.x[:500]),
        Noise.rows(0, 500),
        ScoringOptions(steps=8),
    )
    before = -run.family.log_prob(state.average, x, no_condition(x), noise, options).value
    *_, state = train(data, state)
    after = -run.family.log_prob(state.average, x, no_condition(x), noise, options).value
    assert after.mean() < before.mean() - 0.15
    assert after.mean() > EightGaussians().entropy_nats - 5 * after.std() / 500**0.5


def test_the_levels_of_a_batch_cover_the_schedule_evenly() -> None:
    levels = torch.from_numpy(TINY.schedule.log_snr(1000)).float()
    drawn = TINY.draw_levels(100, trained_batch(PLANE))
    step = torch.searchsorted(-levels, -drawn)
    assert torch.equal(step // 10, torch.arange(100))


def test_a_model_of_before_there_were_weightings_still_loads() -> None:
    old = {"family": "diffusion", "schedule": {"schedule": "linear"}, "steps": 1000, "width": None, "depth": None}
    assert Diffusion.model_validate(old) == Diffusion(schedule=LinearSchedule())


@pytest.mark.parametrize("weighting", ["noise", "likelihood", "edm"])
@pytest.mark.parametrize("preconditioning", ["velocity", "edm"])
@pytest.mark.parametrize("schedule", ["linear", "cosine", "ou", "edm"])
def test_weightings_preconditionings_and_schedules_go_together(
    weighting: str, preconditioning: str, schedule: str
) -> None:
    family = Diffusion.model_validate(
        {
            "weighting": {"weighting": weighting},
            "preconditioning": {"preconditioning": preconditioning},
            "schedule": {"schedule": schedule},
            "width": 8,
            "depth": 1,
        }
    )
    torch.manual_seed(0)
    nets = family.build(PLANE)
    (loss,) = family.losses(nets, trained_batch(PLANE))
    assert loss.value.isfinite()
    assert loss.value > 0
    x = sample(family.sampler(nets, DenoisingOptions(steps=4)), Noise.rows(0, 3))
    assert x.isfinite().all()


@pytest.mark.parametrize("sampler", DEFAULTS)
def test_every_sampler_draws_standard_normal_data_from_a_silent_network(sampler: str) -> None:
    """F = 0 is exact for them: the sample's moments, z-score below 5, up to the error of its steps."""
    line = DataSpec(shape=(1,))
    family, n = Diffusion(width=8, depth=1, schedule=LinearSchedule(), steps=100), 2000
    x = sample(family.sampler(family.build(line), DenoisingOptions(sampler=sampler)), Noise.rows(0, n))
    assert abs(x.mean().item()) < 5 / n**0.5
    assert abs(x.var().item() - 1) < 5 * (2 / n) ** 0.5 + 0.1


def test_the_bound_lies_below_the_flow() -> None:
    nets, _, _ = fitted(PLANE)
    x = PLANE.denormalize(torch.randn(50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    noise = Noise.rows(0, 50)
    bound = Diffusion().log_prob(nets, x, no_condition(x), noise, ScoringOptions(method="bound", steps=64, draws=4))
    flow = Diffusion().log_prob(nets, x, no_condition(x), noise, ScoringOptions())
    assert (bound.kind, flow.kind) == ("lower_bound", "estimate")
    assert bound.std_error is not None
    assert (bound.value - flow.value).mean() < 5 * bound.std_error.mean() / 50**0.5
    assert (bound.value - flow.value).mean() > -0.2


def test_decoding_inverts_encoding() -> None:
    nets, _, _ = fitted(PLANE)
    x = PLANE.denormalize(torch.randn(5, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64))
    z = Diffusion().encode(nets, x, no_condition(x))
    assert z.shape == (5, *Diffusion().latent_shape(PLANE))
    torch.testing.assert_close(Diffusion().decode(nets, z, no_condition(x)), x, rtol=0, atol=0.02)


def test_a_dropped_condition_trains_the_unconditional_model() -> None:
    """T73: the branch without a condition sees c = 0, so often as `drop` says."""
    seen = list[Tensor]()

    class Watched(nn.Module):
        def forward(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
            seen.append(c)
            return x

    batch = trained_batch(TOLD, 4000)._replace(c=torch.ones(4000, 10))
    next(Diffusion(drop=0.2).losses(Nets(TOLD, denoiser=Watched()), batch))
    next(Diffusion().losses(Nets(TOLD, denoiser=Watched()), batch))
    dropped, kept = seen
    share = (dropped == 0).all(1).float().mean().item()
    assert abs(share - 0.2) < 5 * (0.2 * 0.8 / 4000) ** 0.5
    assert ((dropped == 0).all(1) | (dropped == 1).all(1)).all()
    assert (kept == 1).all()


def test_a_model_that_dropped_its_condition_answers_without_one() -> None:
    assert Diffusion(drop=0.1).answers_without
    assert not Diffusion().answers_without


@pytest.mark.parametrize(("drop", "spec"), [(0.0, TOLD), (0.1, PLANE)], ids=["never-dropped", "never-told"])
def test_guidance_is_refused_where_there_are_not_two_models(drop: float, spec: DataSpec) -> None:
    family = Diffusion(width=8, depth=1, drop=drop)
    nets = family.build(spec)
    with pytest.raises(InvalidInput, match=r"drop = 0\.1") as refusal:
        family.sampler(nets, DenoisingOptions(guidance=2.0))
    assert refusal.value.field == "options.guidance"


def test_guided_samples_follow_their_condition() -> None:
    """Two labels, two means: guidance moves each label's samples away from the other's."""
    spec = DataSpec(shape=(1,), condition=Labels(n_classes=2))

    class TwoMeans(nn.Module):
        """Data N(+-1/2, 1/4) by label, and their mixture's first two moments of none."""

        def forward(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
            level = Level.at(log_snr, x)
            mean, variance = 0.5 * (c[:, :1] - c[:, 1:]), 0.25 + 0.25 * (1 - c.sum(1, keepdim=True))
            return level.sigma * (x - level.alpha * mean) / (level.alpha**2 * variance + level.sigma**2)

    nets, family = Nets(spec, denoiser=TwoMeans()), Diffusion(drop=0.1)
    noise, c = Noise.rows(0, 400), torch.eye(2).repeat(200, 1)
    plain, guided = (
        sample(family.sampler(nets, DenoisingOptions(steps=20, guidance=w)), noise, c)[:, 0] for w in (0.0, 2.0)
    )
    assert plain[::2].mean() == pytest.approx(0.5, abs=0.15)
    assert guided[::2].mean() > plain[::2].mean() + 0.2
    assert guided[1::2].mean() < plain[1::2].mean() - 0.2
    without = sample(family.sampler(nets, DenoisingOptions(steps=20)), noise, torch.zeros(400, 2))
    assert abs(without.mean().item()) < 0.15
