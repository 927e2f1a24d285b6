"""Divergences by powers of the ratio: the chi-squares, Hellinger, alpha."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Literal, Self

from pydantic import model_validator

from pushforward.models.adversarial.divergences.divergence import NARROW, WIDE, FDivergence, RatioFDivergence
from pushforward.models.adversarial.safe import log_softplus, safe_exp
from pushforward.models.lazy import F

if TYPE_CHECKING:
    from torch import Tensor


class Pearson(FDivergence):
    """Pearson's chi-square."""

    divergence: Literal["pearson"] = "pearson"

    @property
    def infinite(self) -> str | None:
        return NARROW

    def f(self, u: Tensor) -> Tensor:
        return (u - 1) ** 2

    def slope(self, u: Tensor) -> Tensor:
        return 2 * (u - 1)

    def conjugate(self, t: Tensor) -> Tensor:
        return t**2 / 4 + t

    def activation(self, v: Tensor) -> Tensor:
        return v

    def fused(self, v: Tensor) -> Tensor:
        return v**2 / 4 + v


class Neyman(RatioFDivergence):
    """Neyman's chi-square."""

    divergence: Literal["neyman"] = "neyman"

    @property
    def infinite(self) -> str | None:
        return WIDE

    def f(self, u: Tensor) -> Tensor:
        return (1 - u) ** 2 / u

    def slope(self, u: Tensor) -> Tensor:
        return 1 - u**-2

    def conjugate(self, t: Tensor) -> Tensor:
        return 2 - 2 * (1 - t).sqrt()

    def activation(self, v: Tensor) -> Tensor:
        return 1 - safe_exp(-v)

    def fused(self, v: Tensor) -> Tensor:
        return 2 - 2 * safe_exp(-v / 2)

    def log_ratio(self, v: Tensor) -> Tensor:
        return v / 2


class SquaredHellinger(RatioFDivergence):
    """The squared Hellinger distance."""

    divergence: Literal["squared_hellinger"] = "squared_hellinger"

    def f(self, u: Tensor) -> Tensor:
        return (u.sqrt() - 1) ** 2

    def slope(self, u: Tensor) -> Tensor:
        return 1 - u**-0.5

    def conjugate(self, t: Tensor) -> Tensor:
        return t / (1 - t)

    def activation(self, v: Tensor) -> Tensor:
        return 1 - safe_exp(-v)

    def fused(self, v: Tensor) -> Tensor:
        return safe_exp(v) - 1

    def log_ratio(self, v: Tensor) -> Tensor:
        return 2 * v


class Alpha(FDivergence):
    """The alpha-divergences, of which `reverse_kl` (0) and `kl` (1) are limits."""

    divergence: Literal["alpha"] = "alpha"
    alpha: float = 0.5
    """Its order a, neither 0 nor 1."""

    @property
    def infinite(self) -> str | None:
        return NARROW if self.alpha > 1 else WIDE if self.alpha < 0 else None

    @model_validator(mode="after")
    def _is_no_limit(self) -> Self:
        if self.alpha in (0.0, 1.0):
            name = "kl" if self.alpha else "reverse_kl"
            raise ValueError(f"alpha {self.alpha:g} is a limit; choose the divergence {name}")
        return self

    def f(self, u: Tensor) -> Tensor:
        a = self.alpha
        return (u**a - 1 - a * (u - 1)) / (a * (a - 1))

    def slope(self, u: Tensor) -> Tensor:
        return (u ** (self.alpha - 1) - 1) / (self.alpha - 1)

    def conjugate(self, t: Tensor) -> Tensor:
        a = self.alpha
        return F.relu(t * (a - 1) + 1) ** (a / (a - 1)) / a - 1 / a

    def activation(self, v: Tensor) -> Tensor:
        return v if self.alpha > 1 else 1 / (1 - self.alpha) - F.softplus(-v)

    def fused(self, v: Tensor) -> Tensor:
        a = self.alpha
        if a > 1:
            base = F.relu(v * (a - 1) + 1)
            is_zero = base == 0
            power = safe_exp(base.masked_fill(is_zero, 1.0).log() * (a / (a - 1)))
            return power.masked_fill(is_zero, 0.0) / a - 1 / a
        log_base = log(1 - a) + log_softplus(-v)  # of 1 + (a - 1) g_f(v), without its cancellation
        return safe_exp(log_base * (a / (a - 1))) / a - 1 / a
