r"""Games whose critic gives features h(x) in which two distributions are compared.

    mmd     critic     -MMD^2_k(h(x), h(x')),          generator   MMD^2_k(h(x), h(x'))
    cramer  generator   E(h(x), h(x')), the energy distance
            critic     -E_p f + E_q f,                 f(x) = E_{x'} |h(x) - h(x')| - |h(x)|     with the surrogate
                       -E(h(x), h(x'))                                                         without

The estimates are unbiased, so the generator's gradient is that of the true distance in the features. Gradient penalties
hold the slope of the witness, f for `cramer`, E_p k(h(x), .) - E_q k(h(x'), .) for `mmd`. The surrogate needs real rows
one at a time only, as where a condition gives each real row its own distribution.

References:
    | The Cramer Distance as a Solution to Biased Wasserstein Gradients (Bellemare et al., 2017), arXiv:1705.10743
    | MMD GAN: Towards Deeper Understanding of Moment Matching Network (Li et al., 2017), https://arxiv.org/abs/1705.08584
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, PositiveInt

from pushforward.models.adversarial.discrepancies import energy_distance, mean_of_pairs, mmd2
from pushforward.models.adversarial.game import Game
from pushforward.models.adversarial.kernels import AnyKernel, SumKernel
from pushforward.models.adversarial.regularizers.gradient_penalties import GradientPenalty
from pushforward.models.adversarial.regularizers.regularizer import Regularizer
from pushforward.models.geometry.distances import smooth_distances

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class MMDGame(Game):
    """The maximum mean discrepancy of learned features."""

    game: Literal["mmd"] = "mmd"
    kernel: AnyKernel = SumKernel()
    """The kernel of features."""
    features: PositiveInt = Field(16, le=1024)
    """Features that the critic gives of a row."""

    regularizers: ClassVar[tuple[Regularizer, ...]] = (GradientPenalty(weight=1.0),)
    pairs: ClassVar[bool] = True
    joint: ClassVar[bool] = True

    @property
    def bounded(self) -> bool:
        return self.kernel.bounded

    @property
    def score_size(self) -> int:
        return self.features

    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        return -mmd2(self.kernel, real, fake)

    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        return mmd2(self.kernel, real, fake)

    def witness(
        self, scores: Float[Tensor, "B K"], real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]
    ) -> Float[Tensor, "B 1"]:
        of_real, of_fake = self.kernel.matrix(scores, real), self.kernel.matrix(scores, fake)
        return (of_real.mean(1) - of_fake.mean(1))[:, None]


@final
class Cramer(Game):
    """The energy distance of learned features."""

    game: Literal["cramer"] = "cramer"
    features: PositiveInt = Field(64, le=1024)
    """Features that the critic gives of a row."""
    surrogate: bool = True
    """Whether the critic maximizes the difference of its witness; else the energy distance itself."""

    regularizers: ClassVar[tuple[Regularizer, ...]] = (GradientPenalty(weight=10.0),)
    pairs: ClassVar[bool] = True
    joint: ClassVar[bool] = True

    @property
    def bounded(self) -> bool:
        return False

    @property
    def score_size(self) -> int:
        return self.features

    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        if not self.surrogate or len(fake) == 1:
            return -energy_distance(real, fake)
        of_fake: Tensor = mean_of_pairs(smooth_distances(fake, fake)) - _lengths(fake).mean()
        return of_fake - self.witness(real, real, fake).mean()

    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        return energy_distance(real, fake)

    def witness(
        self, scores: Float[Tensor, "B K"], real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]
    ) -> Float[Tensor, "B 1"]:
        return smooth_distances(scores, fake).mean(1, keepdim=True) - _lengths(scores)


def _lengths(h: Tensor) -> Tensor:
    """|h|, (B, 1)."""
    return smooth_distances(h, h.new_zeros(1, h.shape[1]))
