"""Bijections of codes, as priors and posteriors compose them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models.config.config import Config
from pushforward.models.flows.bijection import bijection
from pushforward.models.flows.univariate import Affine, AnyTransform

if TYPE_CHECKING:
    from pushforward.models.networks import Bijection


class LatentFlow(Config):
    """A chain of couplings or autoregressive transforms of Z numbers; the identity until trained."""

    transform: AnyTransform = Affine()
    """The monotone map of each element."""
    n_transforms: PositiveInt = Field(4, le=32)
    """Transforms in the chain."""
    width: PositiveInt = Field(64, le=2048)
    """Units of a hidden layer; autoregressive schemes need one for each element at least."""
    depth: PositiveInt = Field(2, le=8)
    """Hidden layers of each transform's network."""

    def bijection(self, latent: int, *, condition_size: NonNegativeInt, coupling: bool) -> Bijection:
        """A fresh coupling or fully autoregressive flow of codes; `condition_size` numbers are read beside the code."""
        return bijection(self, latent, passes=2 if coupling else latent, condition_size=condition_size)
