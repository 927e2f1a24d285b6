r"""Karras et al.'s deterministic sampler: Heun's method along the probability flow.

In y = x / alpha, the data with noise of size s = sigma / alpha beside them, the flow is dy / ds = eps(y, s). A step
from s to s' goes there by Euler's method, which is DDIM's, and again with the mean of the two slopes,

    x~ = a x + b eps(x),      x' = a x + b (eps(x) + eps(x~)) / 2,

with DDIM's a = alpha' / alpha and b = alpha' (s' - s): two forward passes, an error of second order.

The trapezoid of a step that begins far above the data's own scale, s >> sd, and ends below it is too wide,
by a fourth for steps of 2 nats of lambda, twice for 4, without bound for more. So samplers take Euler's for a step of
more than `LONGEST` nats, which falls short instead, and for the last, to the data: it ends at x_0.

References:
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), arXiv:2206.00364
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats
from pushforward.models.samplers.linear import ddim
from pushforward.models.samplers.predictor import DenoisingSampler, columns
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 3.0  # nats of lambda, of a step of the trapezoid


@final
@dataclass(frozen=True)
class HeunSampler(DenoisingSampler):
    """Euler's step, then the trapezoid's: two forward passes."""

    longest: float = np.inf  # nats of lambda, of a step of the trapezoid; the last step is never one

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c = state
        a, b, _ = columns(self._coefficients, k, x)
        eps = self.predict.noise(x, self.levels(k, x), c)
        there = a * x + b * eps
        if (inner := torch.from_numpy(self.short)[k]).any():
            ahead = self.predict.noise(there, self.levels((k + 1).clamp(max=self.steps - 1), x), c)
            there = there + inner.to(x).view_as(a) * b * (ahead - eps) / 2
        return there, c

    @cached_property
    def short(self) -> NDArray[np.bool_]:
        """Which steps the trapezoid takes, (S,)."""
        short: NDArray[np.bool_] = np.append(np.diff(self.log_snr) <= self.longest, False)
        return short

    @cached_property
    def _coefficients(self) -> Floats:
        return ddim(self.log_snr, 0.0)
