r"""Denoising diffusion.

Data dissolve in noise over T levels (see `models.paths.schedules`), x_t = alpha_t x_0 + sigma_t eps. A network
learns the noise,

    L = E_{lambda, x_0, eps} w(lambda) || eps - eps_theta(x, lambda, c) ||^2 / D,

so that s = -eps_theta / sigma is the score of the dissolved data. The weighting (`models.paths.weightings`) says where
lambda is drawn and how much it counts: DDPM, score matching and EDM are rows of one table. `models.samplers` walk the
levels back. The probability flow dx / d lambda = sigma^2 / 2 (x + s) carries data to noise and back, which encodes and
decodes, and has a density,

    log p(x) = log N(x(lambda_T); 0, I) + integral_{lambda_1}^{lambda_T} div dx / d lambda  d lambda.

It is that of the flow's own model, up to the solver's error and to two truncations: the flow ends at the first level,
so the density is that of data with a little Gaussian noise (sigma_1 = 0.0064 network units for 1000 cosine levels, 0.01
for linear ones, 0.045 for ou), and starts from N(0, I), which alpha_T x_0 is still part of (alpha_T = 5e-5, 6e-3,
7e-3). For data with levels y of distance w it is the density of y + w (u - 1/2), u uniform, on which the model was
trained, and

    log P(y) >= E_u log p(y + w (u - 1/2)) + D log w.

Both are estimated, so they are neither exact nor bounds: the kind of the number is `estimate`. It is computed step by
step, see `models.flows.continuous`, and costs 4 x `steps` x `draws` calls of the network and as many vector-Jacobian
products, D times as many with the exact divergence, at most 20,000. The method `bound` takes the variational bound of
ancestral sampling instead (`models.samplers.variational_bound`), whose kind is `lower_bound`.

Where data have a condition, the network reads c, replaced by zeros with probability `drop`: it is then both the
conditional and the unconditional model, and samples can be guided (`models.samplers.predictor`).

Rows of tables have choices beside numbers: `models.tabular.diffusion`.

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | DPM-Solver++: Fast Solver for Guided Sampling of Diffusion Models (Lu et al., 2022), arXiv:2211.01095
    | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal, final

import numpy as np
from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Scores, Validates
from pushforward.models.flows.dequantization import dequantize
from pushforward.models.flows.divergence import solved_rows
from pushforward.models.flows.likelihood import flow_likelihood
from pushforward.models.flows.options import EVALUATIONS
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.paths.guidance import dropped
from pushforward.models.paths.preconditioning import AnyPreconditioning, Velocity
from pushforward.models.paths.schedules import AnySchedule, Cosine, Floats, Level
from pushforward.models.paths.stratified import stratified_uniform
from pushforward.models.paths.weightings import AnyWeighting, NoiseMSE
from pushforward.models.samplers import predictor, registry, variational_bound
from pushforward.models.samplers.options import DenoisingOptions, InversionOptions, ScoringOptions
from pushforward.models.solvers import ode
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves
from pushforward.models.stepwise import mapping, program
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from pushforward.models.tabular.diffusion import DiffusionForm
from pushforward.models.tabular.models_tables import ModelsTables

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.samplers.predictor import Predictor
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer


@final
class Diffusion(Family, Samples, Scores, Validates, Encodes, Decodes, Conditions, ModelsTables):
    """Denoising diffusion: a network that finds the noise, sampled by DDPM, DDIM, an SDE or an ODE."""

    family: Literal["diffusion"] = "diffusion"
    schedule: AnySchedule = Cosine()
    """How signal and noise change from data to noise."""
    weighting: AnyWeighting = NoiseMSE()
    """How noise levels are weighted in the loss."""
    preconditioning: AnyPreconditioning = Velocity()
    """What the network predicts, and how its input and output are scaled."""
    steps: int = Field(1000, ge=10, le=4000)
    """Noise levels T of the schedule."""
    drop: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of training rows whose condition is left out; guidance needs some, such as 0.1."""
    width: int | None = Field(None, ge=8, le=1024, multiple_of=8)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: int | None = Field(None, ge=1, le=8)
    """Residual blocks. Left out: 3, or 1 at each size of an image."""

    optimizer: ClassVar[Adam] = Adam(lr=4e-3, decay="cosine")
    SampleOptions: ClassVar[type[Options]] = DenoisingOptions
    ScoreOptions: ClassVar[type[Options]] = ScoringOptions
    EncodeOptions: ClassVar[type[Options]] = InversionOptions
    DecodeOptions: ClassVar[type[Options]] = InversionOptions

    @property
    def answers_without(self) -> bool:
        return self.drop > 0

    def for_table(self, table: Table) -> DiffusionForm:
        if self.weighting != NoiseMSE():
            raise InvalidData(
                "is not for tables, whose choices are weighted by their bound; leave it out",
                field="run.family.weighting",
            )
        return DiffusionForm(family="diffusion", table=table, rows=self)

    def check(self, spec: DataSpec) -> None:
        convolves(spec)

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        depth = 1 if convolves(spec) else 3
        denoiser = networks.denoising_network(
            spec,
            width=self.width or networks.default_width(spec),
            depth=self.depth or depth,
            condition_size=spec.condition_size,
            preconditioning=self.preconditioning,
        )
        return networks.Nets(spec, denoiser=denoiser)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x = batch.x
        if nets.spec.levels is not None:
            x = dequantize(nets.spec, x, torch.rand(x.shape, generator=batch.rng, device=x.device))
        u = nets.spec.normalize(x)
        log_snr = self.draw_levels(len(u), batch)
        eps = torch.randn(u.shape, generator=batch.rng, device=u.device)
        c = dropped(batch, self.drop)
        eps_theta = nets["denoiser"](Level.at(log_snr, u).noisy(u, eps), log_snr, *networks.condition_args(c))
        square = (eps_theta - eps).square().flatten(1).mean(1)
        weight = self.weighting.weight(log_snr, self.preconditioning.data_std)
        yield Loss(self.weighting.loss, (weight * square).mean(), ("denoiser",))

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def draw_levels(self, n: int, batch: Batch) -> Tensor:
        """Lambda of each row, (n,), stratified over the distribution of the weighting."""
        return self.weighting.log_snr(stratified_uniform(n, batch.rng), self._levels)

    def check_sampling(self, spec: DataSpec, options: DenoisingOptions) -> None:
        if options.guidance != 0.0 and not (self.drop > 0 and spec.condition_size):
            raise InvalidInput(
                "is for a model that was trained with and without its condition; leave it out, or train on data with "
                "a condition and drop = 0.1",
                field="options.guidance",
            )
        options.levels(self._levels)

    def sampler(self, nets: Nets, options: DenoisingOptions) -> Sampler:
        self.check_sampling(nets.spec, options)
        predict = self._predictor(nets, clip=options.clip, guidance=options.guidance)
        return registry.SAMPLERS[options.sampler](predict, options.levels(self._levels), options)

    def validation_rows(self, spec: DataSpec) -> int:
        return solved_rows(spec)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: ScoringOptions) -> LogProb:
        return program.run(self.scorer(nets, options), (x, c), noise)

    def scorer(self, nets: Nets, options: ScoringOptions) -> Scorer:
        if options.method == "bound":
            predict = self._predictor(nets, clip=True)
            return variational_bound.VariationalBound(predict, self._levels, options.steps, options.draws)
        spec = nets.spec
        return flow_likelihood(
            self._predictor(nets, clip=False).flow,
            ode.RungeKutta(self._ends(options.steps)),
            lambda x: (spec.normalize(x), spec.log_jacobians(x)),
            spec,
            spec.shape,
            draws=options.draws,
            divergence=options.divergence,
            n_evaluations=EVALUATIONS["rk4"] * options.steps,
        )

    def latent_shape(self, spec: DataSpec) -> Shape:
        return spec.shape

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, nets.spec.shape)

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.encoder(nets, InversionOptions()), x, c)

    def encoder(self, nets: Nets, options: InversionOptions) -> RowMap:
        predict, ends = self._predictor(nets, clip=True), options.levels(self._levels)[::-1].copy()
        return registry.flow_map(predict, ends, options.solver, nets.spec.normalize, torch.nn.Identity())

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.decoder(nets, InversionOptions()), z, c)

    def decoder(self, nets: Nets, options: InversionOptions) -> RowMap:
        return registry.decoder(self._predictor(nets, clip=True), options.levels(self._levels), options.solver)

    @property
    def _levels(self) -> Floats:
        return self.schedule.log_snr(self.steps)

    def _ends(self, steps: int) -> Floats:
        """The ends of equal steps of lambda, (steps + 1,), least noisy first."""
        return np.linspace(self._levels[0], self._levels[-1], steps + 1)

    def _predictor(self, nets: Nets, *, clip: bool, guidance: float = 0.0) -> Predictor:
        bounds = support(nets.spec) if clip else None
        return predictor.Predictor(nets["denoiser"], nets.spec, bounds, guidance)


def support(spec: DataSpec) -> tuple[float, float] | None:
    """The range of the training data, data units; with levels, half a level wider at either end."""
    if spec.low is None or spec.high is None:
        return None
    margin = 0.0 if spec.levels is None else spec.bin_width / 2
    return spec.low - margin, spec.high + margin
