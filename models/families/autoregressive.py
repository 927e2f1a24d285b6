r"""Autoregressive models: the probability of each element given those before it.

For data with levels, in an order of their elements (vectors' own; images by row, column and channel),

    P(x | c) = prod_d P(x_d | x_<d, c),      L = -E log P(x | c),

where one masked network computes the parameters of all D conditionals at once, `made` for vectors and small images,
`pixelcnn` for images. The likelihood is one forward pass and exact, a sample takes D, element by element, and there are
no codes.

    categorical:           P(x_d = y) = softmax(l_d)_y
    discretized_logistic:  a mixture of logistics, each integrated over the bin of the level: neighbors are alike

Rows of a table go column by column (`models.tabular.columnwise`), in the order of the table, or in any.

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
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Config, Options
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Family, Samples, Scores
from pushforward.models.likelihoods import AnyDiscreteLikelihood, Categorical
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.networks.masked.limits import check_last_layer, check_mask_memory, check_mask_width
from pushforward.models.samplers import autoregressive
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import levels_of
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from pushforward.models.tabular.columnwise import ColumnwiseForm
from pushforward.models.tabular.models_tables import ModelsTables

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


class Network(Config, ABC):
    """A masked network: (B, *shape) and a condition to the parameters of each element, (B, P, *shape)."""

    network: str  # a Literal with a default in each final network

    def check(self, spec: DataSpec, n_params: int) -> None:
        """Raises InvalidData where it cannot read the data, or give so many parameters of each element."""

    @abstractmethod
    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        """A fresh network."""


@final
class Made(Network):
    """A masked perceptron, for vectors and small images."""

    network: Literal["made"] = "made"
    width: int | None = Field(None, ge=8, le=8192)
    """Units of a hidden layer. Left out: 512, or one for each element of a row if that is more."""
    depth: int = Field(2, ge=1, le=8)
    """Hidden layers."""

    def check(self, spec: DataSpec, n_params: int) -> None:
        check_mask_memory(spec.size, "made")
        units = self.units(spec.size)
        check_mask_width(units, spec.size, field="run.family.network.width")
        check_last_layer(units * spec.size * n_params, is_image=spec.is_image)

    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        return networks.MADE(
            spec.shape, n_params, width=self.units(spec.size), depth=self.depth, condition_size=spec.condition_size
        )

    def units(self, elements: int) -> int:
        """Units of a hidden layer, for rows of so many elements."""
        return self.width or max(512, elements)


@final
class PixelCNN(Network):
    """Masked gated convolutions, for images; n layers reach n + 2 pixels up, left and right."""

    network: Literal["pixelcnn"] = "pixelcnn"
    width: int = Field(32, ge=4, le=512)
    """Channels of a layer."""
    depth: int = Field(6, ge=1, le=40)
    """Layers."""

    def check(self, spec: DataSpec, n_params: int) -> None:
        if not spec.is_image:
            raise InvalidData(
                f"pixelcnn reads images of 1, 3 or 4 channels, a row of these data is {list(spec.shape)}; "
                'use {"network": "made"}',
                field="run.family.network",
            )

    def build(self, spec: DataSpec, n_params: int) -> nn.Module:
        return networks.GatedPixelCNN(
            spec.shape, n_params, width=self.width, depth=self.depth, condition_size=spec.condition_size
        )


AnyNetwork = Annotated[Made | PixelCNN, Field(discriminator="network")]


@final
class Autoregressive(Family, Conditions, Samples, Scores, ModelsTables):
    """Element by element: exact likelihoods of data with levels and of tables, samples in D forward passes."""

    family: Literal["autoregressive"] = "autoregressive"
    network: AnyNetwork = Made()
    """The masked network."""
    likelihood: AnyDiscreteLikelihood = Categorical()
    """The distribution of each element's level."""
    any_order: bool = False
    """Of tables: learn the conditionals of each column given any others, for exact completions of any cells."""
    components: PositiveInt = Field(8, le=64)
    """Of tables: normals in the mixture of each column of numbers."""

    optimizer: ClassVar[Adam] = Adam(batch_size=64, decay="cosine")

    def for_table(self, table: Table) -> ColumnwiseForm:
        if not isinstance(self.network, Made):
            raise InvalidData('reads images; take {"network": "made"} for tables', field="run.family.network")
        if self.likelihood != Categorical():
            raise InvalidData(
                "is not for tables, which have one of their own; leave it out", field="run.family.likelihood"
            )
        return ColumnwiseForm(
            family="autoregressive",
            table=table,
            any_order=self.any_order,
            components=self.components,
            width=self.network.units(table.n_cells),
            depth=self.network.depth,
        )

    def check(self, spec: DataSpec) -> None:
        for name in ("any_order", "components"):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise InvalidData("is for tables, which these data are not; leave it out", field=f"run.family.{name}")
        if spec.levels is None:
            raise InvalidData(
                "autoregressive gives probabilities to levels, and these data are continuous: they have none; "
                f"{levels_of(spec)}; else take the family flow",
                field="run.family",
            )
        self.likelihood.check(spec)
        self.network.check(spec, self.likelihood.params_per_element(spec))

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        return networks.Nets(spec, conditionals=self.network.build(spec, self.likelihood.params_per_element(spec)))

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        nll = -self.log_probability(nets, batch.x, batch.c).mean()
        yield Loss("nll_nats", nll, ("conditionals",), {"bits_per_dim": nll / (nets.spec.size * log(2))})

    def log_probability(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """Log P(x | c), (B,) nats.  x: (B, *shape), on levels."""
        level = nets.spec.to_level(x)
        log_p = self.likelihood.level_log_prob(nets.spec, conditionals(nets, level, c), level)
        return log_p.flatten(1).sum(1)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: Options) -> LogProb:
        return LogProb(self.log_probability(nets, x, c).double(), "exact")

    def validation_rows(self, spec: DataSpec) -> int:
        return 512  # one forward pass for all, no draws

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return autoregressive.AutoregressiveSampler(
            nets.spec.shape,
            params=partial(conditionals, nets),
            draw=partial(self.likelihood.level_draw, nets.spec),
            data=nets.spec.from_level,
        )


def conditionals(nets: Nets, level: Tensor, c: Tensor) -> Tensor:
    """The parameters of each element given those before it, (B, P, *shape).  level: (B, *shape) int64."""
    u = nets.spec.normalize_level(level).to(c)
    params: Tensor = nets["conditionals"](u, *networks.condition_args(c))
    return params
