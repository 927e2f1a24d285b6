r"""Gradients of E_q[f(z)] for codes z of K categories, one-hot draws of q = prod_c Cat(pi_c).

    gumbel_softmax:    f(y), y = softmax((log pi + g) / tau): a gradient of little variance, of a relaxed f
    straight_through:  f(z) forward, the gradient of f at z passed on to y: f is not relaxed, its gradient is biased
    reinforce:         (f(z_i) - b_i) grad log q(z_i) + grad f(z_i), unbiased, since the baseline is independent of z_i:
                       b_i = 1/(m - 1) sum_{j != i} f(z_j), the mean of the other draws

tau falls geometrically over the training. A relaxed f is no estimate of E_q[f(z)]: its value belongs to no bound.

References:
    | Categorical Reparameterization with Gumbel-Softmax (Jang et al., 2016), https://arxiv.org/abs/1611.01144
    | Estimating or Propagating Gradients Through Stochastic Neurons (Bengio et al., 2013), arXiv:1308.3432
    | Simple statistical gradient-following algorithms (Williams, 1992), doi:10.1007/BF00992696: reinforce
    | Buy 4 REINFORCE Samples, Get a Baseline for Free! (Kool et al., 2019), ICLR workshop: the other draws
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, Self, final

from pydantic import Field, model_validator

from pushforward.models.config.config import Config
from pushforward.models.distributions.categorical import gumbel_like, hard_codes, relaxed_codes
from pushforward.models.lazy import torch
from pushforward.models.variational.score_function import leave_one_out, score_function

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Objective = Callable[[Tensor], Tensor]  # codes, (B, codes, K), to (B,)


COLD = 1e-3  # of tau: below it a relaxed code is one-hot and passes no gradient


class Estimator(Config, ABC):
    """A gradient estimator for draws of discrete codes."""

    estimator: str  # a Literal with a default in each final estimator

    relaxes: ClassVar[bool] = False  # whether f sees codes that are not one-hot

    @abstractmethod
    def expectation(self, f: Objective, log_pi: Tensor, rng: Generator, progress: float) -> Tensor:
        """E_q[f(z)] of each row, (B,): by draws, with a gradient for log_pi and for the weights of f.

        Arguments:
            f: of codes, (B, codes, K), to (B,).
            log_pi: log-probabilities, (B, codes, K).
            rng: the randomness of the step.
            progress: share of the training that is done.
        """


class _Annealed(Estimator, ABC):
    warmest: float = Field(1.0, ge=COLD)
    """Temperature at the start of the training."""
    coldest: float = Field(0.5, ge=COLD)
    """Temperature at the end of the training."""

    @model_validator(mode="after")
    def _cools(self) -> Self:
        if self.coldest > self.warmest:
            raise ValueError(f"tau falls from warmest to coldest; coldest {self.coldest:g} is above {self.warmest:g}")
        return self

    def tau(self, progress: float) -> float:
        """The temperature at a share of the training."""
        return self.warmest * float((self.coldest / self.warmest) ** progress)


@final
class GumbelSoftmax(_Annealed):
    """Relaxed codes, which cool down."""

    estimator: Literal["gumbel_softmax"] = "gumbel_softmax"

    relaxes = True

    def expectation(self, f: Objective, log_pi: Tensor, rng: Generator, progress: float) -> Tensor:
        return f(relaxed_codes(log_pi + gumbel_like(log_pi, rng), self.tau(progress)))


@final
class StraightThrough(_Annealed):
    """One-hot codes forward, relaxed ones backward."""

    estimator: Literal["straight_through"] = "straight_through"

    def expectation(self, f: Objective, log_pi: Tensor, rng: Generator, progress: float) -> Tensor:
        scores = log_pi + gumbel_like(log_pi, rng)
        y = relaxed_codes(scores, self.tau(progress))
        return f(hard_codes(scores) + (y - y.detach()))  # in this order the codes stay exactly one-hot


@final
class Reinforce(Estimator):
    """The score function, each draw against the mean of the others."""

    estimator: Literal["reinforce"] = "reinforce"
    draws: int = Field(4, ge=2, le=64)
    """Codes drawn for each row, m."""

    def expectation(self, f: Objective, log_pi: Tensor, rng: Generator, progress: float) -> Tensor:
        z = [hard_codes(log_pi + gumbel_like(log_pi, rng)).detach() for _ in range(self.draws)]
        values = torch.stack([f(codes) for codes in z])  # (m, B)
        log_q = torch.stack([(codes * log_pi).sum((1, 2)) for codes in z])
        return score_function(values, log_q, leave_one_out(values)).mean(0)


AnyEstimator = Annotated[GumbelSoftmax | StraightThrough | Reinforce, Field(discriminator="estimator")]
