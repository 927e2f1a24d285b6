r"""Mixtures of normals on the real line, whose parameters a network gives.

    p(u) = sum_m w_m N(u; mu_m, sigma_m^2)
    w = softmax(l),      mu_m = q_m + a_m,      sigma_m = `LEAST_SCALE` + softplus(b_m)

with q_m the quantiles of the standard normal at (m + 1/2) / M: where a network gives zeros, the normals are side by
side and not one, so that gradients tell them apart. The floor is there because a density at a point has no bound.

The mass of a bin is the mixture of those of its normals, exactly (`models.distributions.normal_bins`).

Example:
    >>> import torch
    >>> from pushforward.models.distributions.normal_mixtures import log_density
    >>> log_density(torch.zeros(1, 3), torch.zeros(1))  # one normal, of scale log 2 + 0.01
    tensor([-0.5667])

References:
    | Mixture Density Networks (Bishop, 1994), technical report NCRG/94/004, Aston University
    | RNADE: The real-valued neural autoregressive density-estimator (Uria et al., 2013), https://arxiv.org/abs/1306.0186
"""

from __future__ import annotations

from math import log, pi
from statistics import NormalDist
from typing import TYPE_CHECKING

from pushforward.models.distributions import normal_bins
from pushforward.models.distributions.levels import categorical_draw
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor

LEAST_SCALE = 0.01
PARAMS = 3  # of each normal: l, a, b


def log_density(params: Float[Tensor, "*shape P"], u: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Log p(u).  params: P = 3 M."""
    logits, mean, scale = _parts(params)
    standard = (u[..., None] - mean) / scale
    each = -0.5 * standard**2 - scale.log() - 0.5 * log(2 * pi)
    return (logits.log_softmax(-1) + each).logsumexp(-1)


def log_mass(
    params: Float[Tensor, "*shape P"],
    center: Float[Tensor, "..."],
    half: Float[Tensor, "..."],
    first: Bool[Tensor, "..."],
    last: Bool[Tensor, "..."],
) -> Float[Tensor, "*shape"]:
    """Log P of a bin: its center and half its width; the first is open below, the last above."""
    logits, mean, scale = _parts(params)
    each = normal_bins.log_probability(
        (center[..., None] - mean) / scale, half[..., None] / scale, first[..., None], last[..., None]
    )
    return (logits.log_softmax(-1) + each).logsumexp(-1)


def draw(params: Float[Tensor, "B P"], u01: Float[Tensor, " B"], normal: Float[Tensor, " B"]) -> Float[Tensor, " B"]:
    """A sample, from a uniform in (0, 1) and a standard normal."""
    logits, mean, scale = _parts(params)
    m = categorical_draw(logits, u01)[:, None]
    return mean.gather(1, m)[:, 0] + scale.gather(1, m)[:, 0] * normal


def _parts(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, means and scales, (..., M) each."""
    logits, a, b = params.chunk(PARAMS, -1)
    m = logits.shape[-1]
    q = torch.tensor([NormalDist().inv_cdf((i + 0.5) / m) for i in range(m)], dtype=a.dtype, device=a.device)
    return logits, q + a, LEAST_SCALE + F.softplus(b)
