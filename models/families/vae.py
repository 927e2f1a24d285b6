r"""Variational autoencoders.

With a prior p(z) = N(0, I), a decoder p(x|z) and an encoder q(z|x) = N(mu(x), diag sigma(x)^2),

    log p(x) >= ELBO(x) = E_q [log p(x|z)] - KL(q(z|x) || p(z)),
    KL = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2).

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, PositiveInt

from models.family import Batch, Decodes, Encodes, Family, LogProb, Loss, Options, Samples, Scores
from models.lazy import networks, sampling, torch
from models.objectives.likelihoods import AnyLikelihood, Bernoulli
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler


class ImportanceOptions(Options):
    """How tight a bound is wanted."""

    k: PositiveInt = Field(64, le=5000)  # importance samples


@final
class VAE(Family, Samples, Scores, Encodes, Decodes):
    """Variational autoencoder: Gaussian posterior, ELBO training, importance-weighted likelihood bound."""

    family: Literal["vae"] = "vae"
    latent: PositiveInt = Field(16, le=1024)  # dimensions of z
    width: PositiveInt = Field(128, le=2048)  # units of a hidden layer; channels of the first convolution
    depth: PositiveInt = Field(2, le=8)  # hidden layers, for vectors
    likelihood: AnyLikelihood = Bernoulli()

    ScoreOptions: ClassVar[type[Options]] = ImportanceOptions

    def build(self, spec: DataSpec) -> Nets:
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, 2 * self.latent, width=self.width, depth=self.depth),
            decoder=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
            scale=networks.Scalar(0.0),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        u = nets.spec.normalize(batch.x)
        mu, log_var = self.posterior(nets, u)
        eps = torch.randn(mu.shape, generator=batch.rng, device=mu.device)
        z = mu + (0.5 * log_var).exp() * eps  # (B, Z)
        log_likelihood = self.likelihood.log_prob(u, nets["decoder"](z), nets["scale"]()).mean()
        kl = 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1).mean()
        terms = {"distortion_nats": -log_likelihood, "kl_nats": kl}
        trains = ("encoder", "decoder", "scale") if self.likelihood.learns_scale else ("encoder", "decoder")
        yield Loss("negative_elbo_nats", kl - log_likelihood, trains, terms)

    def posterior(self, nets: Nets, u: Tensor) -> tuple[Tensor, Tensor]:
        """Mu and log sigma^2 of q(z|x), (B, Z) each."""
        mu, log_var = nets["encoder"](u).chunk(2, dim=1)
        return mu, log_var.clamp(-12, 6)

    def log_prob(self, nets: Nets, x: Tensor, noise: Noise, options: ImportanceOptions) -> LogProb:
        u = nets.spec.normalize(x)
        mu, log_var = self.posterior(nets, u)
        log_w = []
        for j in range(options.k):
            eps = noise.normal(j, (self.latent,))
            z = mu + (0.5 * log_var).exp() * eps
            log_prior_ratio = 0.5 * (eps**2 + log_var - z**2).sum(1)  # log p(z) - log q(z|x)
            log_w.append(self.likelihood.log_prob(u, nets["decoder"](z), nets["scale"]()) + log_prior_ratio)
        weights = torch.stack(log_w).double()  # (k, B)
        value = weights.logsumexp(0) - log(options.k) + nets.spec.log_jacobian
        return LogProb(value, "lower_bound", None)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        def push(z: Tensor, noise: Noise) -> Tensor:
            y = nets["decoder"](z)
            u = self.likelihood.draw(y, nets["scale"](), noise.normal(1, nets.spec.shape))
            return nets.spec.denormalize(u)

        return sampling.OneStep(lambda noise: self.prior(nets, noise), push)

    def encode(self, nets: Nets, x: Tensor) -> Tensor:
        return self.posterior(nets, nets.spec.normalize(x))[0]

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor) -> Tensor:
        return nets.spec.denormalize(self.likelihood.mean(nets["decoder"](z)))
