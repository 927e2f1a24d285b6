r"""The game for the distance W1, by its dual: over critics f whose slope is nowhere above one,

    W1(p, q) = max_f  E_p f - E_q f.

    critic     -E_p f + E_q f
    generator  -E_q f

The slope is held by a regularizer: clipped weights, a gradient penalty between real and fake rows, or spectral norms.

References:
    | Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875: clipped weights
    | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028: the penalty
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from pushforward.models.adversarial.game import SeparableGame
from pushforward.models.adversarial.regularizers.gradient_penalties import GradientPenalty
from pushforward.models.adversarial.regularizers.regularizer import Regularizer

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class Wasserstein(SeparableGame):
    """The game for the distance W1: a regularizer holds the critic's slope, a gradient penalty unless another does."""

    game: Literal["wasserstein"] = "wasserstein"

    regularizers: ClassVar[tuple[Regularizer, ...]] = (GradientPenalty(),)

    @property
    def bounded(self) -> bool:
        return False

    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -scores

    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return scores

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -scores
