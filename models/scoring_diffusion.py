r"""The likelihood of a diffusion, step by step along its probability flow.

For each of J draws of what is random, the place within the level and the probe, a row goes S Runge-Kutta steps from
the first noise level to the last (`models.objectives.probability_flow`), with

    dx / d lambda = sigma^2 / 2 (x + s),      s = -eps_theta(x, lambda, c) / sigma.

Step k is step k mod S of draw floor(k / S), so rows of different draws share a network call, and so do strangers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, pi
from typing import final

import torch
from torch import Tensor

from models.family import LogProb
from models.noise import Noise
from models.objectives.dequantization import dequantize, level_log_volume
from models.objectives.probability_flow import advance
from models.objectives.schedules import Floats
from models.sampling import State
from models.scoring import Scorer
from models.spec import DataSpec


@final
@dataclass(frozen=True)
class ProbabilityFlow(Scorer):
    """State: x, data units; where the present draw has come, network units; its log-volume; log p(x) by draw; c."""

    field: Callable[[Tensor, Tensor, Tensor], Tensor]  # (u, lambda, c) to du / d lambda
    spec: DataSpec
    log_snr: Floats  # (S + 1,), the ends of the steps, least noisy first
    draws: int
    exact: bool  # the divergence; else Hutchinson's estimate

    @property
    def steps(self) -> int:
        return self.draws * self._steps_of_a_draw

    @property
    def _steps_of_a_draw(self) -> int:
        return len(self.log_snr) - 1

    def init(self, x: Tensor, c: Tensor, noise: Noise) -> State:
        values = torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)
        return x, x, values[:, 0], values, c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, u, log_volume, values, c = state
        j, i = k // self._steps_of_a_draw, k % self._steps_of_a_draw
        if (begins := i == 0).any():
            at = begins.to(x.device)
            log_volume = log_volume.masked_fill(at, 0.0)
            u = u.clone()
            u[at] = self._start(x[at], noise[begins.numpy()], j[begins])
        probe = None if self.exact else 2 * (noise.uniform(2 * j + 1, self.spec.shape) < 0.5).to(x) - 1
        ends = torch.from_numpy(self.log_snr).to(x.device)
        i = i.to(x.device)
        u, divergence = advance(lambda u, at: self.field(u, at, c.clone()), u, ends[i], ends[i + 1], probe)
        log_volume = log_volume + divergence
        if (arrived := i == self._steps_of_a_draw - 1).any():
            values = values.clone()
            values[arrived, j.to(x.device)[arrived]] = self._log_prob(u[arrived], log_volume[arrived])
        return x, u, log_volume, values, c

    def finish(self, state: State, noise: Noise) -> LogProb:
        values = state[3]  # (B, J)
        std_error = values.std(1) / self.draws**0.5 if self.draws > 1 else None
        return LogProb(values.mean(1), "estimate", std_error)

    def _start(self, x: Tensor, noise: Noise, j: Tensor) -> Tensor:
        """Where draw j begins, network units."""
        if self.spec.levels is not None:
            x = dequantize(self.spec, x, noise.uniform(2 * j, self.spec.shape).to(x))
        return self.spec.normalize(x)

    def _log_prob(self, z: Tensor, log_volume: Tensor) -> Tensor:
        """Log p(x), (B,) nats in data units, of rows that arrived at z."""
        log_prior = -0.5 * (z.double().square() + log(2 * pi)).flatten(1).sum(1)
        level_volume = 0.0 if self.spec.levels is None else level_log_volume(self.spec)
        return log_prior + log_volume + self.spec.log_jacobian + level_volume
