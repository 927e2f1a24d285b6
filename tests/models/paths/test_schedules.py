"""Schedules and what a noise level knows, in float64."""

from math import exp, sqrt

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.paths.schedules import Cosine, Karras, Level, LinearSchedule, OrnsteinUhlenbeck, Variances

SCHEDULES: list[Variances] = [LinearSchedule(), Cosine()]


def points(n: int = 64) -> tuple[Tensor, Tensor, Tensor]:
    """x_0, eps and lambdas over the whole range."""
    rng = torch.Generator().manual_seed(0)
    x0, eps = torch.randn(2, n, 3, generator=rng, dtype=torch.float64)
    return x0, eps, torch.linspace(-9, 9, n, dtype=torch.float64)


def ornstein_uhlenbeck(t: float) -> Level:
    """The level that the process dX = -X dt + sqrt(2) dB reaches at time t."""
    alpha_bar = exp(-2 * t)
    x = torch.zeros(1, 1, dtype=torch.float64)
    return Level.at(torch.tensor([np.log(alpha_bar / (1 - alpha_bar))]), x)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: s.schedule)
@pytest.mark.parametrize("steps", [10, 1000])
def test_alpha_bar_is_the_product_of_the_steps(schedule: Variances, steps: int) -> None:
    """T62: composition."""
    alpha_bar = 1 / (1 + np.exp(-schedule.log_snr(steps)))
    np.testing.assert_allclose(alpha_bar, np.cumprod(1 - schedule.beta(steps)), rtol=1e-9)
    assert (np.diff(alpha_bar) < 0).all()


def test_the_linear_schedule_of_1000_steps_ends_in_noise() -> None:
    """T62: alpha_bar_T = 4.036e-5; KL(q(x_T|x_0) || N(0, I)) = 2.0e-5 nats for each unit of x_0^2."""
    alpha_bar = 1 / (1 + np.exp(-LinearSchedule().log_snr(1000)[-1]))
    assert alpha_bar == pytest.approx(4.036e-5, rel=1e-4)
    kl = [0.5 * (1 - alpha_bar + alpha_bar * x0**2 - 1 - np.log(1 - alpha_bar)) for x0 in (0.0, 1.0)]
    assert kl[1] - kl[0] == pytest.approx(2.0e-5, rel=0.02)


def test_the_linear_schedule_destroys_as_much_in_fewer_steps() -> None:
    few, many = LinearSchedule().log_snr(200), LinearSchedule().log_snr(1000)
    assert few[-1] == pytest.approx(many[-1], abs=0.7)


def test_the_cosine_schedule_follows_its_closed_form_until_it_is_clipped() -> None:
    f = np.cos(np.pi / 2 * (np.arange(1, 1001) / 1000 + 0.008) / 1.008) ** 2
    alpha_bar = 1 / (1 + np.exp(-Cosine().log_snr(1000)))
    np.testing.assert_allclose(alpha_bar[:-1], f[:-1] / np.cos(np.pi / 2 * 0.008 / 1.008) ** 2, rtol=1e-9)
    assert Cosine().beta(1000).max() == 0.999


def test_the_times_of_the_ornstein_uhlenbeck_process_are_even_in_their_logarithm() -> None:
    """T61: alpha = e^-t from t = 1e-3 to 5."""
    log_snr = OrnsteinUhlenbeck().log_snr(1000)
    t = 0.5 * np.log1p(np.exp(-log_snr))  # alpha^2 = sigmoid(lambda) = e^-2t
    np.testing.assert_allclose(t[[0, -1]], [1e-3, 5.0], rtol=1e-9)
    np.testing.assert_allclose(np.diff(np.log(t)), np.log(5e3) / 999, rtol=1e-6)


def test_edms_levels_are_those_of_its_paper() -> None:
    """sigma_i = (sigma_max^(1/rho) + i / (N - 1) (sigma_min^(1/rho) - sigma_max^(1/rho)))^rho, equation 5."""
    N, i = 18, np.arange(18)
    sigma = (80 ** (1 / 7) + i / (N - 1) * (0.002 ** (1 / 7) - 80 ** (1 / 7))) ** 7
    np.testing.assert_allclose(np.exp(-Karras().log_snr(N) / 2)[::-1], sigma, rtol=1e-9)


def test_the_ornstein_uhlenbeck_process_is_a_path_of_levels() -> None:
    """T61: mean e^-t x_0, variance 1 - e^-2t; the printed formula 2 int e^(s-t) g^2 ds gives another variance."""
    level = ornstein_uhlenbeck(0.7)
    assert level.alpha.item() == pytest.approx(exp(-0.7), rel=1e-12)
    assert level.sigma.item() ** 2 == pytest.approx(1 - exp(-1.4), rel=1e-12)
    assert level.sigma.item() ** 2 == pytest.approx(0.7534, abs=5e-5)
    printed = 2 * 2 * (1 - exp(-0.7))
    assert printed == pytest.approx(2.0137, abs=1e-4)
    assert abs(level.sigma.item() ** 2 - printed) > 1


def test_levels_compose_like_the_semigroup() -> None:
    """T61: t then s is t + s."""
    first, second, both = ornstein_uhlenbeck(0.7), ornstein_uhlenbeck(0.4), ornstein_uhlenbeck(1.1)
    assert (first.alpha * second.alpha).item() == pytest.approx(both.alpha.item(), rel=1e-12)
    variance = (second.alpha * first.sigma) ** 2 + second.sigma**2
    assert variance.item() == pytest.approx(both.sigma.item() ** 2, rel=1e-12)


def test_simulated_paths_have_the_levels_mean_and_variance() -> None:
    """T61: Euler-Maruyama, z-score below 5, step error included."""
    rng = np.random.default_rng(0)
    n, steps, t = 100_000, 200, 0.7
    x, h = np.ones(n), t / steps
    for _ in range(steps):
        x = x - x * h + sqrt(2 * h) * rng.standard_normal(n)
    level = ornstein_uhlenbeck(t)
    variance = level.sigma.item() ** 2
    assert abs(x.mean() - level.alpha.item()) < 5 * sqrt(variance / n) + h
    assert abs(x.var() - variance) < 5 * variance * sqrt(2 / n) + h


def test_noise_data_velocity_and_score_tell_the_same() -> None:
    """T72: conversions round-trip."""
    x0, eps, log_snr = points()
    level = Level.at(log_snr, x0)
    x = level.noisy(x0, eps)
    torch.testing.assert_close(level.data(x, eps), x0)
    torch.testing.assert_close(level.noise(x, x0), eps)
    v = level.alpha * eps - level.sigma * x0
    torch.testing.assert_close(level.noise_of_velocity(x, v), eps)
    torch.testing.assert_close(level.alpha * x - level.sigma * v, x0)
    torch.testing.assert_close(level.score(eps), (level.alpha * x0 - x) / level.sigma**2)


def test_the_probability_flow_is_that_of_the_ornstein_uhlenbeck_process() -> None:
    """T72: dx/dt = -x - s, with d lambda = -2 dt / sigma^2."""
    x0, eps, log_snr = points()
    level = Level.at(log_snr, x0)
    x = level.noisy(x0, eps)
    per_time = level.flow(x, eps) * (-2 / level.sigma**2)
    torch.testing.assert_close(per_time, -x - level.score(eps))


def test_a_fixed_point_and_noise_move_along_the_flow_of_their_levels() -> None:
    """With the noise of a point mass known, the flow is the derivative of alpha x_0 + sigma eps."""
    x0, eps, log_snr = points()
    h = 1e-5
    ahead, behind = Level.at(log_snr + h, x0).noisy(x0, eps), Level.at(log_snr - h, x0).noisy(x0, eps)
    level = Level.at(log_snr, x0)
    torch.testing.assert_close(level.flow(level.noisy(x0, eps), eps), (ahead - behind) / (2 * h), rtol=1e-6, atol=1e-8)
