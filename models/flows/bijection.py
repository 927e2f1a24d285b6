"""The bijection that a configuration describes: a chain of transforms, each a monotone map of every element."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from pushforward.models import networks
from pushforward.models.flows.univariate import Univariate

if TYPE_CHECKING:
    from pushforward.models.networks import Bijection


class Chain(Protocol):
    """What a configuration of a chain of transforms has."""

    @property
    def transform(self) -> Univariate:
        """The monotone map of each element."""

    @property
    def n_transforms(self) -> int:
        """Transforms in the chain."""

    @property
    def width(self) -> int:
        """Units of a hidden layer of each transform's network."""

    @property
    def depth(self) -> int:
        """Hidden layers of each transform's network."""


def bijection(chain: Chain, features: int, *, passes: int, condition_size: int = 0, inverse: bool = False) -> Bijection:
    """A fresh bijection of R^D.

    Arguments:
        chain: the configuration.
        features: D.
        passes: groups of elements: 2 is a coupling, D is fully autoregressive.
        condition_size: numbers of the context that all transforms read too.
        inverse: whether parameters are read from the output.
    """
    return networks.Bijection(
        features,
        univariate=chain.transform.univariate,
        shapes=chain.transform.shapes,
        n_transforms=chain.n_transforms,
        passes=passes,
        width=chain.width,
        depth=chain.depth,
        condition_size=condition_size,
        inverse=inverse,
    )
