r"""Games that hold scores to values: least squares and hinge.

    least_squares  critic     1/2 E_p (f - b)^2 + 1/2 E_q (f - a)^2        generator  1/2 E_q (f - c)^2
    hinge          critic     E_p max(0, 1 - f) + E_q max(0, 1 + f)        generator  -E_q f

With b - c = 1 and b - a = 2 the best least-squares critic is f = (b p + a q) / (p + q), and twice the generator's loss,
over p and q alike, is Pearson's chi-square of p + q from 2 q. At the best hinge critic, f = sign(p - q), the generator
minimizes the total variation.

References:
    | Least Squares Generative Adversarial Networks (Mao et al., 2016), https://arxiv.org/abs/1611.04076
    | Geometric GAN (Lim & Ye, 2017), https://arxiv.org/abs/1705.02894
    | Spectral Normalization for Generative Adversarial Networks (Miyato et al., 2018), https://arxiv.org/abs/1802.05957
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import model_validator

from pushforward.models.adversarial.game import SeparableGame
from pushforward.models.adversarial.regularizers.gradient_penalties import R1
from pushforward.models.adversarial.regularizers.regularizer import Regularizer
from pushforward.models.adversarial.regularizers.weights import SpectralNorm
from pushforward.models.lazy import F

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class LeastSquares(SeparableGame):
    """The critic regresses labels; fakes far on the right side still feel a pull."""

    game: Literal["least_squares"] = "least_squares"
    a: float = 0.0
    """Score that the critic wants of fake rows."""
    b: float = 1.0
    """Score that the critic wants of real rows."""
    c: float = 1.0
    """Score that the generator wants of fake rows."""

    regularizers: ClassVar[tuple[Regularizer, ...]] = (R1(gamma=0.1),)

    @model_validator(mode="after")
    def _labels_differ(self) -> Self:
        if self.a == self.b:
            raise ValueError("a and b are equal, so that real and fake rows have one label; choose two")
        return self

    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return 0.5 * (scores - self.b) ** 2

    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return 0.5 * (scores - self.a) ** 2

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return 0.5 * (scores - self.c) ** 2


@final
class Hinge(SeparableGame):
    """The critic separates with a margin; rows beyond it do not count."""

    game: Literal["hinge"] = "hinge"

    regularizers: ClassVar[tuple[Regularizer, ...]] = (SpectralNorm(),)

    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return F.relu(1 - scores)

    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return F.relu(1 + scores)

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -scores
