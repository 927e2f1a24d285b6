r"""Autoregressive models: the probability of each element given those before it.

For data with levels, in an order of their elements (vectors' own; images by row, column and channel),

    P(x | c) = prod_d P(x_d | x_<d, c),      L = -E log P(x | c),

where one masked network computes the parameters of all D conditionals at once, `made` for vectors and small images,
`pixelcnn` for images. The likelihood is one network call and exact, a sample takes D, element by element, and there are
no codes.

    categorical:           P(x_d = y) = softmax(l_d)_y
    discretized_logistic:  a mixture of logistics, each integrated over the bin of the level: neighbors are alike

References:
    | MADE: Masked Autoencoder for Distribution Estimation (Germain et al., 2015), https://arxiv.org/abs/1502.03509
    | Conditional Image Generation with PixelCNN Decoders (van den Oord et al., 2016), https://arxiv.org/abs/1606.05328
    | PixelCNN++ (Salimans et al., 2017), https://arxiv.org/abs/1701.05517
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import partial
from math import log
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, cast, final

from pydantic import Field

from models.errors import InvalidData
from models.family import Adam, Batch, Conditions, Config, Family, LogProb, Loss, Options, Samples, Scores
from models.lazy import networks, sampling_autoregressive
from models.objectives.levels import (
    categorical_draw,
    categorical_log_prob,
    logistic_mixture_draw,
    logistic_mixture_log_prob,
)
from models.spec import DataSpec

if TYPE_CHECKING:
    from torch import Tensor, nn

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler

MAX_CATEGORIES = 256


class Network(Config, ABC):
    """A masked network: (B, *shape) and a condition to the parameters of each element, (B, P, *shape)."""

    network: str  # a Literal with a default in each final network

    @abstractmethod
    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        """A fresh network. Raises InvalidData where it cannot read the data."""


@final
class Made(Network):
    """A masked perceptron, for vectors and small images."""

    network: Literal["made"] = "made"
    width: int = Field(512, ge=8, le=8192)  # units of a hidden layer; at least one for each element
    depth: int = Field(2, ge=1, le=8)  # hidden layers

    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        return networks.MADE(spec.shape, n_params, width=self.width, depth=self.depth, n_given=spec.condition_size)


@final
class PixelCNN(Network):
    """Masked gated convolutions, for images; n layers reach n + 2 pixels up, left and right."""

    network: Literal["pixelcnn"] = "pixelcnn"
    width: int = Field(32, ge=4, le=512)  # channels of a layer
    depth: int = Field(6, ge=1, le=40)  # layers

    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        if not spec.is_image:
            raise InvalidData(
                f"pixelcnn reads images of 1 or 3 channels, a row of these data is {list(spec.shape)}; "
                'use {"network": "made"}',
                field="run.family.network",
            )
        return networks.PixelCNN(spec.shape, n_params, width=self.width, depth=self.depth, n_given=spec.condition_size)


AnyNetwork = Annotated[Made | PixelCNN, Field(discriminator="network")]


class Output(Config, ABC):
    """What the parameters of an element say of its level."""

    output: str  # a Literal with a default in each final output

    @abstractmethod
    def n_params(self, levels: int) -> int:
        """P, parameters of one element. Raises InvalidData where there are too many levels."""

    @abstractmethod
    def log_prob(self, params: Tensor, level: Tensor, levels: int) -> Tensor:
        """Log P(level), (B, *shape).  params: (B, P, *shape); level: (B, *shape) int64."""

    @abstractmethod
    def draw(self, params: Tensor, u01: Tensor, levels: int) -> Tensor:
        """A level, (B,) int64.  params: (B, P); u01: (B, 2)."""


@final
class Categorical(Output):
    """A probability for each level."""

    output: Literal["categorical"] = "categorical"

    def n_params(self, levels: int) -> int:
        if levels > MAX_CATEGORIES:
            raise InvalidData(
                f'categorical takes up to {MAX_CATEGORIES} levels, these data have {levels}; use {{"output": '
                '"discretized_logistic"}',
                field="run.family.output",
            )
        return levels

    def log_prob(self, params: Tensor, level: Tensor, levels: int) -> Tensor:
        return categorical_log_prob(params, level)

    def draw(self, params: Tensor, u01: Tensor, levels: int) -> Tensor:
        return categorical_draw(params, u01[:, 0])


@final
class DiscretizedLogistic(Output):
    """A mixture of logistics, integrated over the bin of each level."""

    output: Literal["discretized_logistic"] = "discretized_logistic"
    components: int = Field(5, ge=1, le=64)

    def n_params(self, levels: int) -> int:
        return 3 * self.components

    def log_prob(self, params: Tensor, level: Tensor, levels: int) -> Tensor:
        return logistic_mixture_log_prob(params, level, levels)

    def draw(self, params: Tensor, u01: Tensor, levels: int) -> Tensor:
        return logistic_mixture_draw(params, u01[:, 0], u01[:, 1], levels)


AnyOutput = Annotated[Categorical | DiscretizedLogistic, Field(discriminator="output")]


@final
class Autoregressive(Family, Conditions, Samples, Scores):
    """Element by element: exact likelihoods of data with levels in one network call, samples in D of them."""

    family: Literal["autoregressive"] = "autoregressive"
    network: AnyNetwork = Made()
    output: AnyOutput = Categorical()

    optimizer: ClassVar[Adam] = Adam(batch_size=64, decay="cosine")

    def build(self, spec: DataSpec) -> Nets:
        if spec.levels is None:
            raise InvalidData(
                "autoregressive gives probabilities to levels, and these data are continuous; take the family flow",
                field="run.family",
            )
        return networks.Nets(spec, conditionals=self.network.build(spec, self.output.n_params(spec.levels)))

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        nll = -self.log_probability(nets, batch.x, batch.c).mean()
        yield Loss("nll_nats", nll, ("conditionals",), {"bits_per_dim": nll / (nets.spec.size * log(2))})

    def log_probability(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """Log P(x | c), (B,) nats.  x: (B, *shape), on levels."""
        level = to_level(nets.spec, x)
        log_p = self.output.log_prob(conditionals(nets, level, c), level, n_levels(nets.spec))
        return log_p.flatten(1).sum(1)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Options) -> LogProb:
        return LogProb(self.log_probability(nets, x, c).double(), "exact")

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return sampling_autoregressive.ElementByElement(
            nets.spec.shape,
            params=partial(conditionals, nets),
            draw=lambda params, u01: self.output.draw(params, u01, n_levels(nets.spec)),
            data=partial(from_level, nets.spec),
        )


def conditionals(nets: Nets, level: Tensor, c: Tensor) -> Tensor:
    """The parameters of each element given those before it, (B, P, *shape).  level: (B, *shape) int64."""
    u = nets.spec.normalize(from_level(nets.spec, level).to(c))
    params: Tensor = nets["conditionals"](u, *networks.given(c))
    return params


def n_levels(spec: DataSpec) -> int:
    """L, of data that have levels."""
    return cast(int, spec.levels)


def to_level(spec: DataSpec, x: Tensor) -> Tensor:
    """Data units to levels 0, ..., L - 1, (B, *shape) int64."""
    return ((x - cast(float, spec.low)) / spec.bin_width).round().long()


def from_level(spec: DataSpec, level: Tensor) -> Tensor:
    """Levels to data units, (B, *shape)."""
    return cast(float, spec.low) + spec.bin_width * level.float()
