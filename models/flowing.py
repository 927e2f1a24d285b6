r"""Continuous flows, step by step: samples, codes and likelihoods along x' = v(x, t; c).

Noise z ~ N(0, I) stands at t = 0, data in network units at t = 1. A solver (`models.solving`) carries rows from the one
to the other, a few calls of the field for each step; rows at different steps share them. Going back, with the
divergence summed up on the way (`models.objectives.probability_flow`),

    log p(x) = log N(x(0); 0, I) + integral_1^0 div v(x(t), t; c) dt.

Data with levels are dequantized afresh for each of J draws, and the probe of Hutchinson's estimate is drawn with them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import log, pi
from typing import final

import torch
from torch import Tensor

from models.family import LogProb
from models.noise import Noise
from models.objectives.dequantization import dequantize, level_log_volume
from models.objectives.probability_flow import augmented
from models.sampling import Sampler, State
from models.scoring import Scorer
from models.solving import Solver
from models.spec import DataSpec
from models.walking import Walk

Velocity = Callable[[Tensor, Tensor, Tensor], Tensor]  # v(c, x, t): (B, C), (B, *shape), (B,) float64 to (B, *shape)


@final
@dataclass(frozen=True)
class FlowSampler(Sampler):
    """Noise to data. State: c, and the solver's."""

    velocity: Velocity
    solver: Solver  # from t = 0 to 1
    spec: DataSpec

    @property
    def steps(self) -> int:
        return self.solver.steps

    def init(self, noise: Noise, c: Tensor) -> State:
        return c, *self.solver.init(noise.normal(0, self.spec.shape))

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        c, *rest = state
        return c, *self.solver.step(partial(self.velocity, c), tuple(rest), k)

    def finish(self, state: State) -> Tensor:
        return self.spec.denormalize(state[1])


@final
@dataclass(frozen=True)
class FlowWalk(Walk):
    """Rows along the field, either way. State: c, and the solver's."""

    velocity: Velocity
    solver: Solver
    enter: Callable[[Tensor], Tensor]  # rows to network units
    leave: Callable[[Tensor], Tensor]  # and from there to what the rows become

    @property
    def steps(self) -> int:
        return self.solver.steps

    def init(self, rows: Tensor, c: Tensor) -> State:
        return c, *self.solver.init(self.enter(rows))

    def step(self, state: State, k: Tensor) -> State:
        c, *rest = state
        return c, *self.solver.step(partial(self.velocity, c), tuple(rest), k)

    def finish(self, state: State) -> Tensor:
        return self.leave(state[1])


@final
@dataclass(frozen=True)
class FlowScorer(Scorer):
    """Log p(x). State: x, data units; c; log p(x) by draw; the solver's, of where the present draw is and its log-volume.

    Step k is step k mod S of draw floor(k / S).
    """

    velocity: Velocity
    solver: Solver  # from t = 1 to 0
    spec: DataSpec
    draws: int
    exact: bool  # the divergence; else Hutchinson's estimate

    @property
    def steps(self) -> int:
        return self.draws * self.solver.steps

    def init(self, x: Tensor, c: Tensor, noise: Noise) -> State:
        values = torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)
        return x, c, values, *self.solver.init(torch.cat([x.flatten(1), x.new_zeros(len(x), 1)], 1))

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, values, *moving = state
        j, i = k // self.solver.steps, k % self.solver.steps
        if (begins := i == 0).any():
            at = begins.to(x.device)
            moving = _replaced(moving, at, self.solver.init(self._start(x[at], noise[begins.numpy()], j[begins])))
        probe = None if self.exact else 2 * (noise.uniform(2 * j + 1, self.spec.shape) < 0.5).to(x) - 1
        field = augmented(partial(self.velocity, c.clone()), self.spec.shape, probe)
        moving = list(self.solver.step(field, tuple(moving), i))
        if (arrived := i == self.solver.steps - 1).any():
            at = arrived.to(x.device)
            values = values.clone()
            values[at, j.to(x.device)[at]] = self._log_prob(moving[0][at])
        return x, c, values, *moving

    def finish(self, state: State, noise: Noise) -> LogProb:
        values = state[2]  # (B, J)
        std_error = values.std(1) / self.draws**0.5 if self.draws > 1 else None
        return LogProb(values.mean(1), "estimate", std_error)

    def _start(self, x: Tensor, noise: Noise, j: Tensor) -> Tensor:
        """Where draw j begins, network units, and its log-volume, 0: (B, D + 1)."""
        if self.spec.levels is not None:
            x = dequantize(self.spec, x, noise.uniform(2 * j, self.spec.shape).to(x))
        u = self.spec.normalize(x).flatten(1)
        return torch.cat([u, u.new_zeros(len(u), 1)], 1)

    def _log_prob(self, end: Tensor) -> Tensor:
        """Log p(x), (B,) nats in data units, of rows that arrived at z with a log-volume.  end: (B, D + 1)."""
        z, log_volume = end[:, :-1].double(), end[:, -1].double()
        log_prior = -0.5 * (z.square() + log(2 * pi)).sum(1)
        level_volume = 0.0 if self.spec.levels is None else level_log_volume(self.spec)
        return log_prior + log_volume + self.spec.log_jacobian + level_volume


def _replaced(state: list[Tensor], at: Tensor, new: State) -> list[Tensor]:
    """The state with other rows at `at`, (B,) bool."""
    return [part.masked_scatter(at.view(-1, *[1] * (part.ndim - 1)), rows) for part, rows in zip(state, new, strict=True)]
