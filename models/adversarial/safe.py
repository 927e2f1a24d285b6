r"""Functions that stay finite, with finite derivatives, for every score a critic gives.

    safe_exp(x)           exp(x); from 60 on its tangent, whose slope a clipped gradient can follow
    log_softplus(x)       log log(1 + exp(x)), which is nearly x far below 0
    log_one_minus_exp(y)  log(1 - exp(-exp(y))), which is nearly y far below 0
    log_wright_omega(z)   y with exp(y) + y = z: the logarithm of Wright's omega, W(e^z), without e^z

References:
    | Algorithm 917: complex double-precision evaluation of the Wright omega function (Lawrence et al., 2012),
      doi:10.1145/2168773.2168779
"""

from __future__ import annotations

from math import exp
from typing import TYPE_CHECKING

from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor

KNEE = 60.0  # exp of more overflows float32 when it is squared in a second derivative
LOW = -15.0  # below, log log(1 + e^x) is x - e^x / 2 to 1e-13
NEWTON_STEPS = 8  # from the start below to the last bit; each doubles the digits


def safe_exp(x: Tensor) -> Tensor:
    """Exp, continued by its tangent."""
    return x.clamp_max(KNEE).exp() + exp(KNEE) * F.relu(x - KNEE)


def log_softplus(x: Tensor) -> Tensor:
    """The logarithm of softplus, whose derivative is finite where those of its parts are not."""
    low = x < LOW
    middle = F.softplus(x.masked_fill(low, 0.0)).log()
    return torch.where(low, x - 0.5 * x.clamp_max(0.0).exp(), middle)


def log_one_minus_exp(y: Tensor) -> Tensor:
    """The logarithm of 1 - e^-a, of y = log a."""
    low = y < LOW
    middle = (-torch.expm1(-y.masked_fill(low, 0.0).exp())).log()
    return torch.where(low, y - 0.5 * y.clamp_max(0.0).exp(), middle)


def log_wright_omega(z: Tensor) -> Tensor:
    """y with exp(y) + y = z, by Newton's method; the last two steps carry first and second derivatives."""
    with torch.no_grad():
        y = torch.where(z > 1, z.clamp_min(1).log(), z)
        for _ in range(NEWTON_STEPS):
            y = y - _newton(y, z)
    for _ in range(2):
        y = y - _newton(y, z)
    return y


def _newton(y: Tensor, z: Tensor) -> Tensor:
    e = y.exp()
    return (e + y - z) / (e + 1)
