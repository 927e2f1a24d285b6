"""Monotone maps of a real, by which bijections move one element at a time: a union.

    affine:  g(v) = exp(s) v + theta_2,  s = theta_1 / (1 + |theta_1| / log 1000): slopes from 1e-3 to 1e3
    spline:  g is a monotone rational-quadratic spline with K bins on [-5, 5], the identity outside

References:
    | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
    | Neural Spline Flows (Durkan et al., 2019), https://arxiv.org/abs/1906.04032
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Config
from pushforward.models.spec.data_spec import Shape


class Univariate(ABC):
    """A monotone map of a real, by its parameters."""

    @property
    @abstractmethod
    def shapes(self) -> Sequence[Shape]:
        """The shapes of its parameters."""

    @property
    @abstractmethod
    def univariate(self) -> Callable[..., Any]:
        """Makes the map from its parameters."""


class Transform(Config, Univariate, ABC):
    """A monotone map of a real, as a configuration."""

    transform: str
    """The monotone map of each element."""


@final
class Spline(Transform):
    """Rational-quadratic spline: K widths, K heights and K - 1 slopes; the identity outside [-5, 5]."""

    transform: Literal["spline"] = "spline"
    bins: int = Field(8, ge=2, le=64)
    """Bins of each spline."""

    @property
    def shapes(self) -> Sequence[Shape]:
        return (self.bins,), (self.bins,), (self.bins - 1,)

    @property
    def univariate(self) -> Callable[..., Any]:
        univariate: Callable[..., Any] = networks.RationalQuadratic
        return univariate


@final
class Affine(Transform):
    """Shift and log-scale, as in Real NVP."""

    transform: Literal["affine"] = "affine"

    @property
    def shapes(self) -> Sequence[Shape]:
        return (), ()

    @property
    def univariate(self) -> Callable[..., Any]:
        univariate: Callable[..., Any] = networks.Affine
        return univariate


@final
@dataclass(frozen=True)
class UnitCubeSpline(Univariate):
    """Rational-quadratic spline of [-5, 5] onto itself: K widths, K heights and K + 1 slopes."""

    bins: int

    @property
    def shapes(self) -> Sequence[Shape]:
        return (self.bins,), (self.bins,), (self.bins + 1,)

    @property
    def univariate(self) -> Callable[..., Any]:
        univariate: Callable[..., Any] = networks.CubeSpline
        return univariate


AnyTransform = Annotated[Spline | Affine, Field(discriminator="transform")]
