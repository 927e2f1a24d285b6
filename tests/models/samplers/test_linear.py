"""Samplers with the exact denoiser of Gaussian data plugged in, in float64."""

import numpy as np
import pytest
import torch

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats, Level, LinearSchedule
from pushforward.models.samplers.linear import LinearSteps, corrected, ddim, euler_maruyama, reverse_sde
from pushforward.models.samplers.options import DenoisingOptions
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.sampling import no_condition, sample
from tests.models.samplers.gaussians import LINE, MEAN, VARIANCE, GaussianNoise, affine, begin, predictor

FAMILY = Diffusion(schedule=LinearSchedule())  # DDPM's own 1000 levels


def gaussian(mean: float = MEAN, variance: float = VARIANCE, spec: DataSpec = LINE) -> Nets:
    return Nets(spec, denoiser=GaussianNoise(mean, variance))


def steps_of(nets: Nets, **options: object) -> LinearSteps:
    sampler = FAMILY.sampler(nets, DenoisingOptions.model_validate({"sampler": "ddim"} | options))
    assert isinstance(sampler, LinearSteps)
    return sampler


def output_moments(sampler: LinearSteps) -> tuple[float, float]:
    """Mean and variance of the samples, by propagating those of the prior through each step's affine map."""
    mean, variance = 0.0, 1.0
    twins = Noise.join([Noise.rows(0, 1), Noise.rows(0, 1)])  # both rows get the same noise
    for k in range(sampler.steps):
        xi = twins[:1].normal(k + 1, (1,)).double()
        ends = sampler.step(begin(sampler, [0.0, 1.0]), torch.full((2,), k), twins)[0]
        c = sampler.coefficients[k, 2]
        slope, shift = (ends[1] - ends[0]).item(), (ends[0] - c * xi[0]).item()
        mean, variance = slope * mean + shift, slope**2 * variance + c**2
    return mean, variance


@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
def test_a_point_mass_is_reached_in_any_number_of_steps(steps: int) -> None:
    """T63."""
    slope, intercept = affine(steps_of(gaussian(0.8, 0.0), steps=steps))
    assert abs(slope) < 1e-10
    assert intercept == pytest.approx(0.8, abs=1e-10)


@pytest.mark.parametrize(
    ("steps", "slope"), [(5, 0.2250), (10, 0.3616), (20, 0.4305), (50, 0.4719), (100, 0.4858), (1000, 0.4985)]
)
def test_ddim_contracts_the_prior_to_gaussian_data(steps: int, slope: float) -> None:
    """T64: the slope tends to the standard deviation 0.5 like 1 / steps."""
    assert affine(steps_of(gaussian(), steps=steps))[0] == pytest.approx(slope, abs=5e-5)


def test_the_full_ddim_map_has_the_exact_flows_intercept() -> None:
    """T64: intercept 0.79746."""
    assert affine(steps_of(gaussian(), steps=1000))[1] == pytest.approx(0.79747, abs=2e-5)


@pytest.mark.parametrize(("kind", "expected"), [("posterior", 0.246125), ("beta", 0.250752)])
def test_ancestral_sampling_has_its_exact_output_variance(kind: str, expected: float) -> None:
    """T65: 0.246125 with the variance beta~, 0.250752 with beta, against 0.25 of the data."""
    mean, variance = output_moments(steps_of(gaussian(), sampler="ancestral", variance=kind))
    assert variance == pytest.approx(expected, abs=5e-7)
    assert mean == pytest.approx(MEAN, abs=5e-3)


def test_an_ancestral_step_is_the_posterior_of_ddpm() -> None:
    """T62: the mean from x_0 is the mean from eps; the variance is beta~, and beta~_1 = 0."""
    sampler = steps_of(gaussian(), sampler="ancestral")
    beta = FAMILY.schedule.beta(1000)
    alpha_bar = np.cumprod(1 - beta)
    x = torch.tensor([[0.3]], dtype=torch.float64)
    for t in (999, 500, 1):  # the paper's t, less one
        k = 999 - t
        level = torch.from_numpy(sampler.log_snr[k : k + 1])
        eps = GaussianNoise()(x, level)
        x0 = Level.at(level, x).data(x, eps)
        before = alpha_bar[t - 1]
        of_x0 = before**0.5 * beta[t] / (1 - alpha_bar[t]) * x0
        of_x = (1 - beta[t]) ** 0.5 * (1 - before) / (1 - alpha_bar[t]) * x
        of_eps = (x - beta[t] / (1 - alpha_bar[t]) ** 0.5 * eps) / (1 - beta[t]) ** 0.5
        beta_tilde = (1 - before) / (1 - alpha_bar[t]) * beta[t]
        noise = Noise.rows(3, 1)
        (step, _) = sampler.step((x, no_condition(x)), torch.tensor([k]), noise)
        step = step - beta_tilde**0.5 * noise.normal(k + 1, (1,))
        torch.testing.assert_close(of_x0 + of_x, of_eps)
        torch.testing.assert_close(step, of_eps)
    assert sampler.coefficients[-1, 2] == 0.0


@pytest.mark.parametrize(
    ("steps", "variance"), [(10, 1.75509), (50, 0.38067), (100, 0.30750), (500, 0.26029), (2000, 0.25252)]
)
def test_the_reverse_sde_with_a_frozen_score_tends_to_the_data(steps: int, variance: float) -> None:
    """T66: from time 5 of the Ornstein-Uhlenbeck process in equal steps."""
    sampler = ornstein_uhlenbeck_steps(steps)
    assert output_moments(sampler)[1] == pytest.approx(variance, abs=1e-5)


def test_the_reverse_sde_with_the_wrong_sign_diverges() -> None:
    """T66: dX = (-X - 2 s) d tau + sqrt(2) dB, as printed, runs away from the data."""
    sampler = ornstein_uhlenbeck_steps(500)
    decay = 1 / sampler.coefficients[:, 0]  # e^-h
    sigma = (1 + np.exp(sampler.log_snr)) ** -0.5
    printed = np.stack([decay, 2 * (1 - decay) / sigma, np.sqrt(1 - decay**2)], axis=1)
    assert output_moments(LinearSteps(sampler.predict, sampler.log_snr, printed))[1] > 100 * VARIANCE


def ornstein_uhlenbeck_steps(steps: int) -> LinearSteps:
    """Equal steps of the reverse process from time 5 to 0."""
    log_snr = equal_times(steps)
    return LinearSteps(predictor(), log_snr, reverse_sde(log_snr))


def equal_times(steps: int) -> Floats:
    alpha_bar = np.exp(-2 * np.linspace(5, 0, steps + 1)[:-1])
    log_snr: Floats = np.log(alpha_bar / (1 - alpha_bar))
    return log_snr


@pytest.mark.parametrize("sampler", ["sde", "euler_maruyama", "predictor_corrector", "ancestral"])
@pytest.mark.parametrize("steps", [1, 2, 50, 1000])
def test_no_noise_is_left_in_a_point_mass(sampler: str, steps: int) -> None:
    """T63: also by the samplers that draw noise on their way."""
    mean, variance = output_moments(steps_of(gaussian(0.8, 0.0), sampler=sampler, steps=steps))
    assert mean == pytest.approx(0.8, abs=1e-9)
    assert variance < 1e-18


@pytest.mark.parametrize("steps", [100, 1000])
def test_euler_and_maruyama_agree_with_the_exponential_integrator_to_first_order(steps: int) -> None:
    log_snr = equal_times(steps)
    rough = LinearSteps(predictor(), log_snr, euler_maruyama(log_snr))
    difference = output_moments(rough)[1] - output_moments(ornstein_uhlenbeck_steps(steps))[1]
    assert 0 < abs(difference) < 5 / steps


def test_a_corrector_mends_what_its_predictor_leaves() -> None:
    """Langevin's steps draw each level's own distribution nearer: the variance of the data is better met."""
    alone = output_moments(steps_of(gaussian(), sampler="sde", steps=50))[1]
    both = output_moments(steps_of(gaussian(), sampler="predictor_corrector", steps=50))[1]
    assert abs(both - VARIANCE) < 0.8 * abs(alone - VARIANCE)


def test_langevins_steps_leave_a_level_as_it_is() -> None:
    """Their stationary variance is the level's own, up to the size of a step."""
    r, log_snr = 0.02, np.array([0.3, 0.3])
    a, b, spread = corrected(log_snr, r)[1][0]
    level = Level.at(torch.tensor(log_snr[:1]), torch.zeros(1, 1, dtype=torch.float64))
    total = (level.alpha**2 * VARIANCE + level.sigma**2).item()
    slope = a + b * level.sigma.item() / total
    assert spread**2 / (1 - slope**2) == pytest.approx(total, rel=2e-3)


def test_ddim_with_eta_one_is_ancestral() -> None:
    log_snr = FAMILY.schedule.log_snr(1000)[::-20]
    np.testing.assert_array_equal(
        steps_of(gaussian(), steps=50, eta=1.0).coefficients,
        steps_of(gaussian(), steps=50, sampler="ancestral").coefficients,
    )
    assert (ddim(log_snr, 0.0)[:, 2] == 0).all()


def test_rows_at_different_steps_share_a_call() -> None:
    sampler = steps_of(gaussian(), sampler="ancestral", steps=10)
    noise, x = Noise.rows(5, 4), torch.randn(4, 1, generator=torch.Generator().manual_seed(0))
    k = torch.tensor([0, 9, 3, 3])
    together = sampler.step((x, no_condition(x)), k, noise)[0]
    alone = [sampler.step((x[i : i + 1], no_condition(x[:1])), k[i : i + 1], noise[i : i + 1])[0] for i in range(4)]
    torch.testing.assert_close(together, torch.cat(alone), rtol=0, atol=0)


def test_predicted_data_stay_in_their_range() -> None:
    """Half a level beyond the outer levels, where dequantized data end; what has no range is never clipped."""
    pixel = DataSpec(shape=(1,), low=0, high=16, levels=17, shift=(8.0,), scale=(8.0,))
    noise = Noise.rows(0, 200)
    wide = gaussian(0.0, 9.0, pixel)
    clipped = sample(steps_of(wide, steps=20), noise)
    assert clipped.min() >= -0.5 - 1e-4
    assert clipped.max() <= 16.5 + 1e-4
    assert sample(steps_of(wide, steps=20, clip=False), noise).max() > 17
    assert sample(steps_of(gaussian(0.0, 9.0), steps=20), noise).max() > 2


def test_clipping_changes_nothing_within_the_range() -> None:
    line = DataSpec(shape=(1,), low=-100, high=100)
    noise = Noise.rows(0, 20)
    with_clip, without = (sample(steps_of(gaussian(spec=line), clip=clip), noise) for clip in (True, False))
    torch.testing.assert_close(with_clip, without, rtol=1e-4, atol=1e-4)
