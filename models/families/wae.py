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

Where rows have a condition c, encoder and decoder see it, and the theorem holds for each c. Of these costs the mean is

    E_c W_c(P_X|c, G(., c) # P_Z) = inf_{Q: Q_(Z, C) = P_Z x P_C} E_{P_(X, C)} E_{Q(z|x, c)} c(x, G(z, c)):

given any c, codes are distributed as the prior, so they tell nothing of c. The penalty is the divergence of the joint
distributions, D(Q_(Z, C), P_Z x P_C), whose draws are (z_i, c_i) and (z'_i, c_i): the prior's codes take the conditions
of the batch. To match the marginal Q_Z alone would leave codes that cluster by label, and a label's samples, whose
codes come from everywhere, would lie between its rows. For divergences of draws a vector of V numbers counts as
c / sqrt(V), so two rows are about as far apart in it as two labels are.

There is no density: a Wasserstein autoencoder has no likelihoods.

References:
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558
    | Adversarial Autoencoders (Makhzani et al., 2015), https://arxiv.org/abs/1511.05644: with labels too
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.adversarial.penalties import MMD, Adversarial, AnyPenalty
from pushforward.models.config.config import Options
from pushforward.models.distributions.gaussians import reparameterize
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Validates, decoded
from pushforward.models.geometry.interpolation import PathName
from pushforward.models.latents.sampled_priors import AnyCodePrior, GaussianCodes
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import Backbone, check_backbone

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


@final
class WAE(Family, Conditions, Samples, Validates, Encodes, Decodes):
    """Wasserstein or adversarial autoencoder: squared cost, codes penalized for their distance from any prior."""

    family: Literal["wae"] = "wae"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    network: Backbone = "auto"
    """The networks: `auto` are convolutions for images and series, else perceptrons; or `perceptron`, or `residual`."""
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
        check_backbone(self.network, spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        n_out = self.latent if self.posterior == "deterministic" else 2 * self.latent
        c, width, depth, backbone = spec.condition_size, self.width, self.depth, self.network
        nets = networks.Nets(
            spec,
            encoder=networks.encoder(spec, n_out, condition_size=c, width=width, depth=depth, backbone=backbone),
            decoder=networks.decoder(spec, self.latent + c, width=width, depth=depth, backbone=backbone),
        )
        if isinstance(self.penalty, Adversarial):
            self.penalty.add_critic(nets, self.latent)
        return nets

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u, c, rng = nets.spec.normalize(batch.x), batch.c, batch.rng
        z = self.draw_codes(nets, u, c, rng)  # (B, Z)
        eps = torch.randn(len(z), self.prior_codes.normals(self.latent), generator=rng, device=z.device, dtype=z.dtype)
        prior = self.prior_codes.push(eps)
        if isinstance(self.penalty, Adversarial):
            yield from self.penalty.critic_losses(nets, z, prior, batch)
            penalty = self.penalty.value(nets, z, prior, batch)
        else:
            width = 1 if nets.spec.condition is None else nets.spec.condition.width  # V
            penalty = self.penalty.value(z, prior, c / sqrt(width), rng)
        cost = self.cost(nets, u, z, c)
        terms = {"cost": cost, "penalty": penalty}
        yield Loss("penalized_cost", cost + self.weight * penalty, ("encoder", "decoder"), terms)

    def cost(self, nets: Nets, u: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """The mean squared distance of rows from what their codes decode to, a scalar, network units."""
        square: Tensor = (u - self.push(nets, z, c)).square().flatten(1).sum(1)
        return square.mean()

    def push(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """G(z, c), (B, *shape), network units."""
        y: Tensor = nets["decoder"](torch.cat([z, c], 1))
        return y

    @property
    def keeps_best(self) -> bool:
        return not isinstance(self.penalty, Adversarial)  # else the cost alone, and codes may drift from the prior

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        if not isinstance(self.penalty, Adversarial):
            return next(self.losses(nets, batch))
        u, c = nets.spec.normalize(batch.x), batch.c
        return Loss("cost", self.cost(nets, u, self.draw_codes(nets, u, c, batch.rng), c), ())

    def draw_codes(self, nets: Nets, u: Tensor, c: Tensor, rng: Generator) -> Tensor:
        """Draws of Q(z|x, c), (B, Z).  u: (B, *shape), network units."""
        h: Tensor = nets["encoder"](networks.concat_condition(u, c))
        if self.posterior == "deterministic":
            return h
        mu, log_var = h.chunk(2, dim=1)
        eps = torch.randn(mu.shape, generator=rng, device=mu.device, dtype=mu.dtype)
        return reparameterize(mu, log_var.clamp(-12, 6), eps)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        return decoded(self, nets)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z: Tensor = nets["encoder"](networks.concat_condition(nets.spec.normalize(x), c))
        return z[:, : self.latent]  # the mean; variances follow it where the encoder is Gaussian

    @property
    def natural_path(self) -> PathName:
        return self.prior_codes.natural_path

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return self.prior_codes.push(noise.normal(0, (self.prior_codes.normals(self.latent),)))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return nets.spec.denormalize(self.push(nets, z, c))
