r"""Divergences between densities of the line, by quadrature in float64.

    KL(p, q) = int p log(p / q)        JSD(p, q) = KL(p, m) / 2 + KL(q, m) / 2,    m = (p + q) / 2

The trapezoidal rule on equidistant points is exact to rounding for smooth densities that die out before the ends.
Densities are logarithms at the points X, so that tails which underflow are still divided by one another, and torch
differentiates what is integrated.

References:
    | The Exponentially Convergent Trapezoidal Rule (Trefethen & Weideman, 2014), doi:10.1137/130932132
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

STEP = 0.02
X = torch.arange(-1000, 1001, dtype=torch.float64) * STEP  # (N,)


def integral(y: Tensor) -> Tensor:
    """Of a function that is 0 at both ends, known at X."""
    return y.sum() * STEP


def log_normal(x: Tensor, m: Tensor | float = 0.0, s: Tensor | float = 1.0) -> Tensor:
    """Log N(x; m, s^2)."""
    s = torch.as_tensor(s, dtype=torch.float64)
    return -0.5 * ((x - m) / s) ** 2 - s.log() - 0.5 * math.log(2 * math.pi)


def log_mixture(x: Tensor, weights: tuple[float, ...], means: tuple[float, ...], s: float) -> Tensor:
    """Log sum_i w_i N(x; m_i, s^2)."""
    each = [math.log(w) + log_normal(x, m, s) for w, m in zip(weights, means, strict=True)]
    return torch.stack(each).logsumexp(0)


def kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return integral(log_p.exp() * (log_p - log_q))


def jsd(log_p: Tensor, log_q: Tensor) -> Tensor:
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return 0.5 * kl(log_p, log_m) + 0.5 * kl(log_q, log_m)
