r"""Boundary equilibrium: the critic is an autoencoder D, its score the error L(x) = mean |x - D(x)|.

    critic      E_p L - k E_q L
    generator   E_q L
    k        <- clip(k + rate (gamma E_p L - E_q L), 0, 1)        after each step of the critic

k keeps the errors of fakes at the share gamma of those of real rows. The measure of convergence,
M = E_p L + |gamma E_p L - E_q L|, is charted.

References:
    | BEGAN: Boundary Equilibrium Generative Adversarial Networks (Berthelot et al., 2017), arXiv:1703.10717
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

from pydantic import Field

from pushforward.models.adversarial.game import Game

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


@final
class BEGAN(Game):
    """The critic autoencodes; a controller balances its errors of real and fake rows."""

    game: Literal["began"] = "began"
    gamma: float = Field(0.5, gt=0.0, le=1.0)
    """The error of fakes that is aimed at, as a share of the error of real rows: lower is sharper and less diverse."""
    rate: float = Field(1e-3, gt=0.0, le=1.0)
    """Rate of the controller of k."""

    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        return self.controlled_loss(real, fake, real.new_ones(()))

    def controlled_loss(
        self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"], k: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """The loss of the critic at the controller's k."""
        return real.mean() - k * fake.mean()

    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        return fake.mean()

    def imbalance(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        """What moves k: gamma E_p L - E_q L."""
        return self.gamma * real.mean() - fake.mean()

    def next_k(self, k: Float[Tensor, ""], real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        """The controller's k after a step."""
        return (k + self.rate * self.imbalance(real, fake)).clamp(0, 1)

    def convergence(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        """M, which falls while the generator learns."""
        return real.mean() + self.imbalance(real, fake).abs()
