"""Heun's method and DPM-Solver++ with the exact denoiser of Gaussian data, in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats, Karras
from pushforward.models.samplers.dpm_solver import DPMSolver
from pushforward.models.samplers.heun import HeunSampler
from pushforward.models.samplers.linear import LinearSteps, ddim
from pushforward.models.samplers.predictor import DenoisingSampler, Predictor
from tests.models.samplers.gaussians import MEAN, VARIANCE, affine, begin, predictor

Solver = Callable[[Predictor, Floats], DenoisingSampler]
SOLVERS: list[Solver] = [HeunSampler, DPMSolver]


def grid(steps: int) -> Floats:
    """Even in lambda."""
    return np.linspace(-9.0, 12.0, steps)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 7, 18])
def test_a_point_mass_is_reached_in_any_number_of_steps(solver: Solver, steps: int) -> None:
    """T63."""
    slope, intercept = affine(solver(predictor(0.8, 0.0), grid(steps)))
    assert abs(slope) < 1e-10
    assert intercept == pytest.approx(0.8, abs=1e-10)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_error_falls_with_the_square_of_the_step(solver: Solver) -> None:
    """T64: towards the slope of the exact flow, the standard deviation 0.5; DDIM's falls with the step."""
    errors = [affine(solver(predictor(), grid(steps)))[0] - VARIANCE**0.5 for steps in (80, 160)]
    assert 3.3 < errors[0] / errors[1] < 5.0
    of_ddim = [affine(LinearSteps(predictor(), at, ddim(at, 0.0)))[0] - VARIANCE**0.5 for at in (grid(80), grid(160))]
    assert 1.8 < of_ddim[0] / of_ddim[1] < 2.2
    assert abs(errors[1]) < abs(of_ddim[1]) / 10


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_intercept_tends_to_that_of_the_exact_flow(solver: Solver) -> None:
    assert affine(solver(predictor(), grid(160)))[1] == pytest.approx(MEAN, abs=0.02)


def test_heuns_step_is_that_of_karras() -> None:
    """Algorithm 1 of 2206.00364 without churn, in x / alpha and sigma / alpha."""
    log_snr = Karras().log_snr(8)[::-1].copy()
    sampler, sigmas = HeunSampler(predictor(), log_snr), [*np.exp(-log_snr / 2), 0.0]
    state = begin(sampler, [-1.0, 0.4])
    x = state[0] * (1 + sigmas[0] ** 2) ** 0.5

    def denoised(x: torch.Tensor, sigma: float) -> torch.Tensor:
        return (x * VARIANCE + sigma**2 * MEAN) / (VARIANCE + sigma**2)

    for i in range(8):
        t, t_ = sigmas[i], sigmas[i + 1]
        d = (x - denoised(x, t)) / t
        x_ = x + (t_ - t) * d
        if t_ != 0:
            d_ = (x_ - denoised(x_, t_)) / t_
            x_ = x + (t_ - t) * (d + d_) / 2
        x = x_
        state = sampler.step(state, torch.full((2,), i), Noise.rows(0, 2))
        torch.testing.assert_close(state[0], x / (1 + t_**2) ** 0.5)


@pytest.mark.parametrize("solver", SOLVERS)
def test_rows_at_different_steps_share_a_call(solver: Solver) -> None:
    sampler, noise = solver(predictor(), grid(6)), Noise.rows(0, 3)
    state = begin(sampler, [0.3, -1.0, 2.0])
    for k in range(2):
        state = sampler.step(state, torch.full((3,), k), noise)
    k = torch.tensor([0, 5, 3])
    together = sampler.step(state, k, noise)
    for i in range(3):
        alone = sampler.step(tuple(part[i : i + 1] for part in state), k[i : i + 1], noise[i : i + 1])
        torch.testing.assert_close([part[i : i + 1] for part in together], list(alone))


def test_the_trapezoid_takes_steps_up_to_the_longest_and_never_the_last() -> None:
    log_snr = np.cumsum([-6.0, 2.0, 3.0, 3.5])
    assert HeunSampler(predictor(), log_snr, 3.0).short.tolist() == [True, True, False, False]
    assert HeunSampler(predictor(), log_snr).short.tolist() == [True, True, True, False]
