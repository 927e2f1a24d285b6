r"""The noise in x as a sampler sees it: the denoiser's output, guided and clipped.

Guidance gives the condition more weight than it has: with eps_c given the condition and eps_0 given none,

    eps = (1 + w) eps_c - w eps_0,

so that w = 0 is the conditional model, w = -1 the unconditional one, and w > 0 the score of p(x) p(c|x)^(1 + w): fewer
kinds of samples, each closer to its condition. It is the score of no diffusion of data, so it has samples but no
likelihood.

References:
    | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from abc import ABC
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from pushforward.models import networks
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths.guidance import guided
from pushforward.models.paths.schedules import Floats, Level
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import Sampler

if TYPE_CHECKING:
    from torch import Tensor, nn


@final
@dataclass(frozen=True)
class Predictor:
    """The noise and the data in x, network units, at each row's own level."""

    denoiser: nn.Module  # (x, lambda[, c]) to eps
    spec: DataSpec
    bounds: tuple[float, float] | None = None  # what x_0 is clipped to, data units
    guidance: float = 0.0  # w

    def noise(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        """Eps, (B, *shape).  x: (B, *shape); log_snr: (B,); c: (B, C)."""
        log_snr = log_snr.to(x)
        eps = self._guided(x, log_snr, c)
        if self.bounds is None:
            return eps
        level = Level.at(log_snr, x)
        return level.noise(x, self._clipped(level.data(x, eps)))

    def data(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        """x_0, (B, *shape), of the same."""
        log_snr = log_snr.to(x)
        return self._clipped(Level.at(log_snr, x).data(x, self._guided(x, log_snr, c)))

    def flow(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        """dx / d lambda of the probability flow."""
        return Level.at(log_snr.to(x), x).flow(x, self.noise(x, log_snr, c))

    def _clipped(self, x0: Tensor) -> Tensor:
        if self.bounds is None:
            return x0
        return self.spec.clip_units(x0, *self.bounds)

    def _guided(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        return guided(self._unguided, self.guidance)(x, log_snr, c)

    def _unguided(self, x: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        eps: Tensor = self.denoiser(x, log_snr, *networks.condition_args(c))
        return eps


@dataclass(frozen=True)
class DenoisingSampler(Sampler, ABC):
    """Noise to data through falling noise levels. State: x, network units; the condition; in some samplers more."""

    predict: Predictor
    log_snr: Floats  # lambda of each step's start, noisiest first

    @property
    def steps(self) -> int:
        return len(self.log_snr)

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        return noise.normal(0, self.predict.spec.shape), c

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.predict.spec.denormalize(state[0])

    def levels(self, k: Tensor, x: Tensor) -> Tensor:
        """Lambda at the start of each row's step, (B,)."""
        return torch.from_numpy(self.log_snr)[k].to(x)


def columns(table: Floats, k: Tensor, x: Tensor) -> tuple[Tensor, ...]:
    """Each row's coefficients from a table, (S, n): n columns that scale rows of x, (B, 1, ..., 1)."""
    return torch.from_numpy(table)[k].to(x).view(-1, table.shape[1], *[1] * (x.ndim - 1)).unbind(1)


def pairs(log_snr: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Alpha and sigma, each before and after every step; the last step ends at the data, (1, 0)."""
    ends = np.append(log_snr, np.inf)
    alpha, sigma = (1 + np.exp(-ends)) ** -0.5, (np.exp(-ends) / (1 + np.exp(-ends))) ** 0.5
    return (alpha[:-1], alpha[1:]), (sigma[:-1], sigma[1:])
