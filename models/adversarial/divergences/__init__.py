"""The registry of f-divergences."""

from typing import Annotated

from pydantic import Field

from pushforward.models.adversarial.divergences.bounded import (
    GANDivergence,
    JensenShannon,
    TotalVariation,
    WeightedJensenShannon,
)
from pushforward.models.adversarial.divergences.divergence import FDivergence, RatioFDivergence
from pushforward.models.adversarial.divergences.kullback_leibler import KL, Jeffrey, ReverseKL
from pushforward.models.adversarial.divergences.powers import Alpha, Neyman, Pearson, SquaredHellinger

AnyFDivergence = Annotated[
    KL
    | ReverseKL
    | Pearson
    | Neyman
    | SquaredHellinger
    | Jeffrey
    | JensenShannon
    | WeightedJensenShannon
    | GANDivergence
    | Alpha
    | TotalVariation,
    Field(discriminator="divergence"),
]

AnyRatioFDivergence = Annotated[
    KL | ReverseKL | Neyman | SquaredHellinger | JensenShannon | GANDivergence, Field(discriminator="divergence")
]

__all__ = [
    "KL",
    "Alpha",
    "AnyFDivergence",
    "AnyRatioFDivergence",
    "FDivergence",
    "GANDivergence",
    "Jeffrey",
    "JensenShannon",
    "Neyman",
    "Pearson",
    "RatioFDivergence",
    "ReverseKL",
    "SquaredHellinger",
    "TotalVariation",
    "WeightedJensenShannon",
]
