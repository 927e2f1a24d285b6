r"""Samplers whose step is linear in x, its noise and fresh noise.

Let (alpha, sigma) be a level, (alpha', sigma') the next one, eps the noise in x, x_0 = (x - sigma eps) / alpha and
e^h = alpha' / alpha. Each step is x' = a x + b eps + c xi with xi ~ N(0, I):

    ddim(eta):       x' = alpha' x_0 + sqrt(sigma'^2 - c^2) eps + c xi,
                     c = eta (sigma' / sigma) sqrt(1 - alpha^2 / alpha'^2)
    ancestral:       the mean of q(x'|x, x_0), as ddim(1) has it, with the variance of q(x'|x, x_0), beta~ = c^2 of
                     ddim(1), right for data of one point, or beta = 1 - alpha^2 / alpha'^2, right for N(0, I)
    sde:             x' = e^h x - 2 (e^h - 1) eps / sigma + sqrt(e^{2h} - 1) xi
    euler_maruyama:  x' = (1 + h) x - 2 h eps / sigma + sqrt(2h) xi

The last two are the reverse of dX = -X dt + sqrt(2) dB, dX = (X + 2 s) d tau + sqrt(2) dB with the score
s = -eps / sigma frozen over a step of length h: solved exactly (the exponential integrator), and to first order.
(Anderson's -X - 2 s belongs to a time that runs backwards; with d tau > 0 it runs away from the data.)

A frozen score is good for short steps only. Where data are narrow and much noise is left, the step of the sde has the
slope e^h - 2 (e^h - 1) = 2 - e^h, which overshoots from h = log 2 on and grows without bound beyond h = log 3, that is
at 2 h = 1.4 and 2.2 nats of lambda; nearer the data the slope is about 1 - (lambda' - lambda), with the same limits. So
a step of more than `LONGEST` nats is ancestral's, the exact posterior where data are one point, whose slope is never
negative nor above 1 in x / alpha. The last step, to the data, is infinitely long, and so it is ancestral's, too: it
ends in x_0 without noise. (With the exact denoiser of Gaussian data two steps of the cosine schedule would widen them
28,000 times.)

A predictor-corrector takes before each step of the sde one of Langevin's at the same level,

    x' = x + e s + sqrt(2 e) xi,      e = 2 e^{-2h} (r sigma)^2,

with the signal-to-noise ratio r of a step. (Song et al. take r |xi| / |s| for r sigma, the norms averaged over the
batch; here rows never look at one another, and sigma is that ratio where eps is noise, as in Song & Ermon.)

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Generative Modeling by Estimating Gradients of the Data Distribution (Song & Ermon, 2019), arXiv:1907.05600
    | Reverse-time diffusion equation models (Anderson, 1982), doi:10.1016/0304-4149(82)90051-5
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, final

import numpy as np

from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats
from pushforward.models.samplers.predictor import DenoisingSampler, columns, pairs
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 1.5  # nats of lambda, of a step with a frozen score


@final
@dataclass(frozen=True)
class LinearSteps(DenoisingSampler):
    """The steps x' = a x + b eps + c xi."""

    coefficients: Floats  # (S, 3): a, b, c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c = state
        a, b, spread = columns(self.coefficients, k, x)
        mean: Tensor = a * x + b * self.predict.noise(x, self.levels(k, x), c)
        if not self.coefficients[:, 2].any():
            return mean, c
        return mean + spread * noise.normal(k + 1, self.predict.spec.shape).to(x), c


def ddim(log_snr: Floats, eta: float) -> Floats:
    """Coefficients of DDIM, (S, 3); `eta` is 0 for the deterministic map, 1 for ancestral sampling."""
    (alpha, alpha_), (sigma, sigma_) = pairs(log_snr)
    a = alpha_ / alpha
    c = eta * sigma_ / sigma * np.sqrt(1 - (alpha / alpha_) ** 2)
    return np.stack([a, np.sqrt(sigma_**2 - c**2) - a * sigma, c], axis=1)


def ancestral(log_snr: Floats, variance: Literal["posterior", "beta"]) -> Floats:
    """Coefficients of DDPM, (S, 3), with either of its variances. The last step adds no noise."""
    coefficients = ddim(log_snr, 1.0)
    if variance == "beta":
        (alpha, alpha_), _ = pairs(log_snr)
        coefficients[:-1, 2] = np.sqrt(1 - (alpha / alpha_) ** 2)[:-1]
    return coefficients


def reverse_sde(log_snr: Floats) -> Floats:
    """Coefficients of the reverse Ornstein-Uhlenbeck process with a frozen score, solved exactly, (S, 3)."""
    (alpha, alpha_), (sigma, _) = pairs(log_snr)
    a = alpha_ / alpha  # e^h
    return np.stack([a, -2 * (a - 1) / sigma, np.sqrt(a**2 - 1)], axis=1)


def steadied(coefficients: Floats, log_snr: Floats) -> Floats:
    """The same steps, and ancestral's in the place of those too long for a frozen score: the last, at least."""
    long = np.diff(log_snr, append=np.inf) > LONGEST
    return np.where(long[:, None], ancestral(log_snr, "posterior"), coefficients)


def euler_maruyama(log_snr: Floats) -> Floats:
    """Coefficients of the same to first order in the step, (S, 3)."""
    (alpha, alpha_), (sigma, _) = pairs(log_snr)
    h = np.log(alpha_ / alpha)
    return np.stack([1 + h, -2 * h / sigma, np.sqrt(2 * h)], axis=1)


def corrected(log_snr: Floats, r: float) -> tuple[Floats, Floats]:
    """Levels, (2S,), and coefficients, (2S, 3), of a Langevin step before each step of `reverse_sde`."""
    (alpha, alpha_), (sigma, _) = pairs(log_snr)
    e = 2 * (alpha / alpha_) ** 2 * (r * sigma) ** 2
    langevin = np.stack([np.ones_like(e), -e / sigma, np.sqrt(2 * e)], axis=1)
    predictor = steadied(reverse_sde(log_snr), log_snr)
    return np.repeat(log_snr, 2), np.stack([langevin, predictor], axis=1).reshape(-1, 3)
