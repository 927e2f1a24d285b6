"""Kullback-Leibler, its reverse, and their sum."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pushforward.models.adversarial.divergences.divergence import EITHER, NARROW, WIDE, FDivergence, RatioFDivergence
from pushforward.models.adversarial.safe import log_wright_omega, safe_exp

if TYPE_CHECKING:
    from torch import Tensor


class KL(RatioFDivergence):
    """Kullback-Leibler, from the data to the model: covers all modes."""

    divergence: Literal["kl"] = "kl"

    @property
    def infinite(self) -> str | None:
        return NARROW

    def f(self, u: Tensor) -> Tensor:
        return u * u.log()

    def slope(self, u: Tensor) -> Tensor:
        return 1 + u.log()

    def conjugate(self, t: Tensor) -> Tensor:
        return safe_exp(t - 1)

    def activation(self, v: Tensor) -> Tensor:
        return v

    def fused(self, v: Tensor) -> Tensor:
        return safe_exp(v - 1)

    def log_ratio(self, v: Tensor) -> Tensor:
        return v - 1


class ReverseKL(RatioFDivergence):
    """Kullback-Leibler, from the model to the data: seeks modes."""

    divergence: Literal["reverse_kl"] = "reverse_kl"

    @property
    def infinite(self) -> str | None:
        return WIDE

    def f(self, u: Tensor) -> Tensor:
        return -u.log()

    def slope(self, u: Tensor) -> Tensor:
        return -1 / u

    def conjugate(self, t: Tensor) -> Tensor:
        return -1 - (-t).log()

    def activation(self, v: Tensor) -> Tensor:
        return -safe_exp(-v)

    def fused(self, v: Tensor) -> Tensor:
        return v - 1

    def log_ratio(self, v: Tensor) -> Tensor:
        return v


class Jeffrey(FDivergence):
    """The sum of both Kullback-Leibler divergences."""

    divergence: Literal["jeffrey"] = "jeffrey"

    @property
    def infinite(self) -> str | None:
        return EITHER

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) * u.log()

    def slope(self, u: Tensor) -> Tensor:
        return 1 + u.log() - 1 / u

    def conjugate(self, t: Tensor) -> Tensor:
        log_w = log_wright_omega(1 - t)
        return safe_exp(log_w) + safe_exp(-log_w) + t - 2

    def activation(self, v: Tensor) -> Tensor:
        return v

    def fused(self, v: Tensor) -> Tensor:
        return self.conjugate(v)
