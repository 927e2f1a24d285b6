"""What holds a critic, or both players: each kind composes with every game (`models.adversarial.contest`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor

    Critic = Callable[[Tensor], Tensor]  # (B, ...) to scores, (B, K)
    Witness = Callable[[Tensor], Tensor]  # scores, (B, K), to the function whose means the game compares, (B, 1)


class Scored(NamedTuple):
    """Rows and the critic's scores of them."""

    x: Tensor  # (B, ...)
    scores: Tensor  # (B, K)


class Regularizer(Config, ABC):
    """One of the ways."""

    regularizer: str  # a Literal with a default in each final regularizer


class CriticPenalty(Regularizer, ABC):
    """A term of the critic's loss."""

    at_rows: ClassVar[bool] = False  # whether it takes slopes at the rows themselves, which then require a gradient

    @abstractmethod
    def value(self, critic: Critic, witness: Witness, real: Scored, fake: Scored, rng: Generator) -> Float[Tensor, ""]:
        """The penalty, of equally many real and fake rows."""
