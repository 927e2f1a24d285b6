r"""Heavy tails: a bijection that brings outliers near the other rows.

A flow whose maps end in the identity has the tails of its base, log p ~ -u^2 / 2: a row 88 deviations out costs 3,870
nats, however well the flow is trained. Elements beyond b deviations are therefore compressed before the flow,

    v = sign(u) sqrt(b^2 + 2 nu L),    L = log(1 + b (|u| - b) / nu),    |u| > b,
    log dv/du = log b - log |v| - L,

which is the identity up to b and has no kink there. Under v ~ N(0, 1) the density beyond b is

    p(u) = phi(v) dv/du = phi(b) e^{-nu L} dv/du ~ |u|^{-(nu + 1)},

the tail of Student's t with nu degrees of freedom. The inverse is L = (v^2 - b^2) / (2 nu),
|u| = b + (e^L - 1) nu / b. With b = 3 and nu = 2 few rows of light-tailed data are moved, and the ends of a spline at
v = 5 lie at u = 39: a spline learns how many rows there are on the way.

Example:
    >>> import torch
    >>> from pushforward.models.distributions.tails import compress_tails, expand_tails
    >>> v, log_det = compress_tails(torch.tensor([[1.0, 40.5]]))
    >>> v
    tensor([[1.0000, 5.0189]])
    >>> expand_tails(v)
    tensor([[ 1.0000, 40.5000]])

References:
    | Flexible Tails for Normalizing Flows (Hickling & Prangle, 2024), https://arxiv.org/abs/2406.16971: such a map
    | outside the flow, rather than a base with heavy tails
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Literal

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

Tails = Literal["heavy", "gaussian"]  # Student's t, or those of the base space

B, NU = 3.0, 2.0
LIMIT = 80.0  # of L: e^80 is finite in float32; v = 18 there, where no draw of a normal comes


def compress_tails(u: Float[Tensor, "N D"]) -> tuple[Float[Tensor, "N D"], Float[Tensor, " N"]]:
    """V, and log |det dv/du|.  u: network units."""
    size = u.abs()
    beyond = size > B
    log_ratio = torch.log1p(B * (size - B).clamp_min(0.0) / NU)  # L
    drawn = (B**2 + 2 * NU * log_ratio).sqrt()
    log_slope = torch.where(beyond, log(B) - drawn.log() - log_ratio, 0.0)
    return torch.where(beyond, drawn.copysign(u), u), log_slope.sum(1)


def expand_tails(v: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
    """The inverse of `compress_tails`."""
    size = v.abs()
    log_ratio = ((size**2 - B**2).clamp_min(0.0) / (2 * NU)).clamp_max(LIMIT)
    return torch.where(size > B, (B + torch.expm1(log_ratio) * NU / B).copysign(v), v)
