r"""Generative latent nearest neighbors.

GLO gives each training row a code of its own, in the unit ball, and learns it together with a generator,

    min_{G, z_1, ..., z_n} (1/n) sum_i |x_i - G(z_i)|^2,      |z_i| <= 1,

and IMLE maps noise e ~ N(0, I) to the codes: each code pulls the nearest of m mapped draws, so none is forgotten,

    min_T E_{e_1, ..., e_m} (1/n) sum_i min_j |z_i - T(e_j)|^2.

A sample is G(T(e)). No critic plays against G, and no mode of the codes can be dropped. There is no density.

It takes no condition. A code would have to be nearest to a draw T(e, c_i) with the condition of its own row: m draws
for each row in the place of m for all, or too few draws of a condition to be near all of its codes.

The paper's perceptual loss is a squared error here. Both losses are descended on at every step: T follows the codes,
which converge as the learning rate falls.

References:
    | Non-Adversarial Image Synthesis with Generative Latent Nearest Neighbors (Hoshen & Malik, 2018), arXiv:1812.08985
    | Optimizing the Latent Space of Generative Networks (Bojanowski et al., 2018), https://arxiv.org/abs/1707.05776
    | Implicit Maximum Likelihood Estimation (Li & Malik, 2018), https://arxiv.org/abs/1809.09087
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.family import Decodes, Encodes, Family, Samples, decoded
from pushforward.models.geometry.distances import squared_distances
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents import inversion
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves, rows_kept
from pushforward.models.stepwise import mapping

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler


class DescentOptions(Options):
    """How long a code is looked for."""

    steps: int = Field(100, ge=1, le=2000)
    """Gradient steps that fit a code to each row."""


@final
class GLANN(Family, Samples, Encodes, Decodes):
    """Generative latent nearest neighbors: a learned code for each row, and a map from noise to codes."""

    family: Literal["glann"] = "glann"
    latent: PositiveInt = Field(16, le=1024)
    """Dimensions of a code, and of the noise."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors."""
    mapping_width: PositiveInt = Field(128, le=2048)
    """Units of a layer of the map from noise to codes."""
    mapping_depth: PositiveInt = Field(3, le=8)
    """Hidden layers of the map from noise to codes."""
    draws: int = Field(1024, ge=16, le=65536)
    """Draws of noise at each step, m."""

    optimizer: ClassVar[Adam] = Adam(lr=4e-3, decay="cosine")
    EncodeOptions: ClassVar[type[Options]] = DescentOptions

    @property
    def notes(self) -> tuple[str, ...]:
        return ("Codes of data are looked for by gradient descent: an estimate of the nearest image's.",)

    def check(self, spec: DataSpec) -> None:
        rows_kept(spec)
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        return networks.Nets(
            spec,
            codes=networks.CodeTable(rows_kept(spec), self.latent),
            generator=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
            mapping=networks.MLP((self.latent,), (self.latent,), width=self.mapping_width, depth=self.mapping_depth),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        z = nets["codes"](batch.row)  # (B, Z)
        u = nets.spec.normalize(batch.x)
        cost = (u - nets["generator"](z)).square().flatten(1).sum(1).mean()
        yield Loss("cost", cost, ("codes", "generator"))
        z = z.detach()
        e = torch.randn(self.draws, self.latent, generator=batch.rng, device=z.device, dtype=z.dtype)
        yield Loss("nearest_code_square", self.nearest_square(nets, z, e), ("mapping",))

    def nearest_square(self, nets: Nets, z: Tensor, e: Tensor) -> Tensor:
        """The mean of min_j |z_i - T(e_j)|^2, a scalar.  z: (B, Z), e: (m, Z)."""
        with torch.no_grad():
            nearest = squared_distances(z, nets["mapping"](e)).argmin(1)
        square: Tensor = (z - nets["mapping"](e[nearest])).square().sum(1)
        return square.mean()

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.encoder(nets, DescentOptions()), x, c)

    def encoder(self, nets: Nets, options: DescentOptions) -> RowMap:
        return inversion.LatentInversion(nets["generator"], nets.spec, self.latent, options.steps)

    @property
    def natural_path(self) -> PathName:
        return "linear"  # codes fill a ball

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        z: Tensor = nets["mapping"](noise.normal(0, (self.latent,)))
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(nets["generator"](z))
