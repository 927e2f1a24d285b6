r"""Solvers of x' = f(x, t), step by step: samplers, likelihoods and maps of continuous flows are made of them.

As in `models.stepwise.program`, rows at different steps share the calls of the field and never look at one another. A
solver is no program, because it is given the field at each step: the field depends on the condition, and in a
likelihood on the probe of the divergence.

    euler:           order 1, one call of the field for each step
    heun:            order 2, the trapezium of the slopes at both ends of Euler's step, two calls
    runge_kutta:     the classical method of order 4 on a fixed grid, four calls of the field for each step
    dormand_prince:  order 5, the sizes of the steps chosen by their errors (`models.solvers.dormand_prince`), seven
                     calls for each of S attempts; a row with few attempts left takes steps that grow by half

Example:
    >>> import numpy as np
    >>> import torch
    >>> from pushforward.models.solvers.ode import RungeKutta
    >>> solver = RungeKutta(np.linspace(0, 1, 5))
    >>> state = solver.init(torch.ones(1, 1, dtype=torch.float64))
    >>> for k in range(solver.steps):
    ...     state = solver.step(lambda x, t: x, state, torch.tensor([k]))  # x' = x
    >>> state[0]  # e
    tensor([[2.7182]], dtype=torch.float64)

References:
    | Solving Ordinary Differential Equations I (Hairer, Norsett & Wanner, 1993), sections II.1 and II.4
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch
from pushforward.models.paths.schedules import Floats
from pushforward.models.solvers import dormand_prince
from pushforward.models.solvers.dormand_prince import VectorField
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor

GROWTH = 1.5  # of the steps of a row with few attempts left: their sum is the rest of the way, for any number of them


class Solver(ABC):
    """Integrates a vector field in `steps` steps."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """How many calls of `step` lead from start to end."""

    @abstractmethod
    def init(self, x: Tensor) -> State:
        """The state before step 0.  x: (B, *shape), which is the first part of this state and of all later ones."""

    @abstractmethod
    def step(self, field: VectorField, state: State, k: Tensor) -> State:
        """The state after step k.  k: (B,) int64 on the CPU, one index for each row, 0 <= k < steps."""


@dataclass(frozen=True)
class FixedStep(Solver):
    """Steps that end at given times. State: x."""

    grid: Floats  # (S + 1,), the ends of the steps

    @property
    def steps(self) -> int:
        return len(self.grid) - 1

    def init(self, x: Tensor) -> State:
        return (x,)

    def step(self, field: VectorField, state: State, k: Tensor) -> State:
        (x,), grid = state, torch.from_numpy(self.grid)
        return (self.advance(field, x, grid[k].to(x.device), grid[k + 1].to(x.device)),)

    @abstractmethod
    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        """x after a step, (B, *shape).  x: (B, *shape); start, end: of each row's step, (B,) float64."""


@final
class Euler(FixedStep):
    """One slope, order 1."""

    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        return x + _column(end - start, x) * field(x, start)


@final
class Heun(FixedStep):
    """Two slopes, order 2."""

    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        h = _column(end - start, x)
        k1 = field(x, start)
        k2 = field(x + h * k1, end)
        return x + h / 2 * (k1 + k2)


@final
class RungeKutta(FixedStep):
    """Four slopes, order 4."""

    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        return runge_kutta(field, x, start, end)


@final
@dataclass(frozen=True)
class DormandPrince(Solver):
    """Adaptive steps. State: x; t and the size to try next, (B,) float64."""

    start: float
    end: float
    tolerance: float  # of the error of one step, absolute and relative
    attempts: int

    @property
    def steps(self) -> int:
        return self.attempts

    def init(self, x: Tensor) -> State:
        t = torch.full((len(x),), self.start, dtype=torch.float64, device=x.device)
        return x, t, torch.full_like(t, abs(self.end - self.start) / 16)

    def step(self, field: VectorField, state: State, k: Tensor) -> State:
        x, t, h = state
        end = torch.full_like(t, self.end)
        if torch.equal(t, end):
            return state
        least = (end - t).abs() * (GROWTH - 1) / (GROWTH ** (self.attempts - k).to(t) - 1)
        return dormand_prince.advance(field, x, t, h, end, self.tolerance, least)[:3]


def runge_kutta(field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """One step of the classical method of order 4; shapes as in `FixedStep.advance`."""
    middle, h = (start + end) / 2, _column(end - start, x)
    k1 = field(x, start)
    k2 = field(x + h / 2 * k1, middle)
    k3 = field(x + h / 2 * k2, middle)
    k4 = field(x + h * k3, end)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def _column(h: Tensor, x: Tensor) -> Tensor:
    """Sizes of steps, (B,), in the shape that scales rows of x."""
    return h.to(x.dtype).view(-1, *[1] * (x.ndim - 1))
