"""Bounded divergences: Jensen-Shannon in three forms, and the total variation."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pushforward.models.adversarial.divergences.divergence import FDivergence, RatioFDivergence
from pushforward.models.adversarial.safe import log_one_minus_exp, log_softplus
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor


class JensenShannon(RatioFDivergence):
    """Twice the Jensen-Shannon divergence."""

    divergence: Literal["jensen_shannon"] = "jensen_shannon"

    def f(self, u: Tensor) -> Tensor:
        return u * u.log() - (u + 1) * ((1 + u) / 2).log()

    def slope(self, u: Tensor) -> Tensor:
        return (2 * u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -(2 - t.exp()).log()

    def activation(self, v: Tensor) -> Tensor:
        return log(2) - F.softplus(-v)

    def fused(self, v: Tensor) -> Tensor:
        return F.softplus(v) - log(2)

    def log_ratio(self, v: Tensor) -> Tensor:
        return v


class WeightedJensenShannon(FDivergence):
    """The Jensen-Shannon divergence with weight pi of the data: between the two Kullback-Leibler divergences."""

    divergence: Literal["weighted_jensen_shannon"] = "weighted_jensen_shannon"
    pi: float = Field(0.3, gt=0.0, lt=1.0)
    """Weight of the data."""

    def f(self, u: Tensor) -> Tensor:
        mean = 1 - self.pi + self.pi * u
        return self.pi * u * u.log() - mean * mean.log()

    def slope(self, u: Tensor) -> Tensor:
        return self.pi * (u / (1 - self.pi + self.pi * u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return (1 - self.pi) * (log(1 - self.pi) - (1 - self.pi * (t / self.pi).exp()).log())

    def activation(self, v: Tensor) -> Tensor:
        return -self.pi * log(self.pi) - F.softplus(-v)

    def fused(self, v: Tensor) -> Tensor:
        log_below_one = log_one_minus_exp(log_softplus(-v) - log(self.pi))  # of 1 - sigmoid(v)^(1/pi)
        return (1 - self.pi) * (log(1 - self.pi) - log_below_one)


class GANDivergence(RatioFDivergence):
    """The divergence of the classifier's game: twice Jensen-Shannon, less log 4."""

    divergence: Literal["gan"] = "gan"

    def f(self, u: Tensor) -> Tensor:
        return u * u.log() - (u + 1) * (u + 1).log()

    def slope(self, u: Tensor) -> Tensor:
        return (u / (1 + u)).log()

    def conjugate(self, t: Tensor) -> Tensor:
        return -torch.log(-torch.expm1(t))

    def activation(self, v: Tensor) -> Tensor:
        return -F.softplus(-v)

    def fused(self, v: Tensor) -> Tensor:
        return F.softplus(v)

    def log_ratio(self, v: Tensor) -> Tensor:
        return v


class TotalVariation(FDivergence):
    """The total variation distance."""

    divergence: Literal["total_variation"] = "total_variation"

    def f(self, u: Tensor) -> Tensor:
        return 0.5 * (u - 1).abs()

    def slope(self, u: Tensor) -> Tensor:
        return 0.5 * (u - 1).sign()

    def conjugate(self, t: Tensor) -> Tensor:
        return t

    def activation(self, v: Tensor) -> Tensor:
        return 0.5 * v.tanh()

    def fused(self, v: Tensor) -> Tensor:
        return 0.5 * v.tanh()
