"""The probability flow as a sampler, an encoder and a decoder, against the exact flow of Gaussian data, in float64."""

from math import sqrt

import numpy as np
import pytest
import torch

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats, Level, LinearSchedule
from pushforward.models.samplers.ode import FlowDecoder, flow_sampler
from pushforward.models.samplers.registry import SOLVERS, flow_map
from pushforward.models.stepwise.mapping import apply
from tests.models.samplers.gaussians import LINE, MEAN, VARIANCE, affine, predictor

LEVELS = LinearSchedule().log_snr(1000)


def ends(steps: int) -> Floats:
    """Of equal steps, least noisy first."""
    return np.linspace(LEVELS[0], LEVELS[-1], steps + 1)


def exact_code(x: torch.Tensor) -> torch.Tensor:
    """A flow between Gaussians on a line keeps the number of standard deviations from the mean."""
    first, last = (Level.at(torch.tensor([LEVELS[t]]), x) for t in (0, -1))
    deviations = (x - first.alpha * MEAN) / (first.alpha**2 * VARIANCE + first.sigma**2).sqrt()
    return last.alpha * MEAN + (last.alpha**2 * VARIANCE + last.sigma**2).sqrt() * deviations


@pytest.mark.parametrize(("solver", "steps", "error"), [("rk4", 32, 2e-5), ("adaptive", 64, 1e-3)])
def test_samples_are_the_exact_flows_without_its_last_noise(solver: str, steps: int, error: float) -> None:
    """T64: the slope is the standard deviation of the data, short of what the last denoising takes."""
    at = ends(steps)[::-1].copy()
    slope, intercept = affine(flow_sampler(FlowDecoder(predictor(), SOLVERS[solver](at, 1e-5), at[-1])))
    first, last = (Level.at(torch.tensor([LEVELS[t]]), torch.zeros(1, 1, dtype=torch.float64)) for t in (0, -1))
    std_first = (first.alpha**2 * VARIANCE + first.sigma**2).sqrt()
    std_last = (last.alpha**2 * VARIANCE + last.sigma**2).sqrt()
    expected = (first.alpha * VARIANCE / std_first / std_last).item()
    assert slope == pytest.approx(expected, abs=error)
    assert intercept == pytest.approx(MEAN - expected * last.alpha.item() * MEAN, abs=error)


@pytest.mark.parametrize(("solver", "steps", "error"), [("rk4", 64, 1e-6), ("ddim", 2000, 6e-3)])
def test_codes_are_those_of_the_exact_flow(solver: str, steps: int, error: float) -> None:
    x, c = torch.linspace(-1, 2, 5, dtype=torch.float64)[:, None], torch.empty(5, 0)
    z = apply(flow_map(predictor(), ends(steps), solver, LINE.normalize, torch.clone), x, c)
    torch.testing.assert_close(z, exact_code(x), rtol=0, atol=error)


@pytest.mark.parametrize(("solver", "steps", "error"), [("rk4", 12, 1e-3), ("rk4", 24, 5e-5), ("ddim", 200, 0.05)])
def test_decoding_inverts_encoding(solver: str, steps: int, error: float) -> None:
    x, c = torch.linspace(-1, 2, 5, dtype=torch.float64)[:, None], torch.empty(5, 0)
    there = flow_map(predictor(), ends(steps), solver, LINE.normalize, torch.clone)
    back = flow_map(predictor(), ends(steps)[::-1].copy(), solver, torch.clone, LINE.denormalize)
    torch.testing.assert_close(apply(back, apply(there, x, c), c), x, rtol=0, atol=error)


def test_a_row_with_a_hard_way_takes_no_tries_of_its_batch_mates() -> None:
    at = ends(24)[::-1].copy()
    decoder = FlowDecoder(predictor(), SOLVERS["adaptive"](at, 1e-4), at[-1])
    x, c = torch.tensor([[0.1], [8.0], [-sqrt(2)]], dtype=torch.float64), torch.empty(3, 0)
    together, alone = (*decoder.solver.init(x), c), [(*decoder.solver.init(x[i : i + 1]), c[:1]) for i in range(3)]
    noise = Noise.rows(0, 3)
    for k in range(decoder.steps):
        together = decoder.step(together, torch.full((3,), k), noise)
        alone = [decoder.step(state, torch.full((1,), k), noise[:1]) for state in alone]
    torch.testing.assert_close(together[0], torch.cat([state[0] for state in alone]))


def test_a_draw_ends_at_the_data_foreseen_where_the_solver_arrives_and_not_before() -> None:
    at, x, c = ends(12)[::-1].copy(), torch.linspace(-2, 2, 5, dtype=torch.float64)[:, None], torch.empty(5, 0)
    decoder = FlowDecoder(predictor(), SOLVERS["rk4"](at, 1e-4), at[-1])
    state, solved = (*decoder.solver.init(x), c), decoder.solver.init(x)
    for k in range(decoder.steps):
        state = decoder.step(state, torch.full((5,), k), Noise.rows(0, 5))
        solved = decoder.solver.step(lambda x, at: decoder.predict.flow(x, at, c), solved, torch.full((5,), k))
        arrived = k == decoder.steps - 1
        last = torch.full((5,), at[-1], dtype=torch.float64)
        torch.testing.assert_close(state[0], decoder.predict.data(solved[0], last, c) if arrived else solved[0])
