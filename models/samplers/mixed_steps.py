r"""Ancestral sampling of a table's rows, numbers and choices side by side at one level.

A step leads from level t to the next one, s, and from the last level to the data:

    numbers   u_s = a u_t + b eps + c xi, the coefficients of `models.samplers.linear`
    choices   k_s ~ q(k_s | k_t, k_0) with the network's distribution for k_0 (`models.paths.multinomial`)

Noise of a row: normals of draw 0 and uniforms of draw 1 to begin with, of draws 2k + 2 and 2k + 3 at step k.

References:
    | TabDDPM: Modelling Tabular Data with Diffusion Models (Kotelnikov et al., 2022), https://arxiv.org/abs/2209.15421
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from pushforward.models import networks
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths import multinomial
from pushforward.models.paths.guidance import guided
from pushforward.models.paths.schedules import Floats
from pushforward.models.samplers.predictor import columns
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.tables import choices
from pushforward.models.tables.coding import coder
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor, nn


class Predicted(NamedTuple):
    """What a network makes of a noisy row."""

    eps: Tensor  # (B, P), the noise of the numbers
    p: Tensor  # (B, sum of sizes) float64, the distribution of the choices at the data


@final
@dataclass(frozen=True)
class MixedPredictor:
    """The noise of numbers and the distribution of choices, at each row's own level."""

    denoiser: nn.Module  # (v, lambda[, c]) to noise and logits, (B, W)
    table: Table
    guidance: float = 0.0  # w

    def __call__(self, u: Tensor, k: Tensor, log_snr: Tensor, c: Tensor) -> Predicted:
        """u: (B, P); k: (B, Q); log_snr: (B,); c: (B, C)."""
        v = torch.cat([u, self.one_hot(k)], 1)
        out = guided(self._unguided, self.guidance)(v, log_snr.to(v), c)
        p = u.shape[1]
        return Predicted(out[:, :p], multinomial.distribution(out[:, p:], self.table.sizes))

    def one_hot(self, k: Tensor) -> Tensor:
        """(B, Q) to (B, sum of sizes)."""
        return coder(self.table, k.device).one_hot(k)

    def _unguided(self, v: Tensor, log_snr: Tensor, c: Tensor) -> Tensor:
        out: Tensor = self.denoiser(v, log_snr, *networks.condition_args(c))
        return out


@final
@dataclass(frozen=True)
class MixedSteps(Sampler):
    """State: numbers, (B, P); choices, (B, Q); the condition."""

    predict: MixedPredictor
    log_snr: Floats  # (S,), lambda of each step's start, noisiest first
    coefficients: Floats  # (S, 3): a, b, c

    @property
    def steps(self) -> int:
        return len(self.log_snr)

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        sizes = self._table.sizes
        u = noise.normal(0, (len(self._table.numbers),))
        even = torch.zeros(len(noise), sum(sizes), device=u.device)
        return u, choices.draw(even, noise.uniform(1, (len(sizes),)), sizes), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        u, drawn, c = state
        at = self.predict(u, drawn, torch.from_numpy(self.log_snr)[k].to(u.device), c)
        a, b, spread = columns(self.coefficients, k, u)
        u = a * u + b * at.eps + spread * noise.normal(2 * k + 2, (len(self._table.numbers),)).to(u)
        later, earlier = torch.from_numpy(self._alpha_bar)[k].to(u.device).unbind(1)
        sizes = self._table.sizes
        q = multinomial.posterior(self.predict.one_hot(drawn), at.p, later, earlier, sizes)
        return u, choices.draw(q.clamp_min(multinomial.LEAST).log(), noise.uniform(2 * k + 3, (len(sizes),)), sizes), c

    def finish(self, state: State, noise: Noise) -> Tensor:
        u, drawn, _ = state
        return coder(self._table, u.device).decode(u, drawn)

    @property
    def _table(self) -> Table:
        return self.predict.table

    @cached_property
    def _alpha_bar(self) -> Floats:
        """Alpha_bar at the start and at the end of each step, (S, 2)."""
        start = 1 / (1 + np.exp(-self.log_snr))
        return np.stack([start, np.append(start[1:], 1.0)], axis=1)
