r"""Discrete distributions over the levels 0, ..., L - 1 of each element.

    categorical:                P(y) = softmax(l)_y
    mixture of logistics:       P(y) = sum_m softmax(l)_m [F_m(v_y + h) - F_m(v_y - h)],
                                F_m(v) = sigmoid((v - mu_m) / s_m),     v_y = 2 y / (L - 1) - 1,     h = 1 / (L - 1)

A level's bin is centered on it, [y - 1/2, y + 1/2], and the outermost bins are open: F(v_0 - h) = 0 and
F(v_{L-1} + h) = 1, so the probabilities add up to one. With a < b the ends of a bin in units of s about mu,

    log [sigmoid(b) - sigmoid(a)] = log sigmoid(b) + log sigmoid(-a) + log (1 - exp(-(b - a))),

which is finite wherever a and b are; an open end takes its factor away, and the last one too. Scales are kept between
exp(-7), where a logistic fills one bin of 256, and exp(7), where all bins are alike.

The mean level is the sum of P(y >= k) = sigmoid(r (m - k + 1/2)) over k = 1, ..., L - 1, with m and r in units of
levels. What it takes does not grow with L: where r > 1/2, the terms are 1 or 0 but for 81 of them; where r <= 1/2, the
sum is a midpoint rule, and by the formula of Euler and Maclaurin, with t from r (m - L + 1) to r m,

    sum = [ softplus(t) / r - r sigmoid^(1)(t) / 24 + 7 r^3 sigmoid^(3)(t) / 5760 ].

Example:
    >>> import torch
    >>> from pushforward.models.distributions.levels import logistic_mixture_log_prob
    >>> params = torch.zeros(4, 3, 1)  # of one logistic: logit, mean and log-scale
    >>> level = torch.arange(4)[:, None]
    >>> logistic_mixture_log_prob(params, level, levels=4).exp().sum().round(decimals=4)
    tensor(1.)

References:
    | Pixel Recurrent Neural Networks (van den Oord et al., 2016), https://arxiv.org/abs/1601.06759
    | PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float, Int
    from torch import Tensor

LOG_SCALE_RANGE = (-7.0, 7.0)  # of a logistic, levels being spread over [-1, 1]
NEAR_LEVELS = 40  # from the middle of a logistic of scale 2 to where it has ended, exp(-20)


def categorical_log_prob(
    logits: Float[Tensor, "B L *shape"], level: Int[Tensor, " B *shape"]
) -> Float[Tensor, " B *shape"]:
    """Log P(level)."""
    return logits.log_softmax(1).gather(1, level[:, None]).squeeze(1)


def categorical_mean(logits: Float[Tensor, "B L *shape"]) -> Float[Tensor, " B *shape"]:
    """The mean level."""
    level = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    return torch.einsum("bl...,l->b...", logits.softmax(1), level)


def categorical_draw(logits: Float[Tensor, "B L *shape"], u01: Float[Tensor, " B *shape"]) -> Int[Tensor, " B *shape"]:
    """A sample of the level: how many cumulative probabilities lie below u01, uniform in (0, 1)."""
    below = logits.softmax(1).cumsum(1)[:, :-1] < u01[:, None]  # the last is 1, but for rounding
    return below.sum(1)


def logistic_mixture_log_prob(
    params: Float[Tensor, "B P *shape"], level: Int[Tensor, " B *shape"], levels: int
) -> Float[Tensor, " B *shape"]:
    """Log P(level).

    Arguments:
        params: logits of the M weights, M means and M log-scales: P = 3 M.
        levels: L.
    """
    logits, mean, log_scale = _parts(params)
    h, level = 1 / (levels - 1), level[:, None]
    v = 2 * h * level.to(params.dtype) - 1
    below = F.logsigmoid((v + h - mean) * (-log_scale).exp())  # log F at the upper end
    above = F.logsigmoid((mean - v + h) * (-log_scale).exp())  # log (1 - F) at the lower end
    inner = (-torch.expm1(-2 * h * (-log_scale).exp())).log()
    first, last = level == 0, level == levels - 1
    log_p = below.masked_fill(last, 0.0) + above.masked_fill(first, 0.0) + inner.masked_fill(first | last, 0.0)
    return (logits.log_softmax(1) + log_p).logsumexp(1)


def logistic_mixture_mean(params: Float[Tensor, "B P *shape"], levels: int) -> Float[Tensor, " B *shape"]:
    """The mean level: the sum over k = 1, ..., L - 1 of P(y >= k)."""
    logits, mean, log_scale = _parts(params.double())
    step, near = 2 / (levels - 1), 2 * NEAR_LEVELS + 1
    middle, rate = (mean + 1) / step, (-log_scale).exp() * step  # in levels
    if levels - 1 <= near:
        at_least = _at_least(middle, rate, torch.zeros_like(middle), levels - 1)
    else:
        first = (middle.round() - NEAR_LEVELS).clamp(0, levels - 1 - near)  # P(y >= k) of the levels before is 1
        at_least = torch.where(rate > 0.5, first + _at_least(middle, rate, first, near), _smooth(middle, rate, levels))
    return (logits.softmax(1) * at_least).sum(1).to(params.dtype)


def logistic_mixture_draw(
    params: Float[Tensor, "B P *shape"],
    u01_component: Float[Tensor, " B *shape"],
    u01_value: Float[Tensor, " B *shape"],
    levels: int,
) -> Int[Tensor, " B *shape"]:
    """A sample of the level: the nearest to a sample of one of the logistics.

    Arguments:
        u01_component, u01_value: uniform in (0, 1).
        levels: L.
    """
    logits, mean, log_scale = _parts(params)
    m = categorical_draw(logits, u01_component)[:, None]
    v = mean.gather(1, m) + log_scale.gather(1, m).exp() * torch.logit(u01_value)[:, None]
    y = (v.squeeze(1) + 1) * (levels - 1) / 2
    return y.round().clamp(0, levels - 1).long()


def _at_least(middle: Tensor, rate: Tensor, first: Tensor, n: int) -> Tensor:
    """The sum of P(y >= k) over the n levels after `first`."""
    total = torch.zeros_like(middle)
    for k in range(1, n + 1):
        total = total + ((middle - first - k + 0.5) * rate).sigmoid()
    return total


def _smooth(middle: Tensor, rate: Tensor, levels: int) -> Tensor:
    """The sum over all levels by its integral and two terms of Euler and Maclaurin, for logistics that span levels."""
    total = torch.zeros_like(middle)
    for sign, end in ((1.0, 0.0), (-1.0, levels - 1.0)):
        t = (middle - end) * rate
        slope = t.sigmoid() * (-t).sigmoid()
        bend = slope * (1 - 6 * slope)
        total = total + sign * (F.softplus(t) / rate - rate * slope / 24 + 7 * rate**3 * bend / 5760)
    return total


def _parts(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, means and log-scales, (B, M, *shape) each."""
    logits, mean, log_scale = params.chunk(3, dim=1)
    return logits, mean, log_scale.clamp(*LOG_SCALE_RANGE)
