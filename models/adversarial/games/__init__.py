"""The registry of games: being in the union is being known to the APIs, and tested with every regularizer."""

from typing import Annotated

from pydantic import AfterValidator, Field

from pushforward.models.adversarial.game import RatioGame
from pushforward.models.adversarial.games.began import BEGAN
from pushforward.models.adversarial.games.discrepancy import Cramer, MMDGame
from pushforward.models.adversarial.games.f_gan import FGAN
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


def _tells_ratio(game: RatioGame) -> RatioGame:
    if not game.tells_ratio:
        raise ValueError("not every score of this divergence tells a ratio of densities; choose kl or jensen_shannon")
    return game


AnyRatioGame = Annotated[Minimax | NonSaturating | FGAN, Field(discriminator="game"), AfterValidator(_tells_ratio)]

__all__ = [
    "BEGAN",
    "FGAN",
    "AnyGame",
    "AnyRatioGame",
    "Cramer",
    "Hinge",
    "LeastSquares",
    "MMDGame",
    "Minimax",
    "NonSaturating",
    "RelativisticAverage",
    "Wasserstein",
]
