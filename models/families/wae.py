r"""Wasserstein autoencoders.

The optimal transport cost between data P_X and the push-forward of a prior P_Z by a decoder G is, over encoders Q(z|x)
whose codes are distributed as the prior (Theorem 1),

    W_c(P_X, G # P_Z) = inf_{Q: Q_Z = P_Z} E_{P_X} E_{Q(z|x)} c(x, G(z)).

The constraint is relaxed to a penalty, here for the squared cost, with x and G(z) in network units:

    min_{Q, G} E |x - G(z)|^2 + weight D(Q_Z, P_Z),    z ~ Q(z|x).

The prior is any distribution that can be drawn from (`models.latents.sampled_priors`), the penalty any divergence of
draws or a game against a critic of codes (`models.adversarial.penalties`). With the non-saturating game this is an
adversarial autoencoder: for the squared cost it minimizes W_2^2 between data and samples, not a distance in the latent
space, which is zero for every encoder that matches the prior, even a bad one (Theorem 1). An encoder is deterministic,
z = mu(x), or Gaussian, z = mu(x) + sigma(x) eps; the code of data is mu(x) in both cases.

There is no density: a Wasserstein autoencoder has no likelihoods.

References:
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558
    | Adversarial Autoencoders (Makhzani et al., 2015), https://arxiv.org/abs/1511.05644
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.penalties import MMD, Adversarial, AnyPenalty
from pushforward.models.config.config import Options
from pushforward.models.distributions.gaussians import reparameterize
from pushforward.models.family import Decodes, Encodes, Family, Samples, Validates, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.sampled_priors import AnyCodePrior, GaussianCodes
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape, convolves

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class WAE(Family, Samples, Validates, Encodes, Decodes):
    """Wasserstein or adversarial autoencoder: squared cost, codes penalized for their distance from any prior."""

    family: Literal["wae"] = "wae"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors; 0 is linear."""
    weight: PositiveFloat = 10.0
    """Weight of the penalty, lambda."""
    penalty: AnyPenalty = MMD()
    """How the codes of the data are drawn to the prior."""
    prior_codes: AnyCodePrior = GaussianCodes()
    """p(z): the distribution that codes of new data are drawn from."""
    posterior: Literal["deterministic", "gaussian"] = "deterministic"
    """Whether the encoder is deterministic or gives a Gaussian."""

    optimizer: ClassVar[Adam] = Adam(betas=(0.5, 0.999))

    @model_validator(mode="after")
    def _the_prior_fits(self) -> Self:
        prior, least = self.prior_codes.prior, self.prior_codes.least_dimensions
        if self.latent < least:
            raise ValueError(f"the prior {prior} needs at least {least} dimensions; raise latent from {self.latent}")
        return self

    def check(self, spec: DataSpec) -> None:
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        n_out = self.latent if self.posterior == "deterministic" else 2 * self.latent
        nets = networks.Nets(
            spec,
            encoder=networks.encoder(spec, n_out, width=self.width, depth=self.depth),
            decoder=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
        )
        if isinstance(self.penalty, Adversarial):
            self.penalty.add_critic(nets, self.latent)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, rng = nets.spec.normalize(batch.x), batch.rng
        z = self.draw_codes(nets, u, rng)  # (B, Z)
        eps = torch.randn(len(z), self.prior_codes.normals(self.latent), generator=rng, device=z.device, dtype=z.dtype)
        prior = self.prior_codes.push(eps)
        if isinstance(self.penalty, Adversarial):
            yield from self.penalty.critic_losses(nets, z, prior, batch)
            penalty = self.penalty.value(nets, z, prior, batch)
        else:
            penalty = self.penalty.value(z, prior, rng)
        cost = self.cost(nets, u, z)
        terms = {"cost": cost, "penalty": penalty}
        yield Loss("penalized_cost", cost + self.weight * penalty, ("encoder", "decoder"), terms)

    def cost(self, nets: Nets, u: Tensor, z: Tensor) -> Tensor:
        """The mean squared distance of rows from what their codes decode to, a scalar, network units."""
        square: Tensor = (u - nets["decoder"](z)).square().flatten(1).sum(1)
        return square.mean()

    @property
    def keeps_best(self) -> bool:
        return not isinstance(self.penalty, Adversarial)  # else the cost alone, and codes may drift from the prior

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        if not isinstance(self.penalty, Adversarial):
            return next(self.losses(nets, batch))
        u = nets.spec.normalize(batch.x)
        return Loss("cost", self.cost(nets, u, self.draw_codes(nets, u, batch.rng)), ())

    def draw_codes(self, nets: Nets, u: Tensor, rng: Generator) -> Tensor:
        """Draws of Q(z|x), (B, Z).  u: (B, *shape), network units."""
        if self.posterior == "deterministic":
            z: Tensor = nets["encoder"](u)
            return z
        mu, log_var = nets["encoder"](u).chunk(2, dim=1)
        eps = torch.randn(mu.shape, generator=rng, device=mu.device, dtype=mu.dtype)
        return reparameterize(mu, log_var.clamp(-12, 6), eps)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](nets.spec.normalize(x))
        return z[:, : self.latent]  # the mean; variances follow it where the encoder is Gaussian

    @property
    def natural_path(self) -> PathName:
        return self.prior_codes.natural_path

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return self.prior_codes.push(noise.normal(0, (self.prior_codes.normals(self.latent),)))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(nets["decoder"](z))
