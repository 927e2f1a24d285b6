r"""Distributions over the counts 0, 1, 2, ...: Poisson, and negative binomial.

    Poisson             P(k) = lambda^k exp(-lambda) / k!
    negative binomial   P(k) = Gamma(k + r) / (Gamma(r) k!)  (1 + a mu)^-r  (a mu / (1 + a mu))^k,      r = 1 / a

of the mean mu and the dispersion a: a count whose rate is a gamma variable of mean mu and variance a mu^2, so that its
variance is mu + a mu^2. As a goes to 0 it is the Poisson of rate mu. With s = log a + log mu,

    log P(k) = log Gamma(k + r) - log Gamma(r) - log k! + k log sigmoid(s) - r softplus(s).

Values are computed in float64: at k = 10^6 the terms are 10^7, and float32 would keep no digit of their difference.

A draw is the inverse of the distribution function, one uniform u for one count: the least k with F(k) >= u,

    F(k) = Q(k + 1, lambda),      F(k) = 1 - I_q(k + 1, r),  q = a mu / (1 + a mu),

Q and I being the regularized incomplete gamma and beta functions. By Cantelli's inequality that k lies between
mu - sigma sqrt((1 - u) / u) and mu + sigma sqrt(u / (1 - u)); the interval is halved until one number is left.

Example:
    >>> import torch
    >>> from pushforward.models.distributions.counts import poisson_log_prob
    >>> k = torch.arange(60)
    >>> poisson_log_prob(torch.tensor(2.0).log().expand(60), k).exp().sum().round(decimals=4)
    tensor(1., dtype=torch.float64)

References:
    | Univariate Discrete Distributions (Johnson, Kemp & Kotz, 2005), chapters 4 and 5
    | Sui confini della probabilita (Cantelli, 1928)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

Doubles = NDArray[np.float64]


def poisson_log_prob(log_rate: Float[Tensor, "*shape"], k: Shaped[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Log P(k), float64; finite for all rates that float64 holds."""
    log_rate, k = log_rate.double(), k.double()
    return k * log_rate - log_rate.exp() - torch.lgamma(k + 1)


def negative_binomial_log_prob(
    log_mean: Float[Tensor, "*shape"], log_dispersion: Float[Tensor, "..."], k: Shaped[Tensor, "*shape"]
) -> Float[Tensor, "*shape"]:
    """Log P(k), float64.  log_dispersion: log a, of any shape that broadcasts to that of the others."""
    log_mean, log_dispersion, k = log_mean.double(), log_dispersion.double(), k.double()
    r, s = (-log_dispersion).exp(), log_mean + log_dispersion
    log_ways = torch.lgamma(k + r) - torch.lgamma(r) - torch.lgamma(k + 1)
    return log_ways + k * F.logsigmoid(s) - r * F.softplus(s)


def poisson_draw(log_rate: Float[Tensor, "*shape"], u: Float[Tensor, "*shape"], most: int) -> Float[Tensor, "*shape"]:
    """The count at u in (0, 1), or `most` where that is less; float64."""
    from scipy.special import pdtr

    rate = np.exp(_numbers(log_rate))
    return _like(u, least(pdtr, _numbers(u), rate, rate, most, rate))


def negative_binomial_draw(
    log_mean: Float[Tensor, "*shape"],
    log_dispersion: Float[Tensor, "..."],
    u: Float[Tensor, "*shape"],
    most: int,
) -> Float[Tensor, "*shape"]:
    """The count at u in (0, 1), or `most` where that is less; float64."""
    from scipy.special import betaincc

    mean = np.exp(_numbers(log_mean))
    dispersion = np.exp(_numbers(log_dispersion.expand_as(log_mean)))
    q = dispersion * mean / (1 + dispersion * mean)
    variance = mean * (1 + dispersion * mean)

    def cdf(k: Doubles, r: Doubles, q: Doubles) -> Doubles:
        below: Doubles = betaincc(k + 1, r, q)
        return below

    return _like(u, least(cdf, _numbers(u), mean, variance, most, 1 / dispersion, q))


def least(
    cdf: Callable[..., Doubles], u: Doubles, mean: Doubles, variance: Doubles, most: int, *of_cdf: Doubles
) -> Doubles:
    """The least k, at most `most`, with cdf(k) >= u, for each of M distributions, (M,).

    Arguments:
        cdf: their distribution function F(k, *of_cdf), (m,), of some of the counts.
        u: in (0, 1), (M,).
        mean, variance: of each, (M,).
        of_cdf: its parameters, (M,) each.
    """
    deviation = np.sqrt(variance)
    below = np.floor(mean - deviation * np.sqrt((1 - u) / u)).clip(1, most) - 2  # and 2 more, for rounding
    above: Doubles = np.ceil(mean + deviation * np.sqrt(u / (1 - u)) + 1).clip(0, most)
    while len(wide := np.flatnonzero(above - below > 1)):
        middle = np.floor((below[wide] + above[wide]) / 2)
        reached = cdf(middle, *(each[wide] for each in of_cdf)) >= u[wide]
        above[wide] = np.where(reached, middle, above[wide])
        below[wide] = np.where(reached, below[wide], middle)
    return above


def _numbers(x: Tensor) -> Doubles:
    """The numbers of a tensor in a row, (M,) float64."""
    numbers: Doubles = x.detach().double().flatten().cpu().numpy()
    return numbers


def _like(u: Tensor, k: Doubles) -> Tensor:
    return torch.from_numpy(k).to(u.device).view(u.shape)
