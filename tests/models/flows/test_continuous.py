"""Answers of a continuous flow: strangers share calls, and an engine without gradients gets the same numbers."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pushforward.models.flows.continuous import FlowLikelihood, FlowMap, FlowSampler, Velocity
from pushforward.models.flows.dequantization import level_log_volume
from pushforward.models.noise import Noise
from pushforward.models.solvers.ode import DormandPrince, RungeKutta, Solver
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.mapping import apply
from pushforward.models.stepwise.program import run
from pushforward.models.stepwise.sampling import sample

LEVELS = DataSpec(shape=(1, 2, 2), low=0, high=3, levels=4, shift=(1.5,), scale=(1.5,))
SOLVERS = [RungeKutta(np.linspace(1, 0, 5)), DormandPrince(1.0, 0.0, 1e-5, 30)]
each_solver = pytest.mark.parametrize("solver", SOLVERS, ids=["runge_kutta", "dormand_prince"])


def rotating(v: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """A field of images that turns with time and grows as it is told."""
    turned = torch.roll(v, 1, 3) - torch.roll(v, 1, 2)
    return turned * t.to(v.dtype).cos().view(-1, 1, 1, 1) + c[:, :1, None, None] * v.sin()


def scorer(solver: Solver, velocity: Velocity = rotating, *, draws: int = 3, exact: bool = False) -> FlowLikelihood:
    def enter(x: Tensor) -> tuple[Tensor, Tensor]:
        return LEVELS.normalize(x), x.new_full((len(x),), LEVELS.log_jacobian)

    return FlowLikelihood(velocity, solver, enter, LEVELS, LEVELS.shape, draws, exact)


def rows(n: int) -> tuple[Tensor, Tensor, Noise]:
    """Data, conditions and noise, float64."""
    u = Noise.rows(3, n).uniform(0, LEVELS.shape).double()
    return LEVELS.quantize(3 * u), torch.linspace(-1, 1, n, dtype=torch.float64)[:, None], Noise.rows(5, n)


@each_solver
def test_rows_of_different_draws_and_strangers_share_a_call(solver: Solver) -> None:
    flow, (x, c, noise) = scorer(solver), rows(4)
    ahead = solver.steps + 2  # the first two rows are in their second draw when the others begin
    state = flow.init((x[:2], c[:2]), noise[:2])
    for k in range(ahead):
        state = flow.step(state, torch.full((2,), k), noise[:2])
    late = flow.init((x[2:], c[2:]), noise[2:])
    state = tuple(torch.cat(parts) for parts in zip(state, late, strict=True))
    for k in range(flow.steps - ahead):
        state = flow.step(state, torch.tensor([k + ahead, k + ahead, k, k]), noise)
    rest = tuple(part[2:] for part in state)
    for k in range(flow.steps - ahead, flow.steps):
        rest = flow.step(rest, torch.full((2,), k), noise[2:])
    alone = run(flow, (x, c), noise).value
    torch.testing.assert_close(flow.finish(tuple(part[:2] for part in state), noise[:2]).value, alone[:2])
    torch.testing.assert_close(flow.finish(rest, noise[2:]).value, alone[2:])


@each_solver
def test_an_engine_without_gradients_gets_the_same_numbers(solver: Solver) -> None:
    told = nn.Linear(1, 1).double()

    def field(v: Tensor, t: Tensor, c: Tensor) -> Tensor:
        return rotating(v, t, told(c))

    flow, (x, c, noise) = scorer(solver, field), rows(3)
    expected = run(flow, (x, c), noise).value
    with torch.inference_mode():
        torch.testing.assert_close(run(flow, (x + 0, c + 0), noise).value, expected)


def test_the_estimate_over_draws_agrees_with_the_exact_divergence() -> None:
    """T67: within five of its standard errors, levels dequantized alike."""
    solver, (x, c, noise) = SOLVERS[0], rows(6)
    exact, estimated = (run(scorer(solver, draws=64, exact=exact), (x, c), noise) for exact in (True, False))
    assert estimated.std_error is not None
    z_score = (estimated.value - exact.value).sum() / estimated.std_error.square().sum().sqrt()
    assert abs(float(z_score)) < 5
    assert estimated.kind == "estimate"


def test_a_field_that_stands_still_leaves_the_prior_and_the_volume_of_a_level() -> None:
    still = scorer(SOLVERS[0], lambda v, t, c: 0 * v, draws=1, exact=True)
    x, c, noise = rows(3)
    x_in_bin = x + LEVELS.bin_width * (noise.uniform(0, LEVELS.shape).double() - 0.5)
    log_prior = torch.distributions.Normal(0.0, 1.0).log_prob(LEVELS.normalize(x_in_bin)).flatten(1).sum(1)
    expected = log_prior + LEVELS.log_jacobian + level_log_volume(LEVELS)
    torch.testing.assert_close(run(still, (x, c), noise).value, expected)


def test_the_tolerance_of_a_likelihood_does_not_depend_on_the_units_of_the_data() -> None:
    """An offset of a thousand nats is no part of what the adaptive solver follows."""
    x, c, noise = rows(3)
    flow = scorer(DormandPrince(1.0, 0.0, 1e-2, 60), draws=1, exact=True)
    near, far = (run(replace(flow, enter=entered(nats)), (x, c), noise).value for nats in (0.0, 1000.0))
    torch.testing.assert_close(far - 1000, near, rtol=0, atol=1e-9)


def entered(nats: float) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
    return lambda x: (LEVELS.normalize(x), x.new_full((len(x),), nats))


@each_solver
def test_what_is_pushed_is_a_draw_of_the_prior_carried_along(solver: Solver) -> None:
    way = FlowMap(rotating, solver, lambda rows: rows, LEVELS.denormalize)
    pushed = FlowSampler(lambda noise, c: noise.normal(0, LEVELS.shape), way)
    noise, c = Noise.rows(1, 4), torch.ones(4, 1)
    torch.testing.assert_close(sample(pushed, noise, c), apply(way, noise.normal(0, LEVELS.shape), c))
