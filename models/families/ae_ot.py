r"""Autoencoders with optimal transport.

An autoencoder gives each of the n training rows a code y_i = E(x_i), without regard for their distribution,

    L_AE = E |x - G(E(x))|^2,

and semi-discrete optimal transport carries noise onto the codes (`models.geometry.semidiscrete`): heights h minimize

    E(h) = E_{x ~ N(0, I)} max_i (<x, y_i> + h_i) - (1/n) sum_i h_i,

so that each code is reached by 1/n of the noise, and a sample is G(T(x)), T the piecewise linear extension of the map,
which leaves the gaps between the modes of the codes empty. Sampling is convex optimization, not a game; there is no
density.

Both losses are descended on at every step: the codes are those of the last epoch, and converge as the learning rate
falls. Rows that no batch has had yet get no noise. The table of codes grows with the data, and n x `draws` is the work
of a step.

It takes no condition. Given a label, noise would have to be carried onto the codes of its rows alone, one transport for
each label, whose heights see 1/n_classes of the rows each; and the vector of a row is shared by no other row, so there
is nothing to carry noise onto.

References:
    | AE-OT: A New Generative Model Based on Extended Semi-discrete Optimal Transport (An et al., 2020), ICLR
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Diagnoses, Encodes, Family, Samples, Validates, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.transported_codes import cell_mass_error, transport_loss
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves, rows_kept

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class AEOT(Family, Samples, Validates, Encodes, Decodes, Diagnoses):
    """Autoencoder whose codes are reached from noise by semi-discrete optimal transport."""

    family: Literal["ae_ot"] = "ae_ot"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors."""
    draws: int = Field(1024, ge=16, le=65536)
    """Draws of noise at each step of the transport's training."""
    neighbors: PositiveInt = Field(2, le=64)
    """Codes of the data that one sample lies between, at most; 1 draws only codes of the data."""
    angle: float = Field(0.6, gt=0.0, le=3.15)
    """Greatest angle between neighbors, in radians: beyond it they belong to different modes."""

    optimizer: ClassVar[Adam] = Adam(lr=2e-3, decay="cosine")

    def check(self, spec: DataSpec) -> None:
        rows_kept(spec)
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, self.latent, width=self.width, depth=self.depth),
            decoder=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
            transport=networks.SemiDiscreteTransport(
                rows_kept(spec), self.latent, neighbors=self.neighbors, widest=self.angle
            ),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = nets.spec.normalize(batch.x)
        z = nets["encoder"](u)
        yield Loss("cost", (u - nets["decoder"](z)).square().flatten(1).sum(1).mean(), ("encoder", "decoder"))
        yield transport_loss(nets, z, self.draws, batch)

    @property
    def keeps_best(self) -> bool:
        return False  # the transport is of the last codes

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](nets.spec.normalize(x))
        return z

    @property
    def natural_path(self) -> PathName:
        return "linear"  # codes lie where the encoder puts them

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        z: Tensor = nets["transport"](noise.normal(0, (self.latent,)))
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(nets["decoder"](z))

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        return {"cell_mass_error": cell_mass_error(nets, noise)}
