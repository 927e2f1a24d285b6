r"""Adversarial variational Bayes: a variational autoencoder with a posterior that has draws, but no known density.

The encoder is a function of data and noise whose shape is learned,

    z = a(x) + exp(b(x)) (eps' + g(x, eps)),    eps, eps' ~ N(0, I),    |g| < 2,

so q(z|x), a mixture of endlessly many Gaussians, has several modes, bends and leans, and its density is not known.
(Without a limit on g the posterior collapses to a thin curve, whose divergence no adversary can estimate.) A Gaussian
r(z|x) = N(mu(x), diag sigma(x)^2) is fitted to its draws, and an adversary T distinguishes the standardized draws
z~ = (z - mu(x)) / sigma(x) from N(0, I), in the logistic game

    max_T  E_x E_q log sigmoid(T(x, z~)) + E_x E_{N(0, I)} log(1 - sigmoid(T(x, z~))),

whose optimum is T* = log q(z|x) - log r(z|x): the ratio of two close densities (adaptive contrast), not that of q to
the distant prior. Since KL(q || p) = KL(q || r) + E_q log r(z|x) / p(z) for any r,

    ELBO(x) = E_q [log p(x|z) - T*(x, z~) - log r(z|x) + log p(z)],

which encoder and decoder ascend with T and r held fixed: the gradient of T* by the encoder's weights is zero in the
mean. r is fitted by maximum likelihood, so mu and sigma are the moments of q that the paper takes: a network learns the
moments of eps' + g, which a and b then scale and shift.

With a T that is not optimal this number can exceed log p(x): the default likelihood, its mean over k draws, is an
estimate and no bound. (The logarithm of the mean weight would be tighter, but it is dominated by the one draw in
thousands with the largest error of T.) The proposal `contrast` gives a bound: its draws are of r, whose density is
known, with weights w = p(x, z) / r(z|x), and the likelihood is the importance-weighted bound.

Given a condition c, a, b, g, r, T(x, z~, c) and p(x|z, c) see it, the prior does not; likelihoods are of log p(x|c).

References:
    | Adversarial Variational Bayes (Mescheder et al., 2017), https://arxiv.org/abs/1701.04722
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

from collections.abc import Iterator
from math import sqrt
from typing import TYPE_CHECKING, ClassVar, Literal, cast, final

from pydantic import Field, NonNegativeInt, PositiveInt

from pushforward.models import networks
from pushforward.models.adversarial.contest import Contest, RealAndFake
from pushforward.models.adversarial.games import AnyRatioGame, NonSaturating
from pushforward.models.config.config import Options
from pushforward.models.distributions.gaussians import Diagonal, standard_log_prob
from pushforward.models.family import Conditions, Decodes, Encodes, Family, ModelsCounts, Samples, Scores
from pushforward.models.lazy import torch
from pushforward.models.likelihoods import AnyLikelihood, Gaussian
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves
from pushforward.models.stepwise import sampling
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.variational.importance import lower_bound, with_rounding
from pushforward.models.variational.weighted_draws import Draws, log_weights

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler

REACH = 2.0  # of g: how far the modes of a posterior may lie apart, in units of the noise on each
ADVERSARY_WIDTH = 128  # units of a layer: convolutions would see the code only as planes behind an image


class ProposalOptions(Options):
    """How the likelihood is found."""

    k: PositiveInt = Field(64, le=5000)
    """Importance samples, each a draw of a code."""
    proposal: Literal["implicit", "contrast"] = "implicit"
    """Where codes are drawn from: the implicit posterior (an estimate) or the adversary's Gaussian (a lower bound)."""


@final
class AVB(Family, Conditions, Samples, Scores, Encodes, Decodes, ModelsCounts):
    """Adversarial variational Bayes: an implicit posterior, learned in a game with adaptive contrast."""

    family: Literal["avb"] = "avb"
    latent: PositiveInt = Field(8, le=1024)
    """Dimensions of the latent code z."""
    noise: PositiveInt = Field(16, le=1024)
    """Dimensions of the noise that shapes the implicit posterior."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of the networks, for vectors."""
    likelihood: AnyLikelihood = Gaussian()
    """p(x|z): how the decoder's output scores data."""
    adversary_steps: int = Field(2, ge=1, le=20)
    """Steps of the adversary for each step of encoder and decoder."""
    game: AnyRatioGame = NonSaturating()
    """The game of the adversary, whose best score tells the log-ratio. It has no regularizers: they would move it."""

    optimizer: ClassVar[Adam] = Adam(betas=(0.5, 0.999), decay="cosine")
    ScoreOptions: ClassVar[type[Options]] = ProposalOptions

    @property
    def notes(self) -> tuple[str, ...]:
        return (
            "Its posterior has no density: a likelihood is an adversarial estimate, which can exceed log p(x); the "
            "proposal contrast gives a lower bound.",
        )

    def check(self, spec: DataSpec) -> None:
        self.likelihood.check(spec)
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        size, width, depth, c = self.latent, self.width, self.depth, spec.condition_size
        per_element, told = self.likelihood.params_per_element(spec), DataSpec(shape=(spec.size + c + size,))
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, 2 * size, width=width, depth=depth, condition_size=c),
            shape=networks.encoder(spec, size, width=width, depth=depth, condition_size=c + self.noise),
            decoder=networks.decoder(spec, size + c, width=width, depth=depth, params_per_element=per_element),
            scale=networks.Scalar(self.likelihood.initial_log_scale, self.likelihood.scale_shape(spec)),
            contrast=networks.encoder(spec, 2 * size, width=width, depth=depth, condition_size=c),
            adversary=networks.encoder(told, 1, width=ADVERSARY_WIDTH, depth=3, leaky=True),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x, c, u = batch.x, batch.c, self.seen(nets, batch.x, batch.c)
        z = self.infer(nets, u, _normal(self.noise + self.latent, u, batch.rng))  # (B, Z)
        yield Loss("contrast_nll_nats", -self.contrast(nets, u).log_prob(z.detach()).mean(), ("contrast",))
        r = self.contrast(nets, u).detach()
        yield from self.adversary_losses(nets, u, r, batch)
        kl = self.log_posterior(nets, x, z, c, r).mean() - standard_log_prob(z).mean()
        distortion = -self.log_likelihood(nets, x, z, c).mean()
        trains = ("encoder", "shape", "decoder", *(("scale",) if self.likelihood.learns_scale else ()))
        terms = {"distortion_nats": distortion, "estimated_kl_nats": kl}
        yield Loss("estimated_negative_elbo_nats", distortion + kl, trains, terms)

    def adversary_losses(self, nets: Nets, u: Tensor, r: Diagonal, batch: Batch) -> Iterator[Loss]:
        """The adversary's steps, each on draws of its own.  u: as `seen`."""
        rng, told = batch.rng, self.told(nets, batch.x, batch.c)
        for _ in range(self.adversary_steps):
            with torch.no_grad():
                drawn = r.whiten(self.infer(nets, u, _normal(self.noise + self.latent, u, rng)))
            yield from self._contest.critic_step(nets, RealAndFake(drawn, _normal(self.latent, u, rng), told), batch)

    def seen(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """What encoder and contrast see, u: (B, *shape), network units, with c as further elements or planes."""
        return networks.concat_condition(nets.spec.normalize(x), c)

    def infer(self, nets: Nets, u: Tensor, eps: Tensor) -> Tensor:
        """A draw of q(z|x, c), (B, Z).  u: as `seen`; eps: (B, noise + Z)."""
        a, b = self.place(nets, u)
        g = REACH * torch.tanh(nets["shape"](networks.concat_condition(u, eps[:, : self.noise])))
        return a + b.exp() * (eps[:, self.noise :] + g)

    def place(self, nets: Nets, u: Tensor) -> tuple[Tensor, Tensor]:
        """a(x, c) and b(x, c), (B, Z) each."""
        a, b = nets["encoder"](u).chunk(2, dim=1)
        return a, b.clamp(-6, 3)

    def contrast(self, nets: Nets, u: Tensor) -> Diagonal:
        """r(z|x, c), without gradients to the encoder."""
        a, b = (part.detach() for part in self.place(nets, u))
        mean, log_var = nets["contrast"](u).chunk(2, dim=1)
        return Diagonal(a + b.exp() * mean, 2 * b + log_var.clamp(-3, 3))

    def log_ratio(self, nets: Nets, x: Tensor, standard: Tensor, c: Tensor) -> Tensor:
        """T(x, z~, c), (B, 1): log q - log r where the adversary is optimal."""
        return self.game.log_ratio(nets["adversary"](*_pair(standard, self.told(nets, x, c))))

    def told(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """What the adversary is told beside a code, (B, size + C), network units."""
        return networks.concat_condition(nets.spec.normalize(x).flatten(1), c)

    @property
    def _contest(self) -> Contest:
        return Contest(self.game, (), critic="adversary", join=_pair)

    def log_posterior(self, nets: Nets, x: Tensor, z: Tensor, c: Tensor, r: Diagonal) -> Tensor:
        """Log r + T, (B,) nats: log q(z|x, c) where the adversary is optimal."""
        return r.log_prob(z) + self.log_ratio(nets, x, r.whiten(z), c)[:, 0]

    def log_likelihood(self, nets: Nets, x: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log p(x|z, c), (B,) nats, data units.  x: (B, *shape); z: (B, Z)."""
        return self.likelihood.log_prob(nets.spec, x, self.decoder_output(nets, z, c), nets["scale"]())

    def decoder_output(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """The decoder's output, (B, params_per_element * shape[0], ...): the parameters of the likelihood."""
        return cast("Tensor", nets["decoder"](torch.cat([z, c], 1)))

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: ProposalOptions) -> LogProb:
        k, size = options.k, self.likelihood.params_per_element(nets.spec) * nets.spec.size
        r = self.contrast(nets, self.seen(nets, x, c))
        if options.proposal == "contrast":
            log_w = log_weights(lambda draws: self.bounding_weight(nets, x, c, r, draws), noise, k, size=size)
            return lower_bound(log_w, r.mu.dtype)
        log_w = log_weights(lambda draws: self.estimated_weight(nets, x, c, r, draws), noise, k, size=size)
        value = log_w.mean(0)
        return LogProb(value, "estimate", with_rounding(log_w.std(0) / sqrt(k), value, r.mu.dtype) if k > 1 else None)

    def bounding_weight(self, nets: Nets, x: Tensor, c: Tensor, r: Diagonal, draws: Draws) -> Tensor:
        """Log p(x, z|c) / r(z|x, c), z ~ r, (draws B,) nats."""
        x, c, r = draws.repeat(x), draws.repeat(c), Diagonal(draws.repeat(r.mu), draws.repeat(r.log_var))
        z = r.draw(draws.noise.normal(draws.number, (self.latent,)).to(r.mu))
        return self.log_likelihood(nets, x, z, c) + standard_log_prob(z) - r.log_prob(z)

    def estimated_weight(self, nets: Nets, x: Tensor, c: Tensor, r: Diagonal, draws: Draws) -> Tensor:
        """Log p(x, z|c) / (r(z|x, c) exp T), z ~ q, (draws B,) nats."""
        x, c, r = draws.repeat(x), draws.repeat(c), Diagonal(draws.repeat(r.mu), draws.repeat(r.log_var))
        eps = draws.noise.normal(draws.number, (self.noise + self.latent,))
        z = self.infer(nets, self.seen(nets, x, c), eps.to(r.mu))
        log_p = self.log_likelihood(nets, x, z, c) + standard_log_prob(z)
        log_w = log_p - self.log_posterior(nets, x, z, c, r)
        return torch.where(log_p == -torch.inf, log_p, log_w)  # log q may be infinite as well

    def curve_options(self) -> ProposalOptions:
        return ProposalOptions(k=1, proposal="contrast")  # a bound: an estimate falls with the adversary, too

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_only_levels(spec)

    def scores_rows(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_rows(spec)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        def push(z: Tensor, noise: Noise, c: Tensor) -> Tensor:
            return self.likelihood.draw(nets.spec, self.decoder_output(nets, z, c), nets["scale"](), noise)

        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), push)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return self.contrast(nets, self.seen(nets, x, c)).mu  # the mean of the posterior

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return self.likelihood.mean(nets.spec, self.decoder_output(nets, z, c))


def _normal(size: int, like: Tensor, rng: Generator) -> Tensor:
    return torch.randn(len(like), size, generator=rng, device=like.device, dtype=like.dtype)


def _pair(z: Tensor, told: Tensor) -> tuple[Tensor, ...]:
    return (torch.cat([told, z], 1),)
