r"""DPM-Solver++(2M): the probability flow in two terms, the second from the step before.

With l = lambda / 2 = log(alpha / sigma) the flow of a fixed x_0 is solved exactly from one level to the next,

    x' = (sigma' / sigma) x - alpha' (e^{-h} - 1) D,      h = l' - l,

and is of second order if D is x_0 extrapolated to the middle of the step from the last two predictions,

    D = x_0 + (h / (2 h_-)) (x_0 - x_0-).

The first step has no step before it and the last, to the data, no middle: there D = x_0, which is DDIM.

References:
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Models (Lu et al., 2022), arXiv:2211.01095
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats
from pushforward.models.samplers.predictor import DenoisingSampler, columns, pairs
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class DPMSolver(DenoisingSampler):
    """One forward pass a step. State: x; the condition; x_0 of the step before."""

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        x, c = super().init(given, noise)
        return x, c, torch.zeros_like(x)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, before = state
        a, d, m = columns(self._coefficients, k, x)
        x0 = self.predict.data(x, self.levels(k, x), c)
        return a * x + d * (x0 + m * (x0 - before)), c, x0

    @cached_property
    def _coefficients(self) -> Floats:
        return dpm_solver(self.log_snr)


def dpm_solver(log_snr: Floats) -> Floats:
    """Coefficients sigma' / sigma, alpha' (1 - e^{-h}) and h / (2 h_-), (S, 3)."""
    (alpha, alpha_), (sigma, sigma_) = pairs(log_snr)
    h = np.diff(log_snr) / 2  # but the last, which is infinite
    m = np.zeros(len(log_snr))
    m[1:-1] = h[1:] / (2 * h[:-1])
    return np.stack([sigma_ / sigma, alpha_ - sigma_ * alpha / sigma, m], axis=1)
