r"""Variational autoencoders.

With a prior p(z) = N(0, I), a decoder p(x|z) and an encoder q(z|x) = N(mu(x), diag sigma(x)^2),

    log p(x) >= ELBO(x) = E_q [log p(x|z)] - KL(q(z|x) || p(z)),

which training maximizes with one draw of z. What is served is the tighter importance-weighted bound of k draws
(`models.objectives.importance`), k = 1 being the ELBO. Data with levels under a density are dequantized afresh for each
draw, so more draws tighten both inequalities; the encoder always reads the level.

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | Probabilistic Principal Component Analysis (Tipping & Bishop, 1999), doi:10.1111/1467-9868.00196: depth 0
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np
from pydantic import Field, NonNegativeInt, PositiveInt

from models.family import Batch, Decodes, Encodes, Family, LogProb, Loss, Options, Samples, Scores
from models.lazy import networks, sampling, torch
from models.objectives.dequantization import dequantize
from models.objectives.gaussians import kl_to_prior_nats, log_prior_ratio_nats, reparameterize
from models.objectives.importance import importance_weighted_bound
from models.objectives.likelihoods import AnyLikelihood, Gaussian
from models.spec import DataSpec, Shape

if TYPE_CHECKING:
    from torch import Tensor

    from models.networks import Nets
    from models.noise import Noise
    from models.sampling import Sampler

CHUNK_ROWS = 512  # decoded at once: bounds the memory of k draws


class ImportanceOptions(Options):
    """How tight a bound is wanted."""

    k: PositiveInt = Field(64, le=5000)  # importance samples; 1 is the ELBO, without an error bar


@final
class VAE(Family, Samples, Scores, Encodes, Decodes):
    """Variational autoencoder: Gaussian posterior, ELBO training, importance-weighted likelihood bound."""

    family: Literal["vae"] = "vae"
    latent: PositiveInt = Field(16, le=1024)  # dimensions of z
    width: int | None = Field(None, ge=1, le=2048)  # None: 128 units of a layer, or 32 channels at first
    depth: NonNegativeInt = Field(2, le=8)  # hidden layers, for vectors; 0 is probabilistic PCA
    likelihood: AnyLikelihood = Gaussian()

    ScoreOptions: ClassVar[type[Options]] = ImportanceOptions

    def build(self, spec: DataSpec) -> Nets:
        self.likelihood.check(spec)
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, 2 * self.latent, width=self.width, depth=self.depth),
            decoder=networks.decoder(spec, self.latent, width=self.width, depth=self.depth),
            scale=networks.Scalar(-2.0),  # a scale as wide as the data would leave the codes unused, for good
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x, rng = batch.x, batch.rng
        mu, log_var = self.posterior(nets, x)
        eps = torch.randn(mu.shape, generator=rng, device=mu.device, dtype=mu.dtype)
        z = reparameterize(mu, log_var, eps)
        if self.likelihood.dequantizes(nets.spec):
            x = dequantize(nets.spec, x, torch.rand(x.shape, generator=rng, device=x.device, dtype=x.dtype))
        distortion = -self.log_likelihood(nets, x, z).mean()
        kl = kl_to_prior_nats(mu, log_var).mean()
        trains = ("encoder", "decoder", "scale") if self.likelihood.learns_scale else ("encoder", "decoder")
        yield Loss("negative_elbo_nats", distortion + kl, trains, {"distortion_nats": distortion, "kl_nats": kl})

    def posterior(self, nets: Nets, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mu and log sigma^2 of q(z|x), (B, Z) each."""
        mu, log_var = nets["encoder"](nets.spec.normalize(x)).chunk(2, dim=1)
        return mu, log_var.clamp(-12, 6)  # part of what q is, so bounds stay bounds; its exponential stays finite

    def log_likelihood(self, nets: Nets, x: Tensor, z: Tensor) -> Tensor:
        """Log p(x|z), (B,) nats, data units.  x: (B, *shape), dequantized where the likelihood wants it; z: (B, Z)."""
        return self.likelihood.log_prob(nets.spec, x, nets["decoder"](z), nets["scale"]())

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: ImportanceOptions) -> LogProb:
        mu, log_var = self.posterior(nets, x)
        per_chunk = max(1, CHUNK_ROWS // len(x))
        chunks = [
            self.log_weights(nets, x, mu, log_var, noise, range(start, min(start + per_chunk, options.k)))
            for start in range(0, options.k, per_chunk)
        ]
        bound, std_error = importance_weighted_bound(torch.cat(chunks).double())
        return LogProb(bound, "lower_bound", std_error)

    def log_weights(self, nets: Nets, x: Tensor, mu: Tensor, log_var: Tensor, noise: Noise, draws: range) -> Tensor:
        """Log p(x, z_i) / q(z_i|x), (len(draws), B) nats; draw i has its own numbers whatever its chunk."""
        c = len(draws)
        x, mu, log_var = (rows.repeat(c, *[1] * (rows.ndim - 1)) for rows in (x, mu, log_var))  # (c B, ...)
        noise, draw = noise[np.tile(np.arange(len(noise)), c)], np.repeat(np.asarray(draws), len(noise))
        eps = noise.normal(2 * draw, (self.latent,)).to(mu.dtype)
        z = reparameterize(mu, log_var, eps)
        if self.likelihood.dequantizes(nets.spec):
            x = dequantize(nets.spec, x, noise.uniform(2 * draw + 1, nets.spec.shape))
        log_w = self.log_likelihood(nets, x, z) + log_prior_ratio_nats(z, log_var, eps)
        return log_w.view(c, -1)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_only_levels(spec)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        def push(z: Tensor, noise: Noise, c: Tensor) -> Tensor:
            y = nets["decoder"](z)
            return self.likelihood.draw(nets.spec, y, nets["scale"](), noise)

        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), push)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return self.posterior(nets, x)[0]

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return self.likelihood.mean(nets.spec, nets["decoder"](z))
