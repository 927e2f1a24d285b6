r"""Variational autoencoders.

With a prior p(z|c), a decoder p(x|z, c) and an encoder q(z|x, c), c being a condition where data have one,

    log p(x|c) >= ELBO(x) = E_q [log p(x|z, c)] - KL(q(z|x, c) || p(z|c)).

Each part is a union of configurations: p(x|z) in `models.likelihoods`, q in `models.latents.posteriors`, p(z) in
`models.latents.priors`, the objective in `models.variational.bounds`. Some print E_q [p(x|z)]: that is no bound.

The likelihood of a model is the tighter importance-weighted bound of k draws (`models.variational.importance`); k = 1
is the ELBO. On request the posterior is first refined for each row (`models.variational.refinement`); the answer then
holds the amortization gap. A sample is a draw of p(x|z), a decoding its mean. Codes that users see are those of the
prior's base, N(0, I).

Example:
    >>> import torch
    >>> from pushforward.models.families.vae import VAE, ImportanceOptions
    >>> from pushforward.models.likelihoods import Bernoulli
    >>> from pushforward.models.noise import Noise
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> vae = VAE(latent=2, width=8, likelihood=Bernoulli())
    >>> nets = vae.build(DataSpec(shape=(1, 8, 8), low=0, high=1, levels=2))
    >>> x, c = torch.zeros(3, 1, 8, 8), torch.empty(3, 0)
    >>> vae.log_prob(nets, x, c, Noise.rows(0, 3), ImportanceOptions(k=8)).kind
    'lower_bound'

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
    | Learning Structured Output Representation (Sohn et al., 2015), NIPS 28: conditions
    | Sticking the Landing (Roeder et al., 2017), https://arxiv.org/abs/1703.09194: refinement
    | Probabilistic Principal Component Analysis (Tipping & Bishop, 1999), doi:10.1111/1467-9868.00196: depth 0
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, Self, final

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.family import Conditions, Decodes, Diagnoses, Encodes, Family, ModelsCounts, Samples, Scores
from pushforward.models.latents.closed_forms import kl_nats, surgery_metrics
from pushforward.models.latents.elbo_surgery import active_units
from pushforward.models.latents.posteriors import (
    MAX_FULL,
    AnyPosterior,
    CholeskyPosterior,
    DiagonalPosterior,
    GaussianPosterior,
)
from pushforward.models.latents.priors import AnyPrior, Standard
from pushforward.models.lazy import torch
from pushforward.models.likelihoods import AnyLikelihood, Gaussian
from pushforward.models.losses import Batch, Loss
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import Backbone, check_backbone
from pushforward.models.stepwise import program, sampling
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from pushforward.models.tabular.latent import LatentForm, on_rows_of
from pushforward.models.tabular.models_tables import ModelsTables
from pushforward.models.variational import refinement
from pushforward.models.variational.bounds import ELBO, AnyObjective, Drawn
from pushforward.models.variational.importance import lower_bound
from pushforward.models.variational.options import MAX_K, ImportanceOptions
from pushforward.models.variational.weighted_draws import Draws, log_weights, repeat

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer


@final
class VAE(Family, Conditions, Diagnoses, Samples, Scores, Encodes, Decodes, ModelsCounts, ModelsTables):
    """Variational autoencoder: a likelihood, a posterior, a prior and a bound to train by, each of several kinds."""

    family: Literal["vae"] = "vae"
    latent: PositiveInt = Field(16, le=1024)
    """Dimensions of the latent code z."""
    network: Backbone = "auto"
    """The networks: `auto` are convolutions for images and series, else perceptrons; or `perceptron`, or `residual`."""
    width: int | None = Field(None, ge=1, le=2048)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: NonNegativeInt = Field(2, le=8)
    """Hidden layers of a perceptron; 0 is probabilistic principal component analysis."""
    likelihood: AnyLikelihood = Gaussian()
    """p(x|z): how the decoder's output scores data."""
    posterior: AnyPosterior = DiagonalPosterior()
    """q(z|x): the distribution of codes that the encoder gives."""
    prior_codes: AnyPrior = Standard()
    """p(z): the distribution that codes of new data are drawn from."""
    objective: AnyObjective = ELBO()
    """The bound that training maximizes."""

    ScoreOptions: ClassVar[type[Options]] = ImportanceOptions

    @model_validator(mode="after")
    def _parts_fit(self) -> Self:
        if self.objective.needs_gaussian and not isinstance(self.posterior, GaussianPosterior):
            raise ValueError(
                "dreg and reinforce ask for the density of any code: take the diagonal or cholesky posterior, or "
                '{"objective": "iwae", "dreg": false}'
            )
        if isinstance(self.posterior, CholeskyPosterior) and self.latent > MAX_FULL:
            raise ValueError(f"a cholesky posterior takes at most {MAX_FULL} latent dimensions; take the diagonal one")
        return self

    @property
    def notes(self) -> tuple[str, ...]:
        if isinstance(self.objective, ELBO) and self.objective.beta != 1:
            return (f"Trained with beta = {self.objective.beta:g}; its likelihoods are bounds with beta = 1.",)
        return ()

    def for_table(self, table: Table) -> LatentForm:
        return on_rows_of(table, self, is_default=self.likelihood == Gaussian())

    def check(self, spec: DataSpec) -> None:
        self.likelihood.check(spec)
        self.prior_codes.check(self.latent)
        self.posterior.check(self.latent)
        check_backbone(self.network, spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        n_h, c = self.posterior.n_parameters(self.latent), spec.condition_size
        per_element = self.likelihood.params_per_element(spec)
        backbone, width, depth = self.network, self.width, self.depth
        return networks.Nets(
            spec,
            encoder=networks.encoder(spec, n_h, condition_size=c, width=width, depth=depth, backbone=backbone),
            decoder=networks.decoder(
                spec, self.latent + c, params_per_element=per_element, width=width, depth=depth, backbone=backbone
            ),
            scale=networks.Scalar(self.likelihood.initial_log_scale, self.likelihood.scale_shape(spec)),
            **self.prior_codes.networks(self.latent, c),
            **self.posterior.networks(self.latent),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        k, rng = self.objective.n_codes, batch.rng
        h_row = self.infer(nets, batch.x, batch.c)
        x, c, h = (repeat(rows, k) for rows in (batch.x, batch.c, h_row))
        eps = torch.randn(len(h), self.latent, generator=rng, device=h.device, dtype=h.dtype)
        z, log_q = self.objective.draw(self.posterior, nets, h, eps)
        log_likelihood, log_prior = self.log_likelihood(nets, x, z, c), self.prior_codes.log_prob(nets, z, c)
        kl = kl_nats(self.posterior, self.prior_codes, h_row, self.latent)
        drawn = Drawn(z, log_likelihood.view(k, -1), log_prior.view(k, -1), log_q.view(k, -1), kl)
        value, terms = self.objective.loss(drawn, batch.step / batch.total_steps)
        yield Loss(self.objective.loss_name, value, self.trains(nets), terms)

    def trains(self, nets: Nets) -> tuple[str, ...]:
        """The networks that are trained: all, but for a scale that is fixed."""
        return tuple(name for name in nets if name != "scale" or self.likelihood.learns_scale)

    def infer(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        """Parameters of the posterior of each row, (B, n_parameters)."""
        h: Tensor = nets["encoder"](networks.concat_condition(nets.spec.normalize(x), c))
        return h

    def log_likelihood(self, nets: Nets, x: Tensor, z: Tensor, c: Tensor) -> Tensor:
        """Log p(x|z, c), (B,) nats, in data units.  x: (B, *shape)."""
        return self.likelihood.log_prob(nets.spec, x, self.decoder_output(nets, z, c), nets["scale"]())

    def decoder_output(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """The decoder's output, (B, params_per_element * shape[0], ...): the parameters of the likelihood."""
        y: Tensor = nets["decoder"](torch.cat([z, c], dim=1))
        return y

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: ImportanceOptions) -> LogProb:
        if options.refine:
            return program.run(self.scorer(nets, options), (x, c), noise)
        h = self.infer(nets, x, c)
        size = self.row_size(nets.spec)
        log_w = log_weights(partial(self.log_weight, nets, x, c, h), noise, options.k, size=size)
        return lower_bound(log_w, h.dtype)

    def scorer(self, nets: Nets, options: ImportanceOptions) -> Scorer:
        if not options.refine:
            return super().scorer(nets, options)
        return refinement.SemiAmortizedBound(
            partial(self.infer, nets),
            partial(self.log_weight, nets),
            partial(self.log_weight, nets, by_path=True),
            options.k,
            options.refine,
            first_draw=MAX_K,
            size=self.row_size(nets.spec),
        )

    def row_size(self, spec: DataSpec) -> int:
        """Numbers in the largest tensor of one row: the parameters of the likelihood, or of the posterior."""
        return max(self.likelihood.params_per_element(spec) * spec.size, self.posterior.n_parameters(self.latent))

    def log_weight(self, nets: Nets, x: Tensor, c: Tensor, h: Tensor, draws: Draws, *, by_path: bool = False) -> Tensor:
        """Log p(x, z) / q(z|x), (draws B,) nats.  x, c, h: B rows.

        `by_path` takes the path derivative, which has no noise where the posterior is exact (Roeder et al., 2017).
        """
        x, c, h = (draws.repeat(rows) for rows in (x, c, h))
        eps = draws.noise.normal(draws.number, (self.latent,)).to(h.dtype)
        if by_path and isinstance(self.posterior, GaussianPosterior):
            z, log_q = self.posterior.draw_by_path(h, eps)
        else:
            z, log_q = self.posterior.draw(nets, h, eps)
        return self.log_likelihood(nets, x, z, c) + self.prior_codes.log_prob(nets, z, c) - log_q

    def curve_options(self) -> ImportanceOptions:
        return ImportanceOptions(k=self.objective.n_codes)

    def scores_only_levels(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_only_levels(spec)

    def scores_rows(self, spec: DataSpec) -> bool:
        return self.likelihood.scores_rows(spec)

    def sampler(self, nets: Nets, options: Options) -> Sampler:
        def push(e: Tensor, noise: Noise, c: Tensor) -> Tensor:
            y = self.decoder_output(nets, self.prior_codes.push(nets, e, c), c)
            return self.likelihood.draw(nets.spec, y, nets["scale"](), noise)

        return sampling.OneStep(lambda noise, c: self.prior(nets, noise, c), push)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        z = self.posterior.center(nets, self.infer(nets, x, c), self.latent)
        return self.prior_codes.base(nets, z, c)

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (self.latent,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (self.latent,))

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return self.likelihood.mean(nets.spec, self.decoder_output(nets, self.prior_codes.push(nets, z, c), c))

    def diagnose(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise) -> dict[str, float]:
        h = self.infer(nets, x, c)
        codes = self.prior_codes.base(nets, self.posterior.center(nets, h, self.latent), c)
        surgery = surgery_metrics(self.posterior, self.prior_codes, h, noise.normal(0, (self.latent,)))
        return {"active_units": float(active_units(codes)), **surgery}
