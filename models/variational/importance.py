r"""The importance-weighted bound. With k independent draws z_i ~ q(z|x) and weights w_i = p(x, z_i) / q(z_i|x),

    log p(x) >= E log w_bar,      w_bar = (1/k) sum_i w_i,

the ELBO for k = 1, rising to log p(x) with k. What is computed is L = log w_bar, and its spread about its own mean is
that of the jackknife. With L_i the same number without draw i, and p_i = w_i / sum w the share of a draw,

    se^2 = (k - 1)/k sum_i (L_i - mean L)^2,      L_i = L + log(1 - p_i) + constant.

Where the weights are alike this is the delta method, sum_i (w_i / w_bar - 1)^2 / (k (k - 1)). That one never exceeds 1,
and is too small where few weights count; the jackknife sees the gap between the largest weight and the rest, and its
root mean square agrees with the spread of repeated draws there too, within a quarter, from Gaussian log-weights of
standard deviation 8 to weights without a mean. Log w is rounded, so se is at least some units in the last place of L.

How many draws count is (sum w)^2 / sum w^2 (Kong, 1992); the effective share is that number over k, between 1/k and 1.
Where it is below some 10/k the weights have collapsed: L lies far below log p(x) then, by how much nobody knows, and
`se` is itself known to a factor of two at best. That L lies below log p(x) is not in `se`.

Weights that are all zero have L = -inf, an error that is not known, inf, and the share 1/k.

References:
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | Jackknife Variational Inference (Nowozin, 2018), openreview HyZoi-WRb
    | The Jackknife Estimate of Variance (Efron & Stein, 1981), doi:10.1214/aos/1176345462
    | A Note on Importance Sampling using Standardized Weights (Kong, 1992), technical report 348, University of Chicago
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from pushforward.models.lazy import torch
from pushforward.models.stepwise.scoring import LogProb

if TYPE_CHECKING:
    from torch import Tensor

ROUNDING = 8.0  # of a log-density, in units of its last place


def importance_weighted_bound(log_w: Tensor) -> Tensor:
    """Log of the mean weight, (B,) nats.  log_w: (k, B)."""
    return log_w.logsumexp(0) - log(len(log_w))


def lower_bound(log_w: Tensor, dtype: torch.dtype) -> LogProb:
    """The bound with its standard error and the effective share; of one draw neither is known.

    Arguments:
        log_w: (k, B) nats, float64.
        dtype: what they were computed in.
    """
    bound = importance_weighted_bound(log_w)
    if len(log_w) == 1:
        return LogProb(bound, "lower_bound")
    share = effective_share(log_w) / (1 + rounding(bound, dtype) ** 2)  # rounding hides the rest
    terms = {"effective_share": share.clamp_min(1 / len(log_w))}
    return LogProb(bound, "lower_bound", with_rounding(jackknife_error(log_w), bound, dtype), terms)


def jackknife_error(log_w: Tensor) -> Tensor:
    """The standard error of the bound, (B,) nats; inf where all weights are zero, or all but one.  log_w: (k, B)."""
    log_w = _relative(log_w)
    k, total, i = len(log_w), log_w.logsumexp(0), log_w.argmax(0, keepdim=True)
    without = torch.log1p(-(log_w - total).exp().scatter(0, i, 0.0))  # L_i - L, but for a constant
    rest = log_w.scatter(0, i, -torch.inf).logsumexp(0, keepdim=True)
    without = without.scatter(0, i, rest - total)  # 1 - p_i of the largest has no digits left
    error = without.var(0, correction=0).mul(k - 1).sqrt()
    return error.masked_fill(rest[0] == -torch.inf, torch.inf)


def effective_share(log_w: Tensor) -> Tensor:
    """(sum w)^2 / (k sum w^2), (B,); 1/k where all weights are zero.  log_w: (k, B)."""
    log_w = _relative(log_w)
    share = (2 * log_w.logsumexp(0) - (2 * log_w).logsumexp(0)).exp() / len(log_w)
    return share.masked_fill(log_w.amax(0) == -torch.inf, 1 / len(log_w))


def with_rounding(error: Tensor, value: Tensor, dtype: torch.dtype) -> Tensor:
    """A standard error and, beside it, the rounding of a value that was computed in `dtype`.  Both (B,) nats."""
    return torch.hypot(error, rounding(value, dtype))


def rounding(value: Tensor, dtype: torch.dtype) -> Tensor:
    """How far off rounding puts a log-density, (B,) nats."""
    return ROUNDING * torch.finfo(dtype).eps * value.abs()


def _relative(log_w: Tensor) -> Tensor:
    """To the largest of each row, (k, B), so that differences keep their digits; unchanged where none has weight."""
    largest = log_w.amax(0)
    return log_w - largest.masked_fill(largest == -torch.inf, 0.0)
