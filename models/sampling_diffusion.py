r"""Samplers of diffusions: from noise to data over falling noise levels.

Let (alpha, sigma) be a level, (alpha', sigma') the next one, eps the network's noise at x, and
x_0 = (x - sigma eps) / alpha. Each sampler is a step x' = a x + b eps + c xi with xi ~ N(0, I):

    ddim(eta):  x' = alpha' x_0 + sqrt(sigma'^2 - c^2) eps + c xi,
                c = eta (sigma' / sigma) sqrt(1 - alpha^2 / alpha'^2)
    ancestral:  ddim(1): the mean of q(x'|x, x_0) with its variance beta~ = c^2, DDPM's choice of the two
    sde:        x' = e^h x - 2 (e^h - 1) eps / sigma + sqrt(e^{2h} - 1) xi,   e^h = alpha' / alpha

The last is the reverse of dX = -X dt + sqrt(2) dB, dX = (X + 2 s) d tau + sqrt(2) dB, solved exactly over a step of
length h with the score s = -eps / sigma frozen. Steps end at the data, (alpha', sigma') = (1, 0).

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from models.networks.denoiser import given
from models.noise import Noise
from models.objectives.schedules import Floats, Level
from models.sampling import Sampler, State
from models.spec import DataSpec


@final
@dataclass(frozen=True)
class LinearSteps(Sampler):
    """The steps x' = a x + b eps + c xi of one denoiser. State: x, network units; the condition."""

    denoiser: nn.Module  # (x, lambda) and, where C > 0, the condition to eps
    spec: DataSpec
    log_snr: Floats  # (S,), noisiest first
    coefficients: Floats  # (S, 3): a, b, c
    bounds: tuple[float, float] | None = None  # what x_0 is clipped to, data units

    @property
    def steps(self) -> int:
        return len(self.log_snr)

    def init(self, noise: Noise, c: Tensor) -> State:
        return noise.normal(0, self.spec.shape), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, told = state
        log_snr = torch.from_numpy(self.log_snr)[k].to(x.device, x.dtype)
        a, b, c = torch.from_numpy(self.coefficients)[k].to(x).view(-1, 3, *[1] * (x.ndim - 1)).unbind(1)
        eps = self.denoiser(x, log_snr, *given(told))
        if self.bounds is not None:
            level = Level.at(log_snr, x)
            x0 = self.spec.denormalize(level.data(x, eps)).clamp(*self.bounds)
            eps = level.noise(x, self.spec.normalize(x0))
        mean: Tensor = a * x + b * eps
        if not self.coefficients[:, 2].any():
            return mean, told
        return mean + c * noise.normal(k + 1, self.spec.shape).to(x), told

    def finish(self, state: State) -> Tensor:
        return self.spec.denormalize(state[0])


def ddim(log_snr: Floats, eta: float) -> Floats:
    """Coefficients of DDIM, (S, 3); `eta` is 0 for the deterministic map, 1 for ancestral sampling."""
    (alpha, alpha_), (sigma, sigma_) = _pairs(log_snr)
    a = alpha_ / alpha
    c = eta * sigma_ / sigma * np.sqrt(1 - (alpha / alpha_) ** 2)
    return np.stack([a, np.sqrt(sigma_**2 - c**2) - a * sigma, c], axis=1)


def reverse_sde(log_snr: Floats) -> Floats:
    """Coefficients of the reverse Ornstein-Uhlenbeck process with a frozen score, (S, 3)."""
    (alpha, alpha_), (sigma, _) = _pairs(log_snr)
    a = alpha_ / alpha  # e^h
    return np.stack([a, -2 * (a - 1) / sigma, np.sqrt(a**2 - 1)], axis=1)


def _pairs(log_snr: Floats) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
    """Alpha and sigma, each before and after every step."""
    ends = np.append(log_snr, np.inf)
    alpha, sigma = (1 + np.exp(-ends)) ** -0.5, (np.exp(-ends) / (1 + np.exp(-ends))) ** 0.5
    return (alpha[:-1], alpha[1:]), (sigma[:-1], sigma[1:])
