r"""Games of a classifier of real and fake rows, D = sigmoid(f).

    minimax              critic     -E_p log D - E_q log(1 - D)
                         generator   E_q log(1 - D)
    non_saturating       generator  -E_q log D
    relativistic_average critic     -E_p log D~ - E_q log(1 - D~'),   D~  = sigmoid(f(x) - E_q f)
                         generator  -E_q log D~' - E_p log(1 - D~),   D~' = sigmoid(f(x') - E_p f)

At the best critic D = p / (p + q) the value of the first game, E_p log D + E_q log(1 - D), is 2 JSD(p, q) - log 4, and
its generator follows the gradient of that. Where D is near 0 on fakes this gradient vanishes (theorem 2.4); the second
generator's does not: it follows the gradient of KL(q, p) - 2 JSD(p, q) (theorem 2.5). In the third game a row is judged
against the mean of the other kind, so the generator also lowers the scores of real rows.

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.games import NonSaturating
    >>> NonSaturating().critic_loss(torch.zeros(4, 1), torch.zeros(4, 1))  # log 4
    tensor(1.3863)

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), https://arxiv.org/abs/1701.04862
    | The relativistic discriminator (Jolicoeur-Martineau, 2018), https://arxiv.org/abs/1807.00734
    | Which Training Methods for GANs do actually Converge? (Mescheder et al., 2018), https://arxiv.org/abs/1801.04406
"""

from __future__ import annotations

from abc import ABC
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pushforward.models.adversarial.game import Game, RatioGame
from pushforward.models.adversarial.regularizers.gradient_penalties import R1
from pushforward.models.adversarial.regularizers.regularizer import Regularizer
from pushforward.models.lazy import F

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class ClassifierGame(RatioGame, ABC):
    """The critic is a logistic classifier."""

    regularizers: ClassVar[tuple[Regularizer, ...]] = (R1(gamma=0.1),)

    def of_real(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return F.softplus(-scores)

    def of_fake(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return F.softplus(scores)

    def log_ratio(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return scores


@final
class Minimax(ClassifierGame):
    """The classifier's game as it was first stated: its generator learns little where fakes are told at once."""

    game: Literal["minimax"] = "minimax"

    regularizers: ClassVar[tuple[Regularizer, ...]] = ()

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return -F.softplus(scores)


@final
class NonSaturating(ClassifierGame):
    """The classifier's game; a penalty on the critic's slope at the data, R1, makes it converge."""

    game: Literal["non_saturating"] = "non_saturating"

    def generated(self, scores: Float[Tensor, "N K"]) -> Float[Tensor, "N K"]:
        return F.softplus(-scores)


@final
class RelativisticAverage(Game):
    """The classifier compares each row with the mean of the other kind."""

    game: Literal["relativistic_average"] = "relativistic_average"

    regularizers: ClassVar[tuple[Regularizer, ...]] = (R1(gamma=0.1),)
    pairs: ClassVar[bool] = True

    def critic_loss(self, real: Float[Tensor, "N K"], fake: Float[Tensor, "M K"]) -> Float[Tensor, ""]:
        return F.softplus(fake.mean() - real).mean() + F.softplus(fake - real.mean()).mean()

    def generator_loss(self, fake: Float[Tensor, "M K"], real: Float[Tensor, "N K"]) -> Float[Tensor, ""]:
        return self.critic_loss(fake, real)
