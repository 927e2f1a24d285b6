r"""Probabilities of levels under a normal distribution, element by element: a discretized Gaussian.

A level's bin is centered on it, and the outermost bins are open, so that the probabilities add up to one and rounding a
draw of the normal to the nearest level in the range is a draw of them. With c the level and h half its bin, both about
the mean and in standard deviations,

    P = Phi(c + h) - Phi(c - h),      P = Phi(c + h) at the first level,      P = Phi(h - c) at the last.

By symmetry c may be taken positive, and with log Phi(x) = log [erfcx(-x / sqrt 2) / 2] - x^2 / 2 below zero,

    log P = log Phi(h - c) + log (1 - exp(log Phi(-c - h) - log Phi(h - c))),

which loses its digits where the bin is narrow. There the normal is close to an exponential over the bin,

    log P = log 2 h phi(c) + log [sinh(c h) / (c h)] - h^2 / 6 + O(h^2 min(1, (c h)^2) + h^4).

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239: section 3.3
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import TYPE_CHECKING

from models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

NARROW = 0.02  # of h: below it the bin is narrow
FLAT = 0.1  # of c h: below it the series of log sinh(x) / x


def log_probability(center: Tensor, half: Tensor, first: Tensor, last: Tensor) -> Tensor:
    """Log P, of the shape of `center`.

    Arguments:
        center, half: c and h; h may be of any shape that broadcasts.
        first, last: whether the level is the first, the last, bool.
    """
    c = center.abs()
    near = torch.where(first, center + half, torch.where(last, half - center, half - c))
    log_near, log_far = log_cdf(near), log_cdf(-c - half)
    inner = log_near + torch.log(-torch.expm1((log_far - log_near).clamp(max=-1e-7)))
    inner = torch.where(half < NARROW, _log_narrow(c, half), inner)
    return torch.where(first | last, log_near, inner)


def log_cdf(x: Tensor) -> Tensor:
    """Log Phi(x), with its gradient, as far as float32 goes; torch's own loses the gradient below -1000."""
    low, high = x.clamp(max=-1.0), x.clamp(min=-1.0)
    below = torch.log(torch.special.erfcx(-low / sqrt(2)) / 2) - low**2 / 2
    return torch.where(x < -1, below, torch.log1p(-torch.special.erfc(high / sqrt(2)) / 2))


def _log_narrow(c: Tensor, half: Tensor) -> Tensor:
    x = c * half
    far = x.clamp_min(FLAT)
    log_sinhc = torch.where(x < FLAT, x**2 / 6, far + torch.log1p(-torch.exp(-2 * far)) - torch.log(2 * far))
    return torch.log(2 * half) - (c**2 + log(2 * pi)) / 2 + log_sinhc - half**2 / 6
