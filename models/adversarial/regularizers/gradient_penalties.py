r"""Penalties on the slope of the critic's witness function f.

    r1                gamma / 2 E_p |grad f|^2                      at real rows
    r2                gamma / 2 E_q |grad f|^2                      at fake rows
    gradient_penalty  weight E (|grad f(x^)| - center)^2            x^ = e x + (1 - e) x',  e ~ U(0, 1)
                      weight E max(0, |grad f(x^)| - center)^2      one-sided
    drift             weight E_p f^2                                scores stay near zero

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.regularizers import R1
    >>> from pushforward.models.adversarial.regularizers.regularizer import Scored
    >>> x = torch.zeros(4, 2, requires_grad=True)
    >>> scored = Scored(x, x @ torch.tensor([[3.0], [4.0]]))
    >>> float(R1(gamma=2.0).value(lambda x: x, lambda f: f, scored, scored, torch.Generator()))  # |(3, 4)|^2
    25.0

References:
    | Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028: center 1
    | On the regularization of Wasserstein GANs (Petzka et al., 2017), https://arxiv.org/abs/1709.08894: one-sided
    | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
    | Improving Generalization and Stability of GANs (Thanh-Tung et al., 2019), arXiv:1902.03984: center 0
    | Progressive Growing of GANs (Karras et al., 2017), https://arxiv.org/abs/1710.10196: drift
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import NonNegativeFloat, PositiveFloat

from pushforward.models.adversarial.regularizers.regularizer import CriticPenalty, Scored
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor

    from pushforward.models.adversarial.regularizers.regularizer import Critic, Witness


@final
class R1(CriticPenalty):
    """A zero-centered penalty on the slope at real rows."""

    regularizer: Literal["r1"] = "r1"
    gamma: PositiveFloat = 0.1
    """Twice the weight of the mean squared slope."""

    at_rows: ClassVar[bool] = True

    def value(self, critic: Critic, witness: Witness, real: Scored, fake: Scored, rng: Generator) -> Float[Tensor, ""]:
        return 0.5 * self.gamma * (gradient(witness, real) ** 2).sum(1).mean()


@final
class R2(CriticPenalty):
    """A zero-centered penalty on the slope at fake rows."""

    regularizer: Literal["r2"] = "r2"
    gamma: PositiveFloat = 0.1
    """Twice the weight of the mean squared slope."""

    at_rows: ClassVar[bool] = True

    def value(self, critic: Critic, witness: Witness, real: Scored, fake: Scored, rng: Generator) -> Float[Tensor, ""]:
        return 0.5 * self.gamma * (gradient(witness, fake) ** 2).sum(1).mean()


@final
class GradientPenalty(CriticPenalty):
    """Holds the slope near a value between real and fake rows."""

    regularizer: Literal["gradient_penalty"] = "gradient_penalty"
    weight: PositiveFloat = 10.0
    """Weight of the penalty, lambda."""
    center: NonNegativeFloat = 1.0
    """The slope that costs nothing."""
    one_sided: bool = False
    """Whether only steeper slopes cost."""

    def value(self, critic: Critic, witness: Witness, real: Scored, fake: Scored, rng: Generator) -> Float[Tensor, ""]:
        x, y = real.x.detach(), fake.x.detach()
        e = torch.rand(len(x), generator=rng, device=x.device, dtype=x.dtype)
        between = torch.lerp(y, x, e.view(-1, *[1] * (x.dim() - 1))).requires_grad_()
        slopes = gradient(witness, Scored(between, critic(between)))
        norm: Tensor = torch.linalg.vector_norm(slopes, dim=1)  # where this is 0, its derivative is 0, not NaN
        excess = F.relu(norm - self.center) if self.one_sided else norm - self.center
        return self.weight * (excess**2).mean()


@final
class Drift(CriticPenalty):
    """Keeps the critic's scores of real rows near zero: a game of differences leaves their level open."""

    regularizer: Literal["drift"] = "drift"
    weight: PositiveFloat = 1e-3
    """Weight of the mean squared score."""

    def value(self, critic: Critic, witness: Witness, real: Scored, fake: Scored, rng: Generator) -> Float[Tensor, ""]:
        return self.weight * (witness(real.scores) ** 2).mean()


def gradient(witness: Witness, at: Scored) -> Float[Tensor, "B D"]:
    """The gradient of the witness function at rows, which can itself be differentiated."""
    (slope,) = torch.autograd.grad(witness(at.scores).sum(), at.x, create_graph=True)
    return slope.flatten(1)
