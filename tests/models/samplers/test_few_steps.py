"""Every sampler, schedule and number of steps with the exact denoiser of Gaussian data: how wide what comes out is."""

import numpy as np
import pytest
import torch

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.networks import Nets
from pushforward.models.noise import Noise
from pushforward.models.samplers.linear import LinearSteps
from pushforward.models.samplers.options import DEFAULTS, DenoisingOptions
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.sampling import sample
from tests.models.samplers.gaussians import LINE, GaussianNoise, affine, begin

SCHEDULES = ["cosine", "linear", "ou", "edm"]
WIDTHS = [1.0, 0.3, 0.1, 0.03]  # of the data, network units


def ratio(schedule: str, width: float, **options: object) -> float:
    """The standard deviation of samples, of that of the data."""
    family = Diffusion.model_validate({"schedule": {"schedule": schedule}})
    nets = Nets(LINE, denoiser=GaussianNoise(0.0, width**2))
    sampler = family.sampler(nets, DenoisingOptions.model_validate(options))
    if not isinstance(sampler, LinearSteps):
        return affine(sampler)[0] / width
    variance, twins = 1.0, Noise.join([Noise.rows(0, 1), Noise.rows(0, 1)])
    for k in range(sampler.steps):
        ends = sampler.step(begin(sampler, [0.0, 1.0]), torch.full((2,), k), twins)[0]
        variance = (ends[1] - ends[0]).item() ** 2 * variance + sampler.coefficients[k, 2] ** 2
    return variance**0.5 / width


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("sampler", DEFAULTS)
def test_no_number_of_steps_makes_samples_much_wider_than_data(sampler: str, schedule: str) -> None:
    """Two steps of the sde, cosine, made them 28,000 times as wide: few steps fall short, they do not run away."""
    for steps in (1, 2, 3, 5, 10, 20):
        for width in WIDTHS:
            assert 0 <= ratio(schedule, width, sampler=sampler, steps=steps) < 1.4


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_default_options_draw_gaussian_data_as_wide_as_they_are(schedule: str) -> None:
    """Up to what the first level hides: x_0 seen through its noise of size s has sd^2 / sqrt(sd^2 + s^2)."""
    s = np.exp(-Diffusion.model_validate({"schedule": {"schedule": schedule}}).schedule.log_snr(1000)[0] / 2)
    for width in WIDTHS:
        assert ratio(schedule, width) == pytest.approx(width / np.hypot(width, s), abs=0.01)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("width", [1.0, 0.1])
def test_the_solvers_of_second_order_are_within_two_percent_by_default(schedule: str, width: float) -> None:
    limit = ratio(schedule, width, steps=64)
    for sampler in ("heun", "dpm_solver"):
        assert ratio(schedule, width, sampler=sampler) == pytest.approx(limit, rel=0.02)
    twenty = abs(ratio(schedule, width, sampler="dpm_solver", steps=20) - 1)
    assert twenty < abs(ratio(schedule, width, sampler="ddim", steps=50) - 1)


@pytest.mark.parametrize("solver", ["rk4", "ddim"])
def test_a_sample_is_the_decoded_draw_of_the_prior(solver: str) -> None:
    """By default, and step for step: also where data are clipped to their range."""
    for spec in (LINE, LINE.model_copy(update={"low": -0.5, "high": 0.5})):
        family, nets = Diffusion(), Nets(spec, denoiser=GaussianNoise(0.2, 0.3))
        noise = Noise.rows(3, 50)
        c = torch.empty(50, 0)
        z = family.prior(nets, noise, c)
        if solver == "rk4":
            options, inversion = DenoisingOptions(), family.DecodeOptions()
        else:
            options = DenoisingOptions(sampler="ddim", steps=31, grid="log_snr")
            inversion = family.DecodeOptions.model_validate({"solver": "ddim", "steps": 30})
        decoded = apply(family.decoder(nets, inversion), z, c)
        torch.testing.assert_close(decoded, sample(family.sampler(nets, options), noise), rtol=0, atol=1e-5)


def test_codes_of_one_default_draw_give_back_the_draw() -> None:
    family, nets = Diffusion(), Nets(LINE, denoiser=GaussianNoise(0.2, 0.3))
    noise, c = Noise.rows(3, 50), torch.empty(50, 0)
    z = family.prior(nets, noise, c)
    x = sample(family.sampler(nets, DenoisingOptions()), noise)
    torch.testing.assert_close(family.encode(nets, x, c), z, rtol=0, atol=5e-3)
