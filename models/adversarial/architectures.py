r"""Generators and critics of one architecture, for data of a kind.

default      perceptrons for vectors, convolutions for images from 5x5 to 64x64 and series of 8 to 1,024 steps
mlp          perceptrons for everything
dcgan        strided convolutions, batch normalization in the generator
residual     residual blocks
progressive  blocks that are added during the training, for larger and larger images
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.adversarial import growth
from pushforward.models.config.config import Config
from pushforward.models.errors import InvalidData
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import convolves

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Nets


@dataclass(frozen=True)
class Size:
    """How large networks are."""

    width: int | None  # None: by the size of the data
    depth: int


class Architecture(Config, ABC):
    """How a generator and a critic are built."""

    network: str  # a Literal with a default in each final architecture

    def check(self, spec: DataSpec) -> None:
        """Refuse data that it cannot take. Raises InvalidData."""
        convolves(spec)

    @abstractmethod
    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        """(B, n_in) to (B, rows * shape[0], *shape[1:]), network units before the range is applied."""

    @abstractmethod
    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        """(B, shape[0] + extra, *shape[1:]) to (B, n_out): scores, or features."""

    def shown(self, nets: Nets, u: Tensor, batch: Batch) -> Tensor:
        """Rows as networks compare them at this step, (B, C, ...), of u, (B, *shape), network units."""
        return u

    def of_step(self, nets: Nets, loss: Loss) -> Loss:
        """A loss on the parts of its networks that compute something at this step."""
        return loss

    def translator(self, spec: DataSpec, size: Size, *, extra: int = 0) -> nn.Module:
        """(B, shape[0] + extra, *shape[1:]) to (B, *shape): a perceptron, or residual convolutions."""
        return networks.translator(spec, width=size.width, depth=size.depth, condition_size=extra)


@final
class Plain(Architecture):
    """Perceptrons for vectors, convolutions for images and series."""

    network: Literal["plain"] = "plain"

    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        return networks.decoder(spec, n_in, width=size.width, depth=size.depth, leaky=True, params_per_element=rows)

    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        return networks.encoder(
            spec, n_out, width=size.width, depth=size.depth, normalized=False, leaky=True, condition_size=extra
        )


@final
class Perceptrons(Architecture):
    """Perceptrons for vectors, images and series."""

    network: Literal["mlp"] = "mlp"

    def check(self, spec: DataSpec) -> None:
        """Takes all data."""

    def translator(self, spec: DataSpec, size: Size, *, extra: int = 0) -> nn.Module:
        return networks.translator(spec, width=size.width, depth=size.depth, condition_size=extra, flat=True)

    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        return networks.decoder(
            spec, n_in, width=size.width, depth=size.depth, leaky=True, params_per_element=rows, backbone="perceptron"
        )

    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        return networks.encoder(
            spec,
            n_out,
            width=size.width,
            depth=size.depth,
            normalized=False,
            leaky=True,
            condition_size=extra,
            backbone="perceptron",
        )


class Convolutional(Architecture, ABC):
    """For images and series alone."""

    def check(self, spec: DataSpec) -> None:
        if not convolves(spec):
            raise InvalidData(
                f"the network {self.network} takes images from 5x5 to 64x64 and series of 8 to 1,024 steps, not rows "
                f"of shape {list(spec.shape)}; choose the network mlp",
                field="run.family.network",
            )


@final
class DCGAN(Convolutional):
    """The deep convolutional GAN: strided convolutions, batch normalization in the generator."""

    network: Literal["dcgan"] = "dcgan"

    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        shape = (rows * spec.shape[0], *spec.shape[1:])
        return networks.DCGANGenerator(n_in, shape, width=size.width or networks.default_width(spec))

    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        shape = (spec.shape[0] + extra, *spec.shape[1:])
        return networks.DCGANCritic(shape, n_out, width=size.width or networks.default_width(spec))


@final
class Residual(Convolutional):
    """Residual blocks in both networks, as spectrally normalized GANs have them."""

    network: Literal["residual"] = "residual"

    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        shape = (rows * spec.shape[0], *spec.shape[1:])
        return networks.ResidualGenerator(n_in, shape, width=size.width or networks.default_width(spec))

    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        shape = (spec.shape[0] + extra, *spec.shape[1:])
        return networks.ResidualCritic(shape, n_out, width=size.width or networks.default_width(spec))


@final
class Progressive(Convolutional):
    """Blocks that are added one after another: networks learn images of 4x4 first, then of 8x8, 16x16, and so on."""

    network: Literal["progressive"] = "progressive"
    growing: float = Field(0.5, gt=0.0, le=1.0)
    """Share of the training in which the networks grow; in the rest they have their whole size."""

    def check(self, spec: DataSpec) -> None:
        if spec.is_series:
            raise InvalidData("progressive grows images, not series; choose the network plain, dcgan or residual",
                              field="run.family.network")  # fmt: skip
        super().check(spec)

    def generator(self, spec: DataSpec, n_in: int, size: Size, *, rows: int = 1) -> nn.Module:
        shape = (rows * spec.shape[0], *spec.shape[1:])
        return networks.ProgressiveGenerator(n_in, shape, width=size.width or networks.default_width(spec))

    def critic(self, spec: DataSpec, n_out: int, size: Size, *, extra: int = 0) -> nn.Module:
        shape = (spec.shape[0] + extra, *spec.shape[1:])
        return networks.ProgressiveCritic(shape, n_out, width=size.width or networks.default_width(spec))

    def shown(self, nets: Nets, u: Tensor, batch: Batch) -> Tensor:
        phase = self.phase(nets.spec, batch)
        growth.grow(nets, phase)
        return networks.faded(u, *phase)

    def of_step(self, nets: Nets, loss: Loss) -> Loss:
        return growth.of_side(nets, loss)

    def phase(self, spec: DataSpec, batch: Batch) -> growth.GrowthPhase:
        """The phase of a step."""
        return growth.phase(networks.sides(spec.shape), batch.step / (self.growing * batch.total_steps))


AnyArchitecture = Annotated[Plain | Perceptrons | DCGAN | Residual, Field(discriminator="network")]
AnyArchitectureOrGrowing = Annotated[  # of families that show rows and descend losses as `shown` and `of_step` say
    Plain | Perceptrons | DCGAN | Residual | Progressive, Field(discriminator="network")
]
