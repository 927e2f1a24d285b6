r"""Autoencoders.

An encoder phi and a decoder psi that reconstruct data through a code of few dimensions, in network units:

    min_{phi, psi} E |x - psi(phi(x))|^2.

At depth 0 the best code is that of principal component analysis, up to an invertible linear map, and the error is the
sum of the eigenvalues of the covariance that were left out. The loss does not say where codes lie, so nothing new can
be drawn: an autoencoder reconstructs and does not generate. A density of its codes z = phi(x) may be fitted too,

    min_theta -E log p_theta(z),    z held fixed,

which changes neither encoder nor decoder. How good samples psi(z), z ~ p_theta, are depends on how points between codes
decode, which training does not control; the notes of the model say so.

Where rows have a condition c, encoder and decoder see it, phi(x, c) and psi(z, c), and the density of codes is
p_theta(z|c), which c moves and stretches (`models.networks.mixture`): codes need not tell what c does, and still may.
At depth 0 the decoder adds a vector for each label, so the error is that of principal component analysis of the rows
less the means of their labels.

References:
    | Reducing the Dimensionality of Data with Neural Networks (Hinton & Salakhutdinov, 2006), Science 313
    | Neural networks and principal component analysis (Baldi & Hornik, 1989), doi:10.1016/0893-6080(89)90014-2
    | From Variational to Deterministic Autoencoders (Ghosh et al., 2019), https://arxiv.org/abs/1903.12436: the density
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, Self, cast, final

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidInput
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Validates, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.code_densities import (
    MAX_COVARIANCES,
    AnyCodeDensity,
    FittedDensity,
    MixtureDensity,
    NoDensity,
)
from pushforward.models.lazy import torch
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import Backbone, check_backbone

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import GaussianMixture, Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class AE(Family, Conditions, Samples, Validates, Encodes, Decodes):
    """Autoencoder: reconstructs; samples only where a density of its codes is fitted beside, and says so."""

    family: Literal["ae"] = "ae"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    network: Backbone = "auto"
    """The networks: `auto` are convolutions for images and series, else perceptrons; or `perceptron`, or `residual`."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors; 0 is principal component analysis."""
    density: AnyCodeDensity = NoDensity()
    """The density of the codes, fitted after training; without one the model draws no samples."""

    @model_validator(mode="after")
    def _covariances_fit(self) -> Self:
        if isinstance(self.density, MixtureDensity) and self.density.components * self.latent**2 > MAX_COVARIANCES:
            raise ValueError(
                f"{self.density.components} covariances of {self.latent} x {self.latent} numbers are too many; lower "
                f"density.components or latent: density.components times latent squared is at most {MAX_COVARIANCES}"
            )
        return self

    @property
    def withheld(self) -> frozenset[str]:
        return frozenset() if isinstance(self.density, FittedDensity) else frozenset({"sample"})

    @property
    def notes(self) -> tuple[str, ...]:
        if isinstance(self.density, NoDensity):
            return ("An autoencoder reconstructs and does not generate: no density of its codes was fitted.",)
        return ("Samples come from a density fitted to the codes; the model is not a generative one by its training.",)

    def check(self, spec: DataSpec) -> None:
        check_backbone(self.network, spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        c, width, depth, backbone = spec.condition_size, self.width, self.depth, self.network
        nets = networks.Nets(
            spec,
            encoder=networks.encoder(spec, self.latent, condition_size=c, width=width, depth=depth, backbone=backbone),
            decoder=networks.decoder(spec, self.latent + c, width=width, depth=depth, backbone=backbone),
        )
        if isinstance(self.density, FittedDensity):
            nets["density"] = self.density.network(self.latent, c)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, c = nets.spec.normalize(batch.x), batch.c
        z = nets["encoder"](networks.concat_condition(u, c))  # (B, Z)
        squared_error = (u - self.push(nets, z, c)).square().flatten(1).sum(1).mean()
        yield Loss("squared_error", squared_error, ("encoder", "decoder"))
        if isinstance(self.density, FittedDensity):
            density = cast("GaussianMixture", nets["density"])
            yield Loss("code_nll_nats", -density.log_prob(z.detach(), c).mean(), ("density",))

    def push(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """psi(z, c), (B, *shape), network units."""
        y: Tensor = nets["decoder"](torch.cat([z, c], 1))
        return y

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](networks.concat_condition(nets.spec.normalize(x), c))
        return z

    @property
    def natural_path(self) -> PathName:
        return "linear"  # nothing puts codes on a sphere

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        if isinstance(self.density, NoDensity):
            raise InvalidInput(
                "this autoencoder has no density of codes to draw from; give start and end, rows to interpolate "
                'between, or train one with {"density": "mixture"}',
                field="start_seed",
            )
        z: Tensor = nets["density"](noise.normal(0, (self.latent,)), noise.uniform(1, (1,)), c)
        return z

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z, c))
