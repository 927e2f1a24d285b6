"""What a diffusion's losses are as score matching: by quadrature, in float64."""

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.paths.preconditioning import EDM
from pushforward.models.paths.schedules import Cosine, Floats, Level, OrnsteinUhlenbeck
from pushforward.models.paths.weightings import LogNormal, MaximumLikelihood, NoiseMSE

# Data: a mixture of two Gaussians on a line.
MEANS, STDS, SHARES = np.array([-1.0, 0.7]), np.array([0.3, 0.5]), np.array([0.4, 0.6])
GRID = np.linspace(-8, 8, 4001)
STEP = GRID[1] - GRID[0]


def density_and_score(t: float) -> tuple[Floats, Floats]:
    """Of the mixture after time t of the Ornstein-Uhlenbeck process, on the grid."""
    alpha, variance = np.exp(-t), 1 - np.exp(-2 * t)
    total = alpha**2 * STDS**2 + variance
    off = GRID[:, None] - alpha * MEANS
    parts = SHARES * np.exp(-0.5 * off**2 / total) / np.sqrt(2 * np.pi * total)
    return parts.sum(1), (parts * -off / total).sum(1) / parts.sum(1)


def noise_moments(t: float) -> tuple[Floats, Floats]:
    """E[eps | x] and E[eps^2 | x], on the grid."""
    alpha, variance = np.exp(-t), 1 - np.exp(-2 * t)
    total = alpha**2 * STDS**2 + variance
    off = GRID[:, None] - alpha * MEANS
    parts = SHARES * np.exp(-0.5 * off**2 / total) / np.sqrt(2 * np.pi * total)
    share = parts / parts.sum(1, keepdims=True)
    mean = np.sqrt(variance) * off / total
    return (share * mean).sum(1), (share * (mean**2 + 1 - variance / total)).sum(1)


def a_score(x: Floats) -> Floats:
    """Some wrong one."""
    return np.sin(2 * x) - 0.5 * x


def another_score(x: Floats) -> Floats:
    return -np.tanh(x) + 0.2


@pytest.mark.parametrize("t", [0.1, 0.7, 2.0])
def test_denoising_score_matching_is_explicit_score_matching_up_to_a_constant(t: float) -> None:
    """T68: E |s + eps / sigma|^2 - E |s - grad log q|^2 is the same for all s."""
    q, score = density_and_score(t)
    mean, square = noise_moments(t)
    sigma = np.sqrt(1 - np.exp(-2 * t))
    constants = []
    for s in (a_score(GRID), another_score(GRID)):
        denoising = np.sum(q * (s**2 + 2 * s * mean / sigma + square / sigma**2)) * STEP
        explicit = np.sum(q * (s - score) ** 2) * STEP
        constants.append(denoising - explicit)
    assert constants[0] == pytest.approx(constants[1], rel=1e-9)


@pytest.mark.parametrize("t", [0.1, 0.7, 2.0])
def test_the_expected_data_are_tweedies(t: float) -> None:
    """T68: E[x_0 | x] = (x + sigma^2 s) / alpha, with s the score."""
    _, score = density_and_score(t)
    mean, _ = noise_moments(t)
    level = Level(torch.tensor(np.exp(-t)), torch.tensor(np.sqrt(1 - np.exp(-2 * t))))
    x = torch.from_numpy(GRID)
    expected = (x + level.sigma**2 * torch.from_numpy(score)) / level.alpha
    torch.testing.assert_close(level.data(x, torch.from_numpy(mean)), expected)


def test_the_likelihood_weighting_is_even_in_lambda() -> None:
    """1/2 int g^2 E |s + eps / sigma|^2 dt = 1/2 int E |eps - eps_theta|^2 d lambda, both by quadrature."""

    def noise_mse(t: float) -> float:
        q, _ = density_and_score(t)
        mean, square = noise_moments(t)
        sigma = np.sqrt(1 - np.exp(-2 * t))
        eps_theta = -sigma * a_score(GRID)
        return float(np.sum(q * (eps_theta**2 - 2 * eps_theta * mean + square)) * STEP)

    first, last, n = 0.05, 5.0, 400
    levels = OrnsteinUhlenbeck(first=first, last=last).log_snr(1000)
    spread = torch.from_numpy((np.arange(n) + 0.5) / n)
    log_snr = MaximumLikelihood().log_snr(spread, levels).numpy()
    by_lambda = 0.5 * (levels[0] - levels[-1]) * np.mean([noise_mse(0.5 * np.log1p(np.exp(-at))) for at in log_snr])
    times = first * (last / first) ** ((np.arange(n) + 0.5) / n)  # even in log t: dt = t d log t
    g_square = 2.0
    by_time = 0.5 * np.mean([g_square * noise_mse(t) / (1 - np.exp(-2 * t)) * t for t in times]) * np.log(last / first)
    assert by_time == pytest.approx(by_lambda, rel=1e-4)


def test_ddpms_loss_is_score_matching_weighted_by_sigma_squared() -> None:
    """T72: sigma^2 |s_theta + eps / sigma|^2 = |eps - eps_theta|^2, so the weight of the noise is 1."""
    rng = torch.Generator().manual_seed(0)
    eps, eps_theta = torch.randn(2, 50, 3, generator=rng, dtype=torch.float64)
    log_snr = NoiseMSE().log_snr(torch.linspace(0, 1, 50, dtype=torch.float64), Cosine().log_snr(1000))
    level = Level.at(log_snr, eps)
    matching = level.sigma**2 * (level.score(eps_theta) + eps / level.sigma) ** 2
    torch.testing.assert_close(matching, (eps - eps_theta) ** 2)
    torch.testing.assert_close(NoiseMSE().weight(log_snr, 0.5), torch.ones(50, dtype=torch.float64))


@pytest.mark.parametrize("sigma_data", [0.5, 1.3])
def test_edms_weight_makes_every_levels_error_that_of_its_backbone(sigma_data: float) -> None:
    """T69: lambda(s) c_out^2 = 1, and the weight of the noise follows from D - x_0 = s (eps - eps_theta)."""
    log_snr = torch.linspace(-6, 9, 7, dtype=torch.float64)
    s = (-log_snr / 2).exp()
    karras = (s**2 + sigma_data**2) / (s * sigma_data) ** 2
    c_out = s * sigma_data / (s**2 + sigma_data**2).sqrt()
    torch.testing.assert_close(karras * c_out**2, torch.ones_like(s))
    weight = LogNormal().weight(log_snr, sigma_data)
    torch.testing.assert_close(weight, karras * s**2)
    F = torch.randn(2, 7, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    level, edm = Level.at(log_snr, F[0]), EDM(sigma_data=sigma_data)
    x = torch.zeros_like(F[0])
    error: Tensor = edm.noise(level, x, F[0]) - edm.noise(level, x, F[1])
    torch.testing.assert_close(weight[:, None] * error**2, (F[0] - F[1]) ** 2)


def test_edms_noise_is_log_normal() -> None:
    spread = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    log_sigma = -LogNormal().log_snr(spread, Cosine().log_snr(1000)) / 2
    assert log_sigma.mean().item() == pytest.approx(-1.2, abs=1e-6)
    assert log_sigma.std().item() == pytest.approx(1.2, rel=1e-3)


def test_the_ends_of_the_spread_are_the_ends_of_the_levels() -> None:
    levels, ends = Cosine().log_snr(10), torch.tensor([0.0, 1.0], dtype=torch.float64)
    for weighting in (NoiseMSE(), MaximumLikelihood()):
        assert weighting.log_snr(ends, levels).tolist() == pytest.approx([levels[0], levels[-1]])
    middles = (torch.arange(10, dtype=torch.float64) + 0.5) / 10
    assert NoiseMSE().log_snr(middles, levels).tolist() == levels.tolist()


def test_edms_noise_is_bounded_at_the_ends_of_the_spread() -> None:
    ends = LogNormal(mean=0.0, std=1.0).log_snr(torch.tensor([0.0, 1.0]).double(), Cosine().log_snr(10))
    assert ends.abs().tolist() == pytest.approx([9.506849, 9.506849], abs=1e-5)  # twice the normal's 1e-6 quantile
