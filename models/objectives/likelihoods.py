r"""p(x|z): how a decoder's output y becomes a distribution over data.

    bernoulli:  b = (x - low) / (high - low),  log p = sum_i b_i log s_i + (1 - b_i) log(1 - s_i),  s = sigmoid(y)
    binomial:   n = (x - low) / w,  N = levels - 1,
                log p = sum_i log C(N, n_i) + n_i log s_i + (N - n_i) log(1 - s_i)
    gaussian:   u = normalize(x),              log p = log N(u; y, sigma^2 I) + log |du/dx|,        sigma learned

Gray values under `bernoulli` are the probabilities of a stochastic binarization of the image. The number is a
probability, without Jacobian, and with it an ELBO is a lower bound of the expected log-likelihood of the binarized
image (Salakhutdinov & Murray, 2008). Where a gray value is a count, as in scikit-learn's digits (ink in blocks of 4x4
dots), `binomial` is the probability of the level itself. Data with levels under `gaussian` are dequantized
(`models.objectives.dequantization`) and the number includes the bins' volume: it is nats of the level itself.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | On the quantitative analysis of deep belief networks (Salakhutdinov & Murray, 2008), doi:10.1145/1390156.1390266
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import lgamma, log, pi
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field

from models.errors import InvalidData
from models.family import Config
from models.lazy import F, torch
from models.objectives.dequantization import level_log_volume
from models.spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor

    from models.noise import Noise


class Likelihood(Config, ABC):
    """A distribution over data given the decoder's output y and one learned scalar, log_scale."""

    likelihood: str  # a Literal with a default in each final likelihood

    learns_scale: ClassVar[bool] = False

    @abstractmethod
    def check(self, spec: DataSpec) -> None:
        """Raises InvalidData where this likelihood cannot describe the data."""

    @abstractmethod
    def scores_only_levels(self, spec: DataSpec) -> bool:
        """Whether values between levels have no probability."""

    @abstractmethod
    def dequantizes(self, spec: DataSpec) -> bool:
        """Whether `log_prob` wants points of the bins of the levels, not the levels."""

    @abstractmethod
    def log_prob(self, spec: DataSpec, x: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        """Log p(x|y), (B,) nats, in data units; of the level where it dequantizes.  x, y: (B, *shape)."""

    @abstractmethod
    def mean(self, spec: DataSpec, y: Tensor) -> Tensor:
        """E[x|y], (B, *shape), data units."""

    @abstractmethod
    def draw(self, spec: DataSpec, y: Tensor, log_scale: Tensor, noise: Noise) -> Tensor:
        """A draw of x given y, (B, *shape), data units. The noise's draw 0 is the code's."""


@final
class Bernoulli(Likelihood):
    """Each element is on or off with the probability its gray value says; for bounded data. Draws show gray values."""

    likelihood: Literal["bernoulli"] = "bernoulli"

    def check(self, spec: DataSpec) -> None:
        if spec.low is None:
            raise InvalidData(
                'bernoulli needs data with bounds, these have none; use {"likelihood": "gaussian"}, or give the data '
                "low and high",
                field="run.family.likelihood",
            )

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return False

    def dequantizes(self, spec: DataSpec) -> bool:
        return False

    def log_prob(self, spec: DataSpec, x: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        low, high = _bounds(spec)
        b = (x - low) / (high - low)
        return -F.binary_cross_entropy_with_logits(y, b, reduction="none").flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Tensor) -> Tensor:
        low, high = _bounds(spec)
        return low + (high - low) * torch.sigmoid(y)

    def draw(self, spec: DataSpec, y: Tensor, log_scale: Tensor, noise: Noise) -> Tensor:
        return self.mean(spec, y)  # a picture of the probabilities, as the data are


@final
class Binomial(Likelihood):
    """Each element counts its heads in as many tosses as there are steps between levels; for data with levels."""

    likelihood: Literal["binomial"] = "binomial"

    def check(self, spec: DataSpec) -> None:
        if spec.levels is None:
            raise InvalidData(
                'binomial needs data with levels, these have none; use {"likelihood": "gaussian"}',
                field="run.family.likelihood",
            )

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return True

    def dequantizes(self, spec: DataSpec) -> bool:
        return False

    def log_prob(self, spec: DataSpec, x: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        low, high = _bounds(spec)
        tosses = (high - low) / spec.bin_width
        n = (x - low) / spec.bin_width
        log_ways = lgamma(tosses + 1) - torch.lgamma(n + 1) - torch.lgamma(tosses - n + 1)
        cross_entropy = F.binary_cross_entropy_with_logits(y, n / tosses, reduction="none")
        return (log_ways - tosses * cross_entropy).flatten(1).sum(1)

    def mean(self, spec: DataSpec, y: Tensor) -> Tensor:
        low, high = _bounds(spec)
        return low + (high - low) * torch.sigmoid(y)

    def draw(self, spec: DataSpec, y: Tensor, log_scale: Tensor, noise: Noise) -> Tensor:
        low, high = _bounds(spec)
        tosses = round((high - low) / spec.bin_width)
        u, cdf, n = noise.uniform(1, spec.shape), torch.zeros_like(y), torch.zeros_like(y)
        log_ways = 0.0
        for k in range(tosses):  # n counts the levels whose cumulative probability is below u
            cdf = cdf + (log_ways + k * F.logsigmoid(y) + (tosses - k) * F.logsigmoid(-y)).exp()
            n = n + (u > cdf)
            log_ways += log((tosses - k) / (k + 1))
        return low + spec.bin_width * n


@final
class Gaussian(Likelihood):
    """One standard deviation, learned, for all elements (in network units)."""

    likelihood: Literal["gaussian"] = "gaussian"

    learns_scale = True

    def check(self, spec: DataSpec) -> None:
        return

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return spec.levels is not None

    def dequantizes(self, spec: DataSpec) -> bool:
        return spec.levels is not None

    def log_prob(self, spec: DataSpec, x: Tensor, y: Tensor, log_scale: Tensor) -> Tensor:
        standard = (spec.normalize(x) - y) * (-log_scale).exp()
        per_element = -0.5 * standard**2 - log_scale - 0.5 * log(2 * pi)
        log_volume = level_log_volume(spec) if self.dequantizes(spec) else 0.0
        return per_element.flatten(1).sum(1) + (spec.log_jacobian + log_volume)

    def mean(self, spec: DataSpec, y: Tensor) -> Tensor:
        return spec.denormalize(y)

    def draw(self, spec: DataSpec, y: Tensor, log_scale: Tensor, noise: Noise) -> Tensor:
        return spec.denormalize(y + log_scale.exp() * noise.normal(1, spec.shape))


def _bounds(spec: DataSpec) -> tuple[float, float]:
    if spec.low is None or spec.high is None:
        raise ValueError("unbounded data have no such likelihood")
    return spec.low, spec.high


AnyLikelihood = Annotated[Bernoulli | Binomial | Gaussian, Field(discriminator="likelihood")]
