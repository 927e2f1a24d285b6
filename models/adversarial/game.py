r"""A game of a critic f and a generator g: two losses, functions of the critic's scores alone.

The critic sees real rows x ~ p and fake rows x' ~ q and minimizes `critic_loss` of its scores; the generator, which
draws the fakes, minimizes `generator_loss`. A game knows neither networks nor rows, so one game serves for data (GAN),
for codes (adversarial autoencoders), for pairs of both (AVB) and for each domain of a translation.

Most losses are means over rows, `SeparableGame`:

    critic     E_p of_real(f(x)) + E_q of_fake(f(x'))
    generator  E_q generated(f(x'))
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from pushforward.models.adversarial.regularizers.regularizer import Regularizer
from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Game(Config, ABC):
    """The losses of a critic and of a generator."""

    game: str  # a Literal with a default in each final game

    regularizers: ClassVar[tuple[Regularizer, ...]] = ()  # unless others are chosen
    pairs: ClassVar[bool] = False  # whether the generator's loss looks at scores of real rows, too
    joint: ClassVar[bool] = False  # whether the witness function looks at all scores of a batch

    @property
    def bounded(self) -> bool:
        """Whether a critic whose slope nothing holds has a best loss."""
        return True

    @property
    def score_size(self) -> int:
        """Numbers that the critic gives of a row, K."""
        return 1

    @property
    def notes(self) -> tuple[str, ...]:
        """What users of a model of this game should know, a sentence each."""
        return ()

    @abstractmethod
    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        """The loss of the critic, of its scores."""

    @abstractmethod
    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        """The loss of the generator, of the critic's scores; real has no rows unless `pairs`."""

    def witness(
        self, scores: Float[Tensor, "B K"], real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]
    ) -> Float[Tensor, "B 1"]:
        """The function whose means the game compares, whose slope gradient penalties hold: the score itself."""
        return scores


class SeparableGame(Game, ABC):
    """A game whose losses are means over rows."""

    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        return self.of_real(real).mean() + self.of_fake(fake).mean()

    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        return self.generated(fake).mean()

    @abstractmethod
    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """The critic's loss of each real row."""

    @abstractmethod
    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """The critic's loss of each fake row."""

    @abstractmethod
    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """The generator's loss of each fake row."""


class RatioGame(SeparableGame, ABC):
    """A game whose best critic tells the ratio of the two densities."""

    @abstractmethod
    def log_ratio(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        """Log p(x) - log q(x) where the critic is optimal, nats."""
