r"""Distributions over levels 0, ..., L - 1, element by element.

    categorical:                P(y) = softmax(l)_y
    mixture of logistics:       P(y) = sum_m softmax(l)_m [F_m(v_y + h) - F_m(v_y - h)],
                                F_m(v) = sigmoid((v - mu_m) / s_m),     v_y = 2 y / (L - 1) - 1,     h = 1 / (L - 1)

A level's bin is centered on it, [y - 1/2, y + 1/2], and the outermost bins are open: F(v_0 - h) = 0 and
F(v_{L-1} + h) = 1, so the probabilities add up to one. With a < b the ends of a bin in units of s about mu,

    log [sigmoid(b) - sigmoid(a)] = log sigmoid(b) + log sigmoid(-a) + log (1 - exp(-(b - a))),

which is finite wherever a and b are; an open end takes its factor away, and the last one too. Scales are kept between
exp(-7), where a logistic fills one bin of 256, and exp(7), where all bins are alike.

References:
    | Pixel Recurrent Neural Networks (van den Oord et al., 2016), https://arxiv.org/abs/1601.06759
    | PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor

LOG_SCALE_RANGE = (-7.0, 7.0)  # of a logistic, levels being spread over [-1, 1]


def categorical_log_prob(logits: Tensor, level: Tensor) -> Tensor:
    """Log P(level), (B, *shape).  logits: (B, L, *shape); level: (B, *shape) int64."""
    return logits.log_softmax(1).gather(1, level[:, None]).squeeze(1)


def categorical_mean(logits: Tensor) -> Tensor:
    """The mean level, (B, *shape).  logits: (B, L, *shape)."""
    level = torch.arange(logits.shape[1], device=logits.device, dtype=logits.dtype)
    return torch.einsum("bl...,l->b...", logits.softmax(1), level)


def categorical_draw(logits: Tensor, u01: Tensor) -> Tensor:
    """A level, (B, *shape) int64: how many cumulative probabilities lie below u01.

    Arguments:
        logits: (B, L, *shape).
        u01: uniform in (0, 1), (B, *shape).
    """
    below = logits.softmax(1).cumsum(1)[:, :-1] < u01[:, None]  # the last is 1, but for rounding
    return below.sum(1)


def logistic_mixture_log_prob(params: Tensor, level: Tensor, levels: int) -> Tensor:
    """Log P(level), (B, *shape).

    Arguments:
        params: logits of the M weights, means and log-scales, (B, 3 M, *shape).
        level: (B, *shape) int64.
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


def logistic_mixture_mean(params: Tensor, levels: int) -> Tensor:
    """The mean level, (B, *shape): the sum over k = 1, ..., L - 1 of P(y >= k).  params: (B, 3 M, *shape)."""
    logits, mean, log_scale = _parts(params)
    h, rate = 1 / (levels - 1), (-log_scale).exp()
    at_least = torch.zeros_like(mean)
    for k in range(1, levels):
        at_least = at_least + ((mean - (2 * k - 1) * h + 1) * rate).sigmoid()
    return (logits.softmax(1) * at_least).sum(1)


def logistic_mixture_draw(params: Tensor, u01_component: Tensor, u01_value: Tensor, levels: int) -> Tensor:
    """A level, (B, *shape) int64: the nearest to a draw of one of the logistics.

    Arguments:
        params: (B, 3 M, *shape).
        u01_component, u01_value: uniform in (0, 1), (B, *shape).
        levels: L.
    """
    logits, mean, log_scale = _parts(params)
    m = categorical_draw(logits, u01_component)[:, None]
    v = mean.gather(1, m) + log_scale.gather(1, m).exp() * torch.logit(u01_value)[:, None]
    y = (v.squeeze(1) + 1) * (levels - 1) / 2
    return y.round().clamp(0, levels - 1).long()


def _parts(params: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Logits, means and log-scales, (B, M, *shape) each."""
    logits, mean, log_scale = params.chunk(3, dim=1)
    return logits, mean, log_scale.clamp(*LOG_SCALE_RANGE)
