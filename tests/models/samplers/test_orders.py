"""Orders of convergence on uneven grids, where terms that coincide on even ones do not."""

import numpy as np
import pytest
import torch

from pushforward.models.paths.schedules import Floats, Level
from pushforward.models.samplers.dpm_solver import DPMSolver, dpm_solver
from pushforward.models.samplers.heun import HeunSampler
from pushforward.models.samplers.linear import LinearSteps, ddim
from pushforward.models.samplers.ode import DDIM, LONGEST, FlowDecoder, FlowRungeKutta, flow_sampler
from pushforward.models.stepwise.sampling import Sampler
from tests.models.samplers.gaussians import MEAN, VARIANCE, affine, predictor

START, END = -8.0, 14.0


def uneven(n: int) -> Floats:
    """Lambda in steps that are three times as long in some parts as in others, and uneven from one to the next."""
    u = np.linspace(0, 1, n + 1)
    u[1:-1:2] += 0.3 / n
    warped = u + 0.5 / (2 * np.pi) * np.sin(4 * np.pi * u) / 2
    return START + (END - START) * warped


def exact() -> tuple[float, float]:
    """Slope and intercept of the exact flow from START to END, and of the denoising there."""
    first, last = (Level.at(torch.tensor([end]).double(), torch.zeros(1, 1).double()) for end in (END, START))
    std_first, std_last = ((at.alpha**2 * VARIANCE + at.sigma**2).sqrt() for at in (first, last))
    slope = float(first.alpha * VARIANCE / std_first / std_last)
    return slope, MEAN * (1 - slope * last.alpha.item())


def built(name: str, n: int) -> Sampler:
    levels, predict = uneven(n), predictor()
    match name:
        case "ddim":
            return LinearSteps(predict, levels, ddim(levels, 0.0))
        case "heun":
            return HeunSampler(predict, levels)
        case "dpm_solver":
            return DPMSolver(predict, levels)
        case "euler":
            return flow_sampler(FlowDecoder(predict, DDIM(levels), levels[-1]))
        case _:
            return flow_sampler(FlowDecoder(predict, FlowRungeKutta(levels), levels[-1]))


@pytest.mark.parametrize(("name", "order"), [("ddim", 1), ("euler", 1), ("heun", 2), ("dpm_solver", 2), ("rk4", 4)])
def test_every_solver_has_its_order_on_an_uneven_grid(name: str, order: int) -> None:
    errors = [np.abs(np.subtract(affine(built(name, n)), exact())).max() for n in (100, 200)]
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.35)


def test_dpm_solver_extrapolates_by_the_ratio_of_its_steps() -> None:
    """D = x_0 + (h / (2 h_-)) (x_0 - x_0-), by hand: steps of 1, 3 and 2 nats of log(alpha / sigma)."""
    coefficients = dpm_solver(np.array([-4.0, -2.0, 4.0, 8.0]))
    np.testing.assert_allclose(coefficients[:, 2], [0.0, 3 / 2, 2 / 6, 0.0])
    alpha, sigma = 1 / np.sqrt(1 + np.exp(4.0)), 1 / np.sqrt(1 + np.exp(-4.0))
    alpha_, sigma_ = 1 / np.sqrt(1 + np.exp(2.0)), 1 / np.sqrt(1 + np.exp(-2.0))
    np.testing.assert_allclose(coefficients[0, :2], [sigma_ / sigma, alpha_ * (1 - np.exp(-1.0))])
    assert alpha * coefficients[0, 0] + coefficients[0, 1] == pytest.approx(alpha_)


def test_noise_is_read_off_the_flow() -> None:
    x, eps = torch.tensor([[0.7], [-2.0]], dtype=torch.float64), torch.tensor([[0.1], [1.3]], dtype=torch.float64)
    level = Level.at(torch.tensor([-3.0, 6.0], dtype=torch.float64), x)
    torch.testing.assert_close(level.noise_of_flow(x, level.flow(x, eps)), eps)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_step_too_long_for_runge_and_kutta_is_ddims_for_its_own_rows(backwards: bool) -> None:
    ends = np.array([-6.0, -6.0 + LONGEST + 0.1, 2.0])[:: -1 if backwards else 1].copy()
    predict, x, c = predictor(), torch.tensor([[0.3], [-1.0]], dtype=torch.float64), torch.empty(2, 0)
    k = torch.tensor([0, 1])
    both = FlowRungeKutta(ends).step(lambda x, at: predict.flow(x, at, c), (x,), k)[0]
    by_ddim = DDIM(ends).step(lambda x, at: predict.noise(x, at, c), (x,), k)[0]
    same = (both - by_ddim).abs()[:, 0] < 1e-9
    assert same.tolist() == ([False, True] if backwards else [True, False])
