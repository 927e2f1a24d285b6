r"""Strictly increasing transforms of a column's numbers, with their derivatives.

A transform is piecewise linear through some knots (t_k, u_k) and goes on with the slopes of its first and last piece,
so it is invertible on all of R and its density is known everywhere:

    u = g(t) = u_k + s_k (t - t_k),   s_k = (u_{k+1} - u_k) / (t_{k+1} - t_k),     t = r, or t = log(r - origin)
    log p(r) = log p(u) + log g'(r),  log g'(r) = log s_k [ - log(r - origin) ]

    quantile   knots at quantiles of the training rows, u_k = Phi^{-1}(q_k): u is about normal, whatever the column is
    standard   two knots: u = (r - mean) / standard deviation
    log        two knots in t = log(r - origin), origin a little below the least number
"""

from __future__ import annotations

from itertools import pairwise
from math import isfinite
from statistics import NormalDist
from typing import Literal, Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pushforward.models.config.config import Config

Reals = NDArray[np.float64]
TransformName = Literal["quantile", "standard", "log"]

MAX_KNOTS = 100
NARROWEST = 1e-9  # distance of two knots, as a share of the column's range: nearer ones are one
LOG_MARGIN = 0.01  # between the origin of a logarithm and the least number, as a share of the median above it


@final
class NumberTransform(Config):
    """A strictly increasing, piecewise linear map of the reals, of a number or of its logarithm."""

    knots: tuple[float, ...] = Field(min_length=2, max_length=MAX_KNOTS)
    """Where the slope changes: t_k."""
    images: tuple[float, ...] = Field(min_length=2, max_length=MAX_KNOTS)
    """What networks see there: u_k."""
    origin: float | None = None
    """Where the number's logarithm is taken from; null where the number itself is mapped."""

    @model_validator(mode="after")
    def _increasing(self) -> Self:
        if len(self.knots) != len(self.images):
            raise ValueError("there is an image for each knot")
        for values in (self.knots, self.images):
            if not all(map(isfinite, values)) or not all(a < b for a, b in pairwise(values)):
                raise ValueError("knots and images are finite and increase")
        return self


def fitted(name: TransformName, numbers: Reals) -> NumberTransform:
    """The transform of this name for a column with these numbers, (N,), of which two differ."""
    match name:
        case "quantile":
            return _quantile(numbers)
        case "standard":
            return _standard(numbers)
        case "log":
            least = float(numbers.min())
            above = float(np.median(numbers)) - least or float(numbers.max()) - least
            origin = least - LOG_MARGIN * above
            return _standard(np.log(numbers - origin)).model_copy(update={"origin": origin})


def _standard(t: Reals) -> NumberTransform:
    mean, scale = float(t.mean()), float(t.std())
    return NumberTransform(knots=(mean, mean + scale), images=(0.0, 1.0))


def _quantile(r: Reals) -> NumberTransform:
    """Knots at quantiles; of ties, which have one knot, the middle of their ranks."""
    distinct, n_each = np.unique(r, return_counts=True)
    q = (np.cumsum(n_each) - 0.5 * n_each) / len(r)  # the middle rank of each value, in (0, 1)
    normal = NormalDist()
    if len(distinct) > MAX_KNOTS:  # evenly spaced for networks, so that the tails have knots, too
        wanted = [normal.cdf(u) for u in np.linspace(normal.inv_cdf(q[0]), normal.inv_cdf(q[-1]), MAX_KNOTS)]
        between = np.searchsorted(q, wanted[1:-1]).clip(0, len(q) - 1)
        kept = np.unique([0, *between, len(q) - 1])
        distinct, q = distinct[kept], q[kept]
    apart = NARROWEST * float(distinct[-1] - distinct[0])
    knots, ranks = [float(distinct[0])], [float(q[0])]
    for value, rank in zip(distinct[1:].tolist(), q[1:].tolist(), strict=True):
        if value - knots[-1] > apart:
            knots.append(value)
            ranks.append(rank)
    if len(knots) < 2:
        return _standard(r)
    return NumberTransform(knots=tuple(knots), images=tuple(normal.inv_cdf(rank) for rank in ranks))
