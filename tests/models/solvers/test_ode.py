"""Step-wise solvers against matrix exponentials, in float64."""

from math import e

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.flows.divergence import augmented, augmented_to_train
from pushforward.models.solvers.dormand_prince import Attempt, advance
from pushforward.models.solvers.ode import DormandPrince, RungeKutta, Solver

M = torch.tensor([[0.3, -1.0, 0.2], [0.7, -0.4, 0.1], [0.0, 0.5, 0.2]], dtype=torch.float64)
SOLVERS = [RungeKutta(np.linspace(1, 0, 65)), DormandPrince(1.0, 0.0, 1e-10, 64)]
each_solver = pytest.mark.parametrize("solver", SOLVERS, ids=["runge_kutta", "dormand_prince"])


def linear(x: Tensor, at: Tensor) -> Tensor:
    return x @ M.T


def uneven(x: Tensor, at: Tensor) -> Tensor:
    return x * at.cos()[:, None]


def rows(n: int, seed: int = 0) -> Tensor:
    return torch.randn(n, 3, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def solve(solver: Solver, x: Tensor) -> Tensor:
    state = solver.init(x)
    for k in range(solver.steps):
        state = solver.step(uneven, state, torch.full((len(x),), k))
    return state[0]


@each_solver
def test_a_linear_field_carries_by_the_matrix_exponential_and_its_trace(solver: Solver) -> None:
    """T27: backward in time, the map is e^{-A} and the log-volume -tr A."""
    x = rows(4)
    state = solver.init(torch.cat([x, torch.zeros(4, 1).double()], 1))
    for k in range(solver.steps):
        state = solver.step(augmented(linear, (3,), None), state, torch.full((4,), k))
    torch.testing.assert_close(state[0][:, :3], x @ torch.linalg.matrix_exp(-M).T, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(state[0][:, 3], torch.full((4,), -float(M.trace()), dtype=torch.float64))


@each_solver
def test_rows_that_stand_at_different_steps_share_a_call(solver: Solver) -> None:
    early, late, ahead = rows(2, 1), rows(2, 2), 5
    state = solver.init(early)
    for k in range(ahead):
        state = solver.step(uneven, state, torch.full((2,), k))
    state = tuple(torch.cat(parts) for parts in zip(state, solver.init(late), strict=True))
    for k in range(solver.steps - ahead):
        state = solver.step(uneven, state, torch.tensor([k + ahead, k + ahead, k, k]))
    torch.testing.assert_close(state[0][:2], solve(solver, early))
    rest = tuple(part[2:] for part in state)
    for k in range(solver.steps - ahead, solver.steps):
        rest = solver.step(uneven, rest, torch.full((2,), k))
    torch.testing.assert_close(rest[0], solve(solver, late))


def test_the_adaptive_solver_arrives_however_few_its_attempts() -> None:
    x = rows(3)
    rough = solve(DormandPrince(0.0, 9.0, 1e-12, 4), x)
    fine = solve(DormandPrince(0.0, 9.0, 1e-9, 400), x)
    assert rough.isfinite().all()
    torch.testing.assert_close(fine, x * torch.tensor(9.0).double().sin().exp(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("spare", [1.4, 2.0, 4.0])
def test_attempts_to_spare_give_what_the_tolerance_gives(spare: float) -> None:
    """A field that is hard at the end of the way, where even steps would be too long."""

    def steep(x: Tensor, at: Tensor) -> Tensor:
        return -x / (1.001 - at)[:, None]

    x, t, n = rows(3), torch.zeros(3).double(), 0
    at = Attempt(x, t, t + 1 / 16, t > 0)
    while (at.t < 1).any():
        at, n = advance(steep, at.x, at.t, at.h, t + 1, 1e-5), n + 1
    solver = DormandPrince(0.0, 1.0, 1e-5, round(spare * n))
    state = solver.init(x)
    for k in range(solver.steps):
        state = solver.step(steep, state, torch.full((3,), k))
    torch.testing.assert_close(state[0], at.x, rtol=1e-9, atol=1e-12)


def test_no_field_is_asked_once_all_rows_have_arrived() -> None:
    def refused(x: Tensor, at: Tensor) -> Tensor:
        raise AssertionError("nobody is on the way")

    solver = DormandPrince(0.0, 1.0, 1e-3, 50)
    state = solver.init(rows(2))
    for k in range(20):
        state = solver.step(uneven, state, torch.full((2,), k))
    assert torch.equal(solver.step(refused, state, torch.full((2,), 20))[0], state[0])


def test_the_way_is_differentiable_in_the_weights_of_the_field() -> None:
    """x' = a x has x(1) = e^a x(0) and log-volume a: their derivatives are e^a x(0) and 1, at a = 1."""
    a = torch.ones((), dtype=torch.float64, requires_grad=True)
    x, solver = rows(4), RungeKutta(np.linspace(0, 1, 33))
    state = solver.init(torch.cat([x, torch.zeros(4, 3).double()], 1))
    field = augmented_to_train(lambda x, _: a * x, None)
    for k in range(solver.steps):
        state = solver.step(field, state, torch.full((4,), k))
    torch.testing.assert_close(torch.autograd.grad(state[0][:, :3].sum(), a, retain_graph=True)[0], e * x.sum())
    (volume,) = torch.autograd.grad(state[0][0, 3], a)
    assert volume.item() == pytest.approx(3)
