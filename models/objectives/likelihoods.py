r"""p(x|z): how a decoder's output y becomes a distribution over data. In network units, u in [-1, 1] where bounded.

    bernoulli:  b = (u + 1) / 2,   log p = b log s + (1 - b) log (1 - s),   s = sigmoid(y)
    gaussian:   log p = -(u - y)^2 / (2 sigma^2) - log sigma - log(2 pi) / 2,  one learned sigma

Gray values under `bernoulli` stand for the probabilities of a stochastic binarization of the image; by Jensen the
number is a lower bound of its expected log-likelihood.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import log, pi
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from models.family import Config
from models.lazy import F, torch

if TYPE_CHECKING:
    from torch import Tensor


class Likelihood(Config, ABC):
    """A distribution over u given the decoder's output y and one learned scalar, log_scale."""

    likelihood: str

    learns_scale: ClassVar[bool] = False

    @abstractmethod
    def log_prob(self, u: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        """Log p(u|y), (B,) nats, in network units.  u, y: (B, *shape)."""

    @abstractmethod
    def mean(self, y: Tensor) -> Tensor:
        """E[u|y], (B, *shape)."""

    @abstractmethod
    def draw(self, y: Tensor, log_scale: Tensor, normal: Tensor) -> Tensor:
        """U ~ p(.|y) from standard normals, (B, *shape)."""


@final
class Bernoulli(Likelihood):
    """Each pixel is on or off; data must be bounded."""

    likelihood: Literal["bernoulli"] = "bernoulli"

    def log_prob(self, u: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(y, (u + 1) / 2, reduction="none").flatten(1).sum(1)

    def mean(self, y: Tensor) -> Tensor:
        return 2 * torch.sigmoid(y) - 1

    def draw(self, y: Tensor, log_scale: Tensor, normal: Tensor) -> Tensor:
        return self.mean(y)  # gray values are probabilities: the mean is the image


@final
class Gaussian(Likelihood):
    """One standard deviation, learned, for all elements."""

    likelihood: Literal["gaussian"] = "gaussian"

    learns_scale = True

    def log_prob(self, u: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        per_element = -0.5 * ((u - y) / log_scale.exp()) ** 2 - log_scale - 0.5 * log(2 * pi)
        return per_element.flatten(1).sum(1)

    def mean(self, y: Tensor) -> Tensor:
        return y

    def draw(self, y: Tensor, log_scale: Tensor, normal: Tensor) -> Tensor:
        return y + log_scale.exp() * normal


AnyLikelihood = Annotated[Bernoulli | Gaussian, Field(discriminator="likelihood")]
