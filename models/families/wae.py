r"""Wasserstein autoencoders.

The optimal transport cost between data P_X and the push-forward of a prior P_Z by a decoder G is, over encoders Q(z|x)
whose codes are distributed as the prior (Theorem 1),

    W_c(P_X, G # P_Z) = inf_{Q: Q_Z = P_Z} E_{P_X} E_{Q(z|x)} c(x, G(z)).

The constraint is relaxed to a penalty, here for the squared cost, P_Z = N(0, I) and a deterministic encoder:

    min_{Q, G} E |x - G(Q(x))|^2 + weight D(Q_Z, P_Z).

There is no density: a Wasserstein autoencoder cannot score.

References:
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from models.family import Adam, Batch, Decodes, Encodes, Family, Loss, Options, Samples
from models.lazy import networks, sampling, torch
from models.objectives.penalties import MMD, AnyPenalty
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler


@final
class WAE(Family, Samples, Encodes, Decodes):
    """Wasserstein autoencoder: squared cost, deterministic encoder, penalized codes."""

    family: Literal["wae"] = "wae"
    latent: PositiveInt = Field(8, le=1024)  # dimensions of z
    width: int | None = Field(None, ge=1, le=2048)  # None: 128 units of a layer, or 32 channels at first
    depth: NonNegativeInt = Field(2, le=8)  # hidden layers, for vectors; 0 is linear
    weight: PositiveFloat = 10.0  # of the penalty, lambda
    penalty: AnyPenalty = MMD()

    optimizer: ClassVar[Adam] = Adam(betas=(0.5, 0.999))

    def build(self, spec: DataSpec) -> Nets:
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, self.latent, width=self.width, depth=self.depth),
            decoder=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = nets.spec.normalize(batch.x)
        z = nets["encoder"](u)  # (B, Z)
        prior = torch.randn(z.shape, generator=batch.rng, device=z.device, dtype=z.dtype)
        cost = (u - nets["decoder"](z)).square().flatten(1).sum(1).mean()
        penalty = self.penalty.value(z, prior, batch.rng)
        terms = {"cost": cost, "penalty": penalty}
        yield Loss("penalized_cost", cost + self.weight * penalty, ("encoder", "decoder"), terms)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), lambda z, _, c: self.decode(nets, z, c))

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](nets.spec.normalize(x))
        return z

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(nets["decoder"](z))
