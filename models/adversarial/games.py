r"""Adversarial objectives of a critic f and a generator g, for any two batches: real x ~ p and fake x' ~ q.

The critic minimizes `critic_loss`, the generator `generator_loss`. Both use only the critic's scores f(x), (B, 1), so
one game serves for data, for codes, and for pairs of both. Scores of `non_saturating` are logits,
D = sigmoid(f):

    non_saturating:  critic     -E_p log D - E_q log(1 - D) + gamma/2 E_p |grad f|^2
                     generator  -E_q log D
    wasserstein:     critic     -E_p f + E_q f + lambda E (|grad f(x^)| - 1)^2,   x^ = e x + (1 - e) x',  e ~ U(0, 1)
                     generator  -E_q f

At the best critic, D = p / (p + q), the first game's value E_p log D + E_q log(1 - D) is 2 JSD(p, q) - log 4 and its
generator follows the gradient of KL(q, p) - 2 JSD(p, q); the second's is the distance W1(p, q).

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.games import NonSaturating
    >>> game, real, fake = NonSaturating(gamma=0), torch.ones(4, 2), torch.zeros(4, 2)
    >>> game.critic_loss(lambda x: x.sum(1, keepdim=True) * 0, real, fake, torch.Generator())  # log 4
    tensor(1.3863)

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), https://arxiv.org/abs/1701.04862
    | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
    | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, NonNegativeFloat, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor

    Critic = Callable[[Tensor], Tensor]  # (B, ...) to scores, (B, 1)


class Game(Config, ABC):
    """The losses of a critic and of a generator."""

    game: str  # a Literal with a default in each final game

    @abstractmethod
    def critic_loss(
        self, critic: Critic, real: Float[Tensor, " B *shape"], fake: Float[Tensor, " B *shape"], rng: Generator
    ) -> Float[Tensor, ""]:
        """The loss of the critic.  real, fake: equally many rows."""

    @abstractmethod
    def generator_loss(self, critic: Critic, fake: Float[Tensor, " B *shape"]) -> Float[Tensor, ""]:
        """The loss of the generator."""


@final
class NonSaturating(Game):
    """The classifier's game; a penalty on the critic's slope at the data, R1, makes it converge."""

    game: Literal["non_saturating"] = "non_saturating"
    gamma: NonNegativeFloat = 0.1
    """Weight of the R1 gradient penalty; 0 is the original game."""

    def critic_loss(
        self, critic: Critic, real: Float[Tensor, " B *shape"], fake: Float[Tensor, " B *shape"], rng: Generator
    ) -> Float[Tensor, ""]:
        if self.gamma == 0:  # saves the second derivatives of the penalty
            return F.softplus(-critic(real)).mean() + F.softplus(critic(fake)).mean()
        score, gradient = score_and_gradient(critic, real)
        r1 = 0.5 * self.gamma * (gradient**2).sum(1).mean()
        return F.softplus(-score).mean() + F.softplus(critic(fake)).mean() + r1

    def generator_loss(self, critic: Critic, fake: Float[Tensor, " B *shape"]) -> Float[Tensor, ""]:
        return F.softplus(-critic(fake)).mean()


@final
class Wasserstein(Game):
    """The game for the distance W1: a penalty holds the critic's slope near one between real and fake."""

    game: Literal["wasserstein"] = "wasserstein"
    penalty: PositiveFloat = 10.0
    """Weight of the gradient penalty, lambda."""

    def critic_loss(
        self, critic: Critic, real: Float[Tensor, " B *shape"], fake: Float[Tensor, " B *shape"], rng: Generator
    ) -> Float[Tensor, ""]:
        e = torch.rand(len(real), generator=rng, device=real.device, dtype=real.dtype)
        between = torch.lerp(fake, real, e.view(-1, *[1] * (real.dim() - 1)))
        _, gradient = score_and_gradient(critic, between)
        norm: Tensor = torch.linalg.vector_norm(gradient, dim=1)  # where this is 0, its derivative is 0, not NaN
        return critic(fake).mean() - critic(real).mean() + self.penalty * ((norm - 1) ** 2).mean()

    def generator_loss(self, critic: Critic, fake: Float[Tensor, " B *shape"]) -> Float[Tensor, ""]:
        return -critic(fake).mean()


def score_and_gradient(
    critic: Critic, x: Float[Tensor, " B *shape"]
) -> tuple[Float[Tensor, "B 1"], Float[Tensor, "B D"]]:
    """f(x), and grad f(x), which can itself be differentiated."""
    x = x.detach().requires_grad_()
    score = critic(x)
    (gradient,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    return score, gradient.flatten(1)


AnyGame = Annotated[NonSaturating | Wasserstein, Field(discriminator="game")]
