r"""The game of an f-divergence: a critic that maximizes its variational form, E_p g_f(v) - E_q f*(g_f(v)).

    critic      -E_p g_f(v) + E_q f*(g_f(v'))
    generator   -E_q g_f(v')                    (the default: fakes shall look real)
                -E_q f*(g_f(v'))                (saturating: it descends the divergence itself)

For `gan` these are the non-saturating and the minimax game.

References:
    | f-GAN (Nowozin et al., 2016), https://arxiv.org/abs/1606.00709
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pushforward.models.adversarial.divergences import AnyFDivergence, AnyRatioFDivergence, JensenShannon
from pushforward.models.adversarial.divergences.divergence import FDivergence
from pushforward.models.adversarial.game import RatioGame, SeparableGame
from pushforward.models.adversarial.regularizers.gradient_penalties import R1
from pushforward.models.adversarial.regularizers.regularizer import Regularizer

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class VariationalGame(SeparableGame, ABC):
    """The variational game of an f-divergence."""

    divergence: FDivergence  # a union in each final game
    saturating: bool = False
    """Whether the generator descends the divergence itself; else it raises the scores of fakes."""

    regularizers: ClassVar[tuple[Regularizer, ...]] = (R1(gamma=0.1),)

    @property
    def notes(self) -> tuple[str, ...]:
        return () if self.divergence.infinite is None else (self.divergence.infinite,)

    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -self.divergence.activation(scores)

    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return self.divergence.fused(scores)

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -(self.divergence.fused(scores) if self.saturating else self.divergence.activation(scores))


@final
class FGAN(VariationalGame):
    """The variational game of an f-divergence."""

    game: Literal["f_divergence"] = "f_divergence"
    divergence: AnyFDivergence = JensenShannon()
    """The divergence of the data from the model."""


@final
class RatioFGAN(VariationalGame, RatioGame):
    """The variational game of an f-divergence whose every score tells a ratio of densities."""

    game: Literal["f_divergence"] = "f_divergence"
    divergence: AnyRatioFDivergence = JensenShannon()
    """The divergence of the two densities."""

    def log_ratio(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return self.divergence.log_ratio(scores)
