r"""Codes with a structure, and how much of it data tell.

A code has a part that nothing asks after and parts that are asked after,

    z = (e, c_1, c_2),      e ~ N(0, I),   c_1 one-hot ~ Cat(1/K),   c_2 ~ U(-1, 1)^m,

and a posterior Q(c | x) with a categorical and a normal part bounds the mutual information of c and x = G(z) for any Q,

    L_I = E log Q(c | x) + H(c) = I(c; x) - E KL(P(c | x) || Q(c | x)) <= I(c; x),
    H(c_1) = log K,      H(c_2) = m log 2.

Of c_1 it is at most log K, and reaches it where x tells the category. Of c_2 there is no largest value, so the standard
deviation of Q stays above `LEAST_STD`.

Example:
    >>> import torch
    >>> from pushforward.models.latents.structured_codes import StructuredCodes
    >>> codes = StructuredCodes(noise=1, categories=2, continuous=1)
    >>> codes.of(torch.tensor([[0.0, 0.0, 0.3, 0.0]]))  # no noise, two probabilities, a mean
    tensor([[0.0000, 0.5000, 0.5000, 0.3000]])

References:
    | InfoGAN: Interpretable Representation Learning by Information Maximizing Generative Adversarial Nets
      (Chen et al., 2016), https://arxiv.org/abs/1606.03657
    | The IM Algorithm: A variational approach to Information Maximization (Barber & Agakov, 2003), NIPS
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log
from typing import TYPE_CHECKING, NamedTuple, final

from pushforward.models.distributions.gaussians import Diagonal
from pushforward.models.lazy import F, torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Generator, Tensor

    from pushforward.models.noise import Noise

LEAST_STD = 0.05  # of Q, of a continuous code


class Parts(NamedTuple):
    """A number of each row, for the category and for the continuous codes."""

    category: Tensor  # (B,) nats
    continuous: Tensor  # (B,) nats


@final
@dataclass(frozen=True)
class StructuredCodes:
    """The layout of a code: noise, a one-hot category, continuous codes."""

    noise: int
    categories: int
    continuous: int

    @property
    def size(self) -> int:
        """Numbers of a code, Z."""
        return self.noise + self.categories + self.continuous

    @property
    def n_parameters(self) -> int:
        """Numbers that tell Q(c | x): logits, means and free variances."""
        return self.categories + 2 * self.continuous

    @property
    def category_entropy_nats(self) -> float:
        """H(c_1)."""
        return log(self.categories)

    @property
    def continuous_entropy_nats(self) -> float:
        """H(c_2)."""
        return self.continuous * log(2)

    def draw(self, rng: Generator, n: int) -> Float[Tensor, "n Z"]:
        """Codes of the prior, for a training."""
        e = torch.randn(n, self.noise, generator=rng, device=rng.device)
        category = torch.randint(self.categories, (n,), generator=rng, device=rng.device)
        u01 = torch.rand(n, self.continuous, generator=rng, device=rng.device)
        return self._join(e, category, u01)

    def prior(self, noise: Noise) -> Float[Tensor, "B Z"]:
        """Codes of the prior, for a request."""
        category = (noise.uniform(1, (1,))[:, 0] * self.categories).long().clamp(max=self.categories - 1)
        return self._join(noise.normal(0, (self.noise,)), category, noise.uniform(2, (self.continuous,)))

    def of(self, parameters: Float[Tensor, "B P"]) -> Float[Tensor, "B Z"]:
        """What Q(c | x) says as a code: probabilities of the categories and means, and 0, the mode, for the noise."""
        log_pi, q = self._posterior(parameters)
        return torch.cat([parameters.new_zeros(len(parameters), self.noise), log_pi.exp(), q.mu.clamp(-1, 1)], 1)

    def log_q(self, z: Float[Tensor, "B Z"], parameters: Float[Tensor, "B P"]) -> Parts:
        """Log Q(c | x) of the codes c in z."""
        _, category, continuous = torch.split(z, [self.noise, self.categories, self.continuous], 1)
        log_pi, q = self._posterior(parameters)
        return Parts((category * log_pi).sum(1), q.log_prob(continuous))

    def information(self, z: Float[Tensor, "B Z"], parameters: Float[Tensor, "B P"]) -> Parts:
        """Log Q(c | x) + H(c), whose mean is the bound L_I."""
        log_q = self.log_q(z, parameters)
        return Parts(
            log_q.category + self.category_entropy_nats,
            log_q.continuous + self.continuous_entropy_nats,
        )

    def _posterior(self, parameters: Tensor) -> tuple[Tensor, Diagonal]:
        logits, mu, free = torch.split(parameters, [self.categories, self.continuous, self.continuous], 1)
        least = 2 * log(LEAST_STD)
        return logits.log_softmax(1), Diagonal(mu, least + F.softplus(free - least))

    def _join(self, e: Tensor, category: Tensor, u01: Tensor) -> Tensor:
        return torch.cat([e, F.one_hot(category, self.categories).to(e), 2 * u01 - 1], 1)
