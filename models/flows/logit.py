r"""From bounded data to the reals and back.

Flows and Gaussians live on all of R; bounded data do not. Per element, with the range [a, b], widened by half a bin
on either side where data have levels,

    s = alpha + (1 - 2 alpha) (x - a) / (b - a),      v = logit s = log s - log(1 - s),
    log |dv/dx| = log((1 - 2 alpha) / (b - a)) - log s - log(1 - s),

where alpha keeps v finite at the ends of the range. Unbounded data are normalized instead and, with heavy tails,
compressed beyond some standard deviations (`models.distributions.tails`).

References:
    | Masked Autoregressive Flow for Density Estimation (Papamakarios et al., 2017), https://arxiv.org/abs/1705.07057
    | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from pushforward.models.distributions.tails import Tails, compress_tails, expand_tails
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.spec.data_spec import DataSpec


def to_reals(spec: DataSpec, x: Tensor, alpha: float, tails: Tails = "gaussian") -> tuple[Tensor, Tensor]:
    """Data units to v, (B, D), and log |det dv/dx|, (B,) float64 nats.  x: (B, *shape), inside the widened range."""
    if spec.low is None or spec.high is None:
        u, log_det_u = spec.normalize(x).flatten(1), spec.log_jacobians(x)
        if tails == "gaussian":
            return u, log_det_u
        v, log_det_v = compress_tails(u)
        return v, log_det_u + log_det_v
    margin = _margin(spec)
    s = alpha + (1 - 2 * alpha) * spec.to_fraction(x, margin=margin).flatten(1)
    v = torch.logit(s)
    slope = (F.softplus(v) + F.softplus(-v)).sum(1)  # -log(1 - s) - log s
    return v, slope.double() + spec.size * log((1 - 2 * alpha) / (spec.high - spec.low + 2 * margin))


def from_reals(spec: DataSpec, v: Tensor, alpha: float, tails: Tails = "gaussian") -> Tensor:
    """The inverse of `to_reals`.  v: (B, D).  Returns (B, *shape), data units; off the range by alpha at most."""
    if spec.low is None:
        u = v if tails == "gaussian" else expand_tails(v)
        return spec.denormalize(u.view(len(u), *spec.shape))
    s = (torch.sigmoid(v) - alpha) / (1 - 2 * alpha)
    return spec.from_fraction(s.view(len(v), *spec.shape), margin=_margin(spec))


def _margin(spec: DataSpec) -> float:
    """How far [a, b], the range of data or of the bins of its levels, goes beyond the data's own."""
    return 0.0 if spec.levels is None else spec.bin_width / 2
