"""Densities fitted to the codes of an autoencoder, so that new codes can be drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from pushforward.models.networks import GaussianMixture


MAX_COVARIANCES = 2**24  # numbers in those of all components


class CodeDensity(Config, ABC):
    """How the codes are described."""

    density: str  # a Literal with a default in each final density


@final
class NoDensity(CodeDensity):
    """Not at all: the model has no samples."""

    density: Literal["none"] = "none"


class FittedDensity(CodeDensity, ABC):
    """By a network that is fitted to them by maximum likelihood."""

    @abstractmethod
    def network(self, latent: int) -> GaussianMixture:
        """A fresh one, for codes of `latent` dimensions."""


@final
class GaussianDensity(FittedDensity):
    """By one Gaussian with full covariance."""

    density: Literal["gaussian"] = "gaussian"

    def network(self, latent: int) -> GaussianMixture:
        return networks.GaussianMixture(1, latent)


@final
class MixtureDensity(FittedDensity):
    """By several Gaussians with full covariances."""

    density: Literal["mixture"] = "mixture"
    components: int = Field(10, ge=2, le=1000)
    """Gaussians in the mixture."""

    def network(self, latent: int) -> GaussianMixture:
        return networks.GaussianMixture(self.components, latent)


AnyCodeDensity = Annotated[NoDensity | GaussianDensity | MixtureDensity, Field(discriminator="density")]
