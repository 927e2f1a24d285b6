r"""Variational autoencoders with discrete codes.

A code is N categorical variables of K categories, z in {one-hot}^N, with the uniform prior p(z) = K^-N, whatever the
condition c is, where data have one. The encoder gives the probabilities of each variable,
q(z|x, c) = prod_n Cat(z_n; pi_n(x, c)), and

    log p(x|c) >= ELBO(x) = E_q [log p(x|z, c)] - sum_n KL(Cat(pi_n(x, c)) || uniform).

The divergence is exact. The gradient of the expectation is estimated (`models.variational.discrete_gradients`): by
relaxed codes, whose objective is no bound, by the straight-through trick, or by the score function. The likelihood of a
model is the importance-weighted bound of k draws of hard codes, whatever the estimator. The code of data is the most
probable one.

There is nothing between two categories, so this family does not interpolate.

References:
    | Categorical Reparameterization with Gumbel-Softmax (Jang et al., 2016), https://arxiv.org/abs/1611.01144
    | The Concrete Distribution (Maddison et al., 2016), https://arxiv.org/abs/1611.00712
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | Learning Structured Output Representation (Sohn et al., 2015), NIPS 28: conditions
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.distributions.categorical import gumbel, hard_codes, kl_to_uniform_nats
from pushforward.models.family import Conditions, Decodes, Diagnoses, Encodes, Family, ModelsCounts, Samples, Scores
from pushforward.models.latents.elbo_surgery import active_units, categorical_metrics
from pushforward.models.lazy import F, torch
from pushforward.models.likelihoods import AnyLikelihood, Gaussian
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves
from pushforward.models.stepwise import sampling
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.variational.discrete_gradients import AnyEstimator, GumbelSoftmax
from pushforward.models.variational.importance import lower_bound
from pushforward.models.variational.weighted_draws import Draws, log_weights

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler


class HardCodeOptions(Options):
    """How tight a bound is wanted."""

    k: PositiveInt = Field(64, le=5000)
    """Importance samples; 1 is the evidence lower bound, without an error bar."""


@final
class DiscreteVAE(Family, Conditions, Samples, Scores, Encodes, Decodes, Diagnoses, ModelsCounts):
    """Variational autoencoder with categorical codes: Gumbel-softmax, straight-through or REINFORCE."""

    family: Literal["discrete_vae"] = "discrete_vae"
    codes: PositiveInt = Field(30, le=1024)
    """Discrete variables of a code, N."""
    categories: int = Field(10, ge=2, le=1024)
    """Categories of each discrete variable, K."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors."""
    likelihood: AnyLikelihood = Gaussian()
    """p(x|z): how the decoder's output scores data."""
    estimator: AnyEstimator = GumbelSoftmax()
    """The gradient estimator for discrete codes."""

    ScoreOptions: ClassVar[type[Options]] = HardCodeOptions

    @property
    def withheld(self) -> frozenset[str]:
        return frozenset({"interpolate"})

    @property
    def notes(self) -> tuple[str, ...]:
        if not self.estimator.relaxes:
            return ()
        return ("Trained with relaxed codes, whose objective is no bound; its likelihoods are bounds, of hard codes.",)

    def check(self, spec: DataSpec) -> None:
        self.likelihood.check(spec)
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size, width, depth = self.codes * self.categories, self.width, self.depth
        c = spec.condition_size
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, size, condition_size=c, width=width, depth=depth),
            decoder=networks.decoder(
                spec, size + c, width=width, depth=depth, params_per_element=self.likelihood.params_per_element(spec)
            ),
            scale=networks.Scalar(self.likelihood.initial_log_scale, self.likelihood.scale_shape(spec)),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x, c, rng = batch.x, batch.c, batch.rng
        log_pi = self.posterior(nets, x, c)
        progress = batch.step / batch.total_steps
        expected = self.estimator.expectation(lambda z: self.log_likelihood(nets, x, z, c), log_pi, rng, progress)
        distortion, kl = -expected.mean(), kl_to_uniform_nats(log_pi).mean()
        name = "relaxed_negative_elbo_nats" if self.estimator.relaxes else "negative_elbo_nats"
        trains = ("encoder", "decoder", "scale") if self.likelihood.learns_scale else ("encoder", "decoder")
        yield Loss(name, distortion + kl, trains, {"distortion_nats": distortion, "kl_nats": kl})

    def posterior(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """Log pi(x, c), (B, N, K)."""
        logits: Tensor = nets["encoder"](networks.concat_condition(nets.spec.normalize(x), c))
        return logits.view(-1, self.codes, self.categories).log_softmax(2)

    def log_likelihood(self, nets: Nets, x: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log p(x|z, c), (B,) nats, data units.  x: (B, *shape); z: (B, N, K)."""
        return self.likelihood.log_prob(nets.spec, x, self.decoder_output(nets, z, c), nets["scale"]())

    def decoder_output(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """The decoder's output, (B, params_per_element * shape[0], ...).  z: (B, N, K)."""
        y: Tensor = nets["decoder"](torch.cat([z.flatten(1), c], 1))
        return y

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: HardCodeOptions) -> LogProb:
        log_pi = self.posterior(nets, x, c)
        size = self.row_size(nets.spec)
        log_w = log_weights(lambda draws: self.log_weight(nets, x, c, log_pi, draws), noise, options.k, size=size)
        return lower_bound(log_w, log_pi.dtype)

    def row_size(self, spec: DataSpec) -> int:
        """Numbers in the largest tensor of one row: the parameters of the likelihood, or the code."""
        return max(self.likelihood.params_per_element(spec) * spec.size, self.codes * self.categories)

    def log_weight(self, nets: Nets, x: Tensor, c: Tensor, log_pi: Tensor, draws: Draws) -> Tensor:
        """Log p(x, z|c) / q(z|x, c) of hard codes, (draws B,) nats."""
        x, c, log_pi = (draws.repeat(rows) for rows in (x, c, log_pi))
        z = hard_codes(log_pi + gumbel(draws.noise.uniform(draws.number, (self.codes, self.categories))))
        log_prior = -self.codes * log(self.categories)
        return self.log_likelihood(nets, x, z, c) + log_prior - (z * log_pi).sum((1, 2))

    def curve_options(self) -> HardCodeOptions:
        return HardCodeOptions(k=1)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_only_levels(spec)

    def scores_rows(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_rows(spec)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        def push(z: Tensor, noise: Noise, c: Tensor) -> Tensor:
            return self.likelihood.draw(nets.spec, self.decoder_output(nets, z, c), nets["scale"](), noise)

        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), push)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return hard_codes(self.posterior(nets, x, c))

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.codes, self.categories)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        category = (noise.uniform(0, (self.codes,)) * self.categories).long().clamp(max=self.categories - 1)
        return F.one_hot(category, self.categories).float()

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return self.likelihood.mean(nets.spec, self.decoder_output(nets, z, c))

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        log_pi = self.posterior(nets, x, c)
        z = hard_codes(log_pi + gumbel(noise.uniform(0, (self.codes, self.categories))))
        return categorical_metrics(log_pi, z) | {"active_units": float(active_units(log_pi.exp()))}
