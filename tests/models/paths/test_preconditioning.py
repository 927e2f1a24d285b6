"""Preconditionings against their papers' formulas, in float64."""

import pytest
import torch
from torch import Tensor

from pushforward.models.paths.preconditioning import EDM, Preconditioning, Velocity
from pushforward.models.paths.schedules import Level

LOG_SNR = torch.linspace(-8, 12, 9, dtype=torch.float64)


def drawn(sigma_data: float, n: int = 9) -> tuple[Level, Tensor, Tensor, Tensor]:
    """A level each, x, F and the noise-beside-data size s."""
    rng = torch.Generator().manual_seed(0)
    x, F = torch.randn(2, n, 3, generator=rng, dtype=torch.float64)
    level = Level.at(LOG_SNR[:n], x)
    return level, sigma_data * x, F, level.sigma / level.alpha


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 2.0])
def test_edm_is_table_1_of_karras(sigma_data: float) -> None:
    """T69: D = c_skip y + c_out F(c_in y) with y = x / alpha, told as a noise."""
    level, x, F, s = drawn(sigma_data)
    y = x / level.alpha
    c_skip = sigma_data**2 / (s**2 + sigma_data**2)
    c_out = s * sigma_data / (s**2 + sigma_data**2).sqrt()
    c_in = 1 / (s**2 + sigma_data**2).sqrt()
    D = c_skip * y + c_out * F
    edm = EDM(sigma_data=sigma_data)
    torch.testing.assert_close(edm.scaled(level, x), c_in * y)
    torch.testing.assert_close(edm.noise(level, x, F), (y - D) / s)


@pytest.mark.parametrize("sigma_data", [0.5, 1.0, 2.0])
def test_a_silent_backbone_is_exact_for_gaussian_data(sigma_data: float) -> None:
    """T69: F = 0 is E[eps | x] for data N(0, sigma_data^2)."""
    level, x, F, _ = drawn(sigma_data)
    expected = level.sigma * x / (level.alpha**2 * sigma_data**2 + level.sigma**2)
    torch.testing.assert_close(EDM(sigma_data=sigma_data).noise(level, x, 0 * F), expected)


def test_a_silent_velocity_is_exact_for_standard_normal_data() -> None:
    level, x, F, _ = drawn(1.0)
    torch.testing.assert_close(Velocity().noise(level, x, 0 * F), level.sigma * x)


@pytest.mark.parametrize("sigma_data", [0.5, 2.0])
def test_the_backbone_sees_variance_one_and_aims_at_variance_one(sigma_data: float) -> None:
    """T69: for data of standard deviation sigma_data, by the variances of a Gaussian's."""
    rng = torch.Generator().manual_seed(0)
    n, edm = 200_000, EDM(sigma_data=sigma_data)
    for log_snr in (-4.0, 0.0, 5.0):
        x0, eps = torch.randn(2, n, 1, generator=rng, dtype=torch.float64)
        level = Level.at(torch.full((1,), log_snr, dtype=torch.float64), x0)
        x = level.noisy(sigma_data * x0, eps)
        slope = edm.noise(level, 0 * x, torch.ones_like(x))  # eps = noise(x, 0) + slope F
        target = (eps - edm.noise(level, x, 0 * x)) / slope
        for value in (edm.scaled(level, x), target):
            assert abs(value.var().item() - 1) < 5 * (2 / n) ** 0.5


def test_edm_of_standard_normal_data_is_velocity_with_its_sign_turned() -> None:
    level, x, F, _ = drawn(1.0)
    torch.testing.assert_close(EDM().noise(level, x, F), Velocity().noise(level, x, -F))


@pytest.mark.parametrize("preconditioning", [Velocity(), EDM(sigma_data=0.5)], ids=lambda p: p.preconditioning)
def test_pure_noise_is_predicted_to_be_itself(preconditioning: Preconditioning) -> None:
    _, x, F, _ = drawn(1.0)
    level = Level.at(torch.full((9,), -60.0, dtype=torch.float64), x)
    torch.testing.assert_close(preconditioning.noise(level, x, F), x)


@pytest.mark.parametrize("preconditioning", [Velocity(), EDM(sigma_data=0.5)], ids=lambda p: p.preconditioning)
def test_a_preconditioning_tells_the_spread_of_the_data_that_it_is_meant_for(preconditioning: Preconditioning) -> None:
    """That of EDM with the same backbone, up to its sign."""
    level, x, F, _ = drawn(1.0)
    same = EDM(sigma_data=preconditioning.data_std)
    sign = 1 if isinstance(preconditioning, EDM) else -1
    torch.testing.assert_close(preconditioning.noise(level, x, F), same.noise(level, x, sign * F))
