r"""Priors of codes that can be drawn from, as adversarial and Wasserstein autoencoders need them.

Each pushes standard normals eps forward, so training and serving draw alike:

    gaussian:  z = eps
    uniform:   z = 2 Phi(eps) - 1 = erf(eps / sqrt(2)), on [-1, 1]^Z
    mixture:   z = c_k + spread eps, the centers c_k evenly on a circle in the first two dimensions, k uniform
    ring:      z = (radius + spread eps_0) e, e = eps / |eps| uniform on the sphere of Z dimensions; for Z = 2 a ring

References:
    | Adversarial Autoencoders (Makhzani et al., 2015), https://arxiv.org/abs/1511.05644
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import pi, sqrt
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor


class CodePrior(Config, ABC):
    """A distribution of codes that can be drawn from."""

    prior: str  # a Literal with a default in each final prior

    least_dimensions: ClassVar[int] = 1
    natural_path: ClassVar[PathName] = "slerp"  # between two codes

    def normals(self, latent: int) -> int:
        """How many standard normals a code of `latent` dimensions is made of."""
        return latent

    @abstractmethod
    def push(self, eps: Tensor) -> Tensor:
        """Standard normals, (B, normals), to codes, (B, latent)."""


@final
class GaussianCodes(CodePrior):
    """N(0, I)."""

    prior: Literal["gaussian"] = "gaussian"

    def push(self, eps: Tensor) -> Tensor:
        return eps


@final
class UniformCodes(CodePrior):
    """Uniform on the cube [-1, 1]^Z."""

    prior: Literal["uniform"] = "uniform"

    natural_path = "linear"

    def push(self, eps: Tensor) -> Tensor:
        return torch.erf(eps / sqrt(2))


@final
class MixtureCodes(CodePrior):
    """Round Gaussians, equally many codes in each, evenly on a circle in the plane of the first two dimensions."""

    prior: Literal["mixture"] = "mixture"
    components: int = Field(10, ge=2, le=1000)
    """Gaussians, placed on a circle."""
    radius: PositiveFloat = 4.0
    """Radius of the circle."""
    spread: PositiveFloat = 0.5
    """Standard deviation of each Gaussian."""

    least_dimensions = 2
    natural_path = "linear"

    def normals(self, latent: int) -> int:
        return latent + 1  # the last one picks the component

    def push(self, eps: Tensor) -> Tensor:
        k = (torch.special.ndtr(eps[:, -1]) * self.components).floor().clamp(max=self.components - 1)
        angle = 2 * pi / self.components * k
        center = self.radius * torch.stack([angle.cos(), angle.sin()], 1)
        return F.pad(center, (0, eps.shape[1] - 3)) + self.spread * eps[:, :-1]


@final
class RingCodes(CodePrior):
    """A sphere with a little thickness; a ring in two dimensions."""

    prior: Literal["ring"] = "ring"
    radius: PositiveFloat = 2.0
    """Radius of the ring."""
    spread: PositiveFloat = 0.1
    """Standard deviation of the radius."""

    least_dimensions = 2

    def normals(self, latent: int) -> int:
        return latent + 1  # the last one is the radius's

    def push(self, eps: Tensor) -> Tensor:
        return (self.radius + self.spread * eps[:, -1:]) * F.normalize(eps[:, :-1], dim=1)


AnyCodePrior = Annotated[GaussianCodes | UniformCodes | MixtureCodes | RingCodes, Field(discriminator="prior")]
