r"""Probabilities of levels under a normal distribution, element by element: a discretized Gaussian.

A level's bin is centered on it, and the outermost bins are open, so that the probabilities add up to one and rounding a
draw of the normal to the nearest level in the range is a draw of them. With c the level and h half its bin, both about
the mean and in standard deviations,

    P = Phi(c + h) - Phi(c - h),      P = Phi(c + h) at the first level,      P = Phi(h - c) at the last.

By symmetry c may be taken positive, and

    log P = log Phi(h - c) + log (1 - exp(log Phi(-c - h) - log Phi(h - c))),

which loses its digits where the bin is narrow. There the normal is close to an exponential over the bin,

    log P = log 2 h phi(c) + log [sinh(c h) / (c h)] - h^2 / 6 + O(h^2 min(1, (c h)^2) + h^4).

In the far tail Phi(-x) = phi(x) / (x + 1 / (x + 2 / (x + 3 / (x + ...)))), Laplace's continued fraction.

Example:
    >>> import torch
    >>> from pushforward.models.distributions.normal_bins import log_probability
    >>> inner = torch.tensor([False])
    >>> log_probability(torch.tensor([0.0]), torch.tensor([1.96]), inner, inner).exp()
    tensor([0.9500])

References:
    | Handbook of Mathematical Functions (Abramowitz & Stegun, 1964), 26.2.14: the continued fraction
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239: section 3.3
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import TYPE_CHECKING

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

NARROW = 0.02  # of h: below it the bin is narrow
FLAT = 0.1  # of c h: below it the series of log sinh(x) / x
TAIL = -12.0  # of x: below it the continued fraction
TERMS = 5  # of it: enough for float64


def log_probability(
    center: Float[Tensor, "*shape"],
    half: Float[Tensor, "..."],
    first: Bool[Tensor, "..."],
    last: Bool[Tensor, "..."],
) -> Float[Tensor, "*shape"]:
    """Log P.

    Arguments:
        center, half: c and h.
        first, last: whether the level is the first, the last.

    All but `center` may be of any shape that broadcasts to its shape.
    """
    c = center.abs()
    near = torch.where(first, center + half, torch.where(last, half - center, half - c))
    log_near, log_far = log_cdf(near), log_cdf(-c - half)
    inner = log_near + torch.log(-torch.expm1((log_far - log_near).clamp(max=-1e-7)))
    inner = torch.where(half < NARROW, _log_narrow(c, half), inner)
    return torch.where(first | last, log_near, inner)


def log_cdf(x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Log Phi(x), with a gradient for every float32. torch's own is slow and has no gradient below -1000."""
    far = -x.clamp(max=TAIL)
    fraction = far
    for level in range(TERMS, 0, -1):
        fraction = far + level / fraction
    below = -(far**2) / 2 - torch.log(fraction) - log(2 * pi) / 2
    near = torch.log(torch.special.erfc(x.clamp_min(TAIL) / -sqrt(2)) / 2)
    return torch.where(x < TAIL, below, near)


def _log_narrow(c: Tensor, half: Tensor) -> Tensor:
    x = c * half
    far = x.clamp_min(FLAT)
    log_sinhc = torch.where(x < FLAT, x**2 / 6, far + torch.log1p(-torch.exp(-2 * far)) - torch.log(2 * far))
    return torch.log(2 * half) - (c**2 + log(2 * pi)) / 2 + log_sinhc - half**2 / 6
