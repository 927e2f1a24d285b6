r"""Functions on the unit cube whose integrals are known: a union.

With x in [0, 1]^d, a difficulty a and a place u, the same for all elements:

    oscillatory     cos(2 pi u + a sum_i x_i)                     Re e^(2 pi i u) ((e^(i a) - 1) / (i a))^d
    product_peak    prod_i 1 / (a^-2 + (x_i - u)^2)               (a arctan a (1 - u) + a arctan a u)^d
    corner_peak     (1 + a sum_i x_i)^-(d + 1)                    sum_k C(d, k) (-1)^k / (1 + k a) / (d! a^d)
    gaussian_peak   exp(-a^2 sum_i (x_i - u)^2)                   (sqrt(pi) / 2a (erf a (1 - u) + erf a u))^d
    camel           two Gaussians, at 1/3 and 2/3 of the diagonal, of standard deviation s / sqrt 2 and mass 1/2 each
                    (erf(1 / 3s) / 2 + erf(2 / 3s) / 2)^d

The alternating sum of a corner peak loses digits as d grows, so it is taken in fractions.

References:
    | Testing multidimensional integration routines (Genz, 1984)
    | A New Algorithm for Adaptive Multidimensional Integration (Lepage, 1978), doi:10.1016/0021-9991(78)90004-9: camel
"""

from __future__ import annotations

import cmath
from abc import ABC, abstractmethod
from fractions import Fraction
from math import atan, comb, erf, factorial, log, pi, sqrt
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

Place = Annotated[float, Field(ge=0.0, le=1.0)]


class Integrand(Config, ABC):
    """A function on [0, 1]^d, with its integral."""

    integrand: str

    @abstractmethod
    def log_abs(self, x: Tensor) -> Tensor:
        """Log |f(x)|, (B,): a peak in many dimensions has no other number.  x: (B, d) in [0, 1]."""

    def __call__(self, x: Tensor) -> Tensor:
        """f(x), (B,), positive unless an integrand says otherwise."""
        return self.log_abs(x).exp()

    @abstractmethod
    def integral(self, d: int) -> float:
        """The integral of f over [0, 1]^d, exact."""


@final
class Oscillatory(Integrand):
    """A plane wave, of both signs."""

    integrand: Literal["oscillatory"] = "oscillatory"
    a: PositiveFloat = Field(3.0, le=100.0)
    """Frequency of the oscillation."""
    u: Place = 0.0
    """Phase of the oscillation."""

    def __call__(self, x: Tensor) -> Tensor:
        return torch.cos(2 * pi * self.u + self.a * x.sum(1))

    def log_abs(self, x: Tensor) -> Tensor:
        return self(x).abs().log()

    def integral(self, d: int) -> float:
        wave = (cmath.exp(1j * self.a) - 1) / (1j * self.a)
        return (cmath.exp(2j * pi * self.u) * wave**d).real


@final
class ProductPeak(Integrand):
    """A peak with heavy tails along the axes."""

    integrand: Literal["product_peak"] = "product_peak"
    a: PositiveFloat = Field(5.0, le=100.0)
    """How sharp the peak is."""
    u: Place = 0.5
    """Where the peak lies, in each coordinate."""

    def log_abs(self, x: Tensor) -> Tensor:
        return -(self.a**-2 + (x - self.u) ** 2).log().sum(1)

    def integral(self, d: int) -> float:
        return (self.a * (atan(self.a * (1 - self.u)) + atan(self.a * self.u))) ** d


@final
class CornerPeak(Integrand):
    """A peak at the origin."""

    integrand: Literal["corner_peak"] = "corner_peak"
    a: PositiveFloat = Field(3.0, le=100.0)
    """How sharp the peak is."""

    def log_abs(self, x: Tensor) -> Tensor:
        return -(x.shape[1] + 1) * torch.log1p(self.a * x.sum(1))

    def integral(self, d: int) -> float:
        a = Fraction(self.a)
        total = sum(comb(d, k) * (-1) ** k / (1 + k * a) for k in range(d + 1))
        return float(total / (factorial(d) * a**d))


@final
class GaussianPeak(Integrand):
    """A Gaussian, cut by the cube."""

    integrand: Literal["gaussian_peak"] = "gaussian_peak"
    a: PositiveFloat = Field(5.0, le=100.0)
    """How sharp the peak is."""
    u: Place = 0.5
    """Where the peak lies, in each coordinate."""

    def log_abs(self, x: Tensor) -> Tensor:
        return -(self.a**2) * ((x - self.u) ** 2).sum(1)

    def integral(self, d: int) -> float:
        return (sqrt(pi) / (2 * self.a) * (erf(self.a * (1 - self.u)) + erf(self.a * self.u))) ** d


@final
class Camel(Integrand):
    """Two Gaussians on the diagonal: a product of one-dimensional grids finds four humps in the plane, 2^d in d."""

    integrand: Literal["camel"] = "camel"
    s: PositiveFloat = Field(0.1, ge=0.01, le=1.0)
    """Width of the two humps."""

    def log_abs(self, x: Tensor) -> Tensor:
        humps = torch.stack([-(((x - at) / self.s) ** 2).sum(1) for at in (1 / 3, 2 / 3)])
        return humps.logsumexp(0) - log(2) - x.shape[1] * log(self.s * sqrt(pi))

    def integral(self, d: int) -> float:
        return (erf(1 / (3 * self.s)) / 2 + erf(2 / (3 * self.s)) / 2) ** d


AnyIntegrand = Annotated[
    Oscillatory | ProductPeak | CornerPeak | GaussianPeak | Camel, Field(discriminator="integrand")
]
