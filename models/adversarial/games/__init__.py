"""The registry of games: being in the union is being known to the APIs, and tested with every regularizer."""

from typing import Annotated

from pydantic import Field

from pushforward.models.adversarial.games.began import BEGAN
from pushforward.models.adversarial.games.discrepancy import Cramer, MMDGame
from pushforward.models.adversarial.games.f_gan import FGAN, RatioFGAN
from pushforward.models.adversarial.games.logistic import Minimax, NonSaturating, RelativisticAverage
from pushforward.models.adversarial.games.margins import Hinge, LeastSquares
from pushforward.models.adversarial.games.wasserstein import Wasserstein

AnyGame = Annotated[
    Minimax
    | NonSaturating
    | RelativisticAverage
    | FGAN
    | LeastSquares
    | Hinge
    | Wasserstein
    | Cramer
    | MMDGame
    | BEGAN,
    Field(discriminator="game"),
]

AnyRatioGame = Annotated[Minimax | NonSaturating | RatioFGAN, Field(discriminator="game")]
AnyScoringGame = Annotated[  # all whose critic gives scores, not an autoencoder's error
    Minimax | NonSaturating | RelativisticAverage | FGAN | LeastSquares | Hinge | Wasserstein | Cramer | MMDGame,
    Field(discriminator="game"),
]

__all__ = [
    "BEGAN",
    "FGAN",
    "AnyGame",
    "AnyRatioGame",
    "AnyScoringGame",
    "Cramer",
    "Hinge",
    "LeastSquares",
    "MMDGame",
    "Minimax",
    "NonSaturating",
    "RatioFGAN",
    "RelativisticAverage",
    "Wasserstein",
]
