"""Densities fitted to the codes of an autoencoder, so that new codes can be drawn."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from pushforward.models.networks import GaussianMixture


MAX_COVARIANCES = 2**24  # numbers in the covariances of all components


class CodeDensity(Config, ABC):
    """The density that is fitted to the codes."""

    density: str  # a Literal with a default in each final density


@final
class NoDensity(CodeDensity):
    """Not at all: the model has no samples."""

    density: Literal["none"] = "none"


class FittedDensity(CodeDensity, ABC):
    """A network, fitted to the codes by maximum likelihood."""

    @abstractmethod
    def network(self, latent: int, condition_size: int) -> GaussianMixture:
        """A fresh network for codes of `latent` dimensions, given a condition c of `condition_size`."""


@final
class GaussianDensity(FittedDensity):
    """By one Gaussian with full covariance."""

    density: Literal["gaussian"] = "gaussian"

    def network(self, latent: int, condition_size: int) -> GaussianMixture:
        return networks.GaussianMixture(1, latent, condition_size)


@final
class MixtureDensity(FittedDensity):
    """By several Gaussians with full covariances."""

    density: Literal["mixture"] = "mixture"
    components: int = Field(10, ge=2, le=1000)
    """Gaussians in the mixture."""

    def network(self, latent: int, condition_size: int) -> GaussianMixture:
        return networks.GaussianMixture(self.components, latent, condition_size)


AnyCodeDensity = Annotated[NoDensity | GaussianDensity | MixtureDensity, Field(discriminator="density")]
