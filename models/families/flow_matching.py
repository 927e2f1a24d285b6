r"""Flow matching.

A velocity field carries noise, x_0 ~ N(0, I) at t = 0, into data, x_1 at t = 1, by dx/dt = v(x, t). Along the straight
paths x_t of `models.paths.straight`, whose speeds are u, it is found by a regression,

    L = E_{t, (x_0, x_1) ~ pi} || v(x_t, t) - u ||^2 / D,        min_v L at v(x, t) = E[u | x_t = x],

with pi one of `models.paths.couplings`. The least loss is not 0 but the variance of u given x_t: for N(m, s^2) and
pi independent, pi s / 2 on average over t; 0 under optimal transport. Solving the equation gives samples and, back from
data to noise, codes and

    log p(x) = log N(x(0); 0, I) + integral_1^0 div v(x(t), t) dt,

the density of the flow's own model, up to the solver's error. Data with levels y of distance w are dequantized in
training, so it is that of y + w (u - 1/2), u uniform, and log P(y) >= E_u log p(y + w (u - 1/2)) + D log w. The number
is estimated, so it is neither exact nor a bound: its kind is `estimate`. With Lipman's path p is the density of data
with a little noise.

A condition c is dropped in training with probability `drop`, so v(x, t; 0) is the field of all data. Samples can be
guided, v = (1 + w) v(x, t; c) - w v(x, t; 0); the field of w > 0 is no longer that of a known density.

Times run from noise to data, as in the papers: `diffusers` and Stable Diffusion 3 count from data to noise, with the
velocity noise - data. Theirs is -v at 1 - t.

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
    | Improving and Generalizing Flow-Based Generative Models with Minibatch Optimal Transport (Tong et al., 2023),
      https://arxiv.org/abs/2302.00482
    | Classifier-Free Diffusion Guidance (Ho & Salimans, 2022), https://arxiv.org/abs/2207.12598
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Scores, Validates
from pushforward.models.flows import continuous
from pushforward.models.flows.dequantization import dequantize
from pushforward.models.flows.divergence import solved_rows
from pushforward.models.flows.likelihood import flow_likelihood
from pushforward.models.flows.options import MatchingLikelihoodOptions, MatchingSampleOptions, MatchingSolverOptions
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.paths.couplings import AnyCoupling, Independent
from pushforward.models.paths.guidance import dropped, guided
from pushforward.models.paths.straight import AnyPath, StraightPath
from pushforward.models.paths.stratified import stratified_uniform
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.spec.requirements import convolves
from pushforward.models.stepwise import mapping, program
from pushforward.models.stepwise.scoring import LogProb
from pushforward.models.tables.table import Table
from pushforward.models.tabular.matching import MatchingForm
from pushforward.models.tabular.models_tables import ModelsTables

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.flows.continuous import Velocity
    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer


@final
class FlowMatching(Family, Samples, Scores, Validates, Encodes, Decodes, Conditions, ModelsTables):
    """Flow matching: a velocity field from noise to data, found by regression along straight paths."""

    family: Literal["flow_matching"] = "flow_matching"
    path: AnyPath = StraightPath()
    """The path from noise to data."""
    coupling: AnyCoupling = Independent()
    """How noise and data are paired."""
    drop: float = Field(0.1, ge=0.0, lt=1.0)
    """Share of training rows whose condition is left out; guidance needs some, such as 0.1."""
    width: int | None = Field(None, ge=8, le=1024, multiple_of=8)
    """Units of a layer, or channels of the first convolution. Left out: chosen by the size of the data."""
    depth: int | None = Field(None, ge=1, le=8)
    """Residual blocks. Left out: 3, or 1 at each size of an image or a series."""
    waves: float | None = Field(None, gt=1.0, le=200.0)
    """Frequency of the finest Fourier features of vectors, radians a unit, for sharp densities; left out: none."""

    optimizer: ClassVar[Adam] = Adam(lr=4e-3, decay="cosine")
    SampleOptions: ClassVar[type[Options]] = MatchingSampleOptions
    ScoreOptions: ClassVar[type[Options]] = MatchingLikelihoodOptions
    EncodeOptions: ClassVar[type[Options]] = MatchingSolverOptions
    DecodeOptions: ClassVar[type[Options]] = MatchingSolverOptions

    @property
    def answers_without(self) -> bool:
        return self.drop > 0

    @property
    def notes(self) -> tuple[str, ...]:
        s = self.path.noise_left
        return (f"Samples and likelihoods are of the data with noise of deviation {s:g} network units.",) if s else ()

    def for_table(self, table: Table) -> MatchingForm:
        return MatchingForm(family="flow_matching", table=table, rows=self)

    def check(self, spec: DataSpec) -> None:
        self.coupling.check(spec)
        if convolves(spec) and self.waves is not None:
            raise InvalidData(
                "waves tell elements of vectors, not of images or series; leave them out", field="run.family.waves"
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        depth = 1 if convolves(spec) else 3
        field = networks.velocity_network(
            spec,
            width=self.width or networks.default_width(spec),
            depth=self.depth or depth,
            condition_size=spec.condition_size,
            waves=self.waves,
        )
        return networks.Nets(spec, velocity=field)

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        x, rng = batch.x, batch.rng
        if nets.spec.levels is not None:
            x = dequantize(
                nets.spec, x, torch.rand(x.shape, generator=rng, device=x.device, dtype=nets.spec.network_dtype(x))
            )
        x1 = nets.spec.normalize(x)
        c = dropped(batch, self.drop)
        x0 = torch.randn(x1.shape, generator=rng, device=x1.device, dtype=x1.dtype)
        t = stratified_uniform(len(x1), rng).to(x1)
        xt, u = self.path.at(self.coupling.pair(x0, x1, c), x1, t)
        v = nets["velocity"](xt, t, *networks.condition_args(c))
        yield Loss("velocity_mse", (v - u).square().mean(), ("velocity",))

    def held_out(self, nets: Nets, batch: Batch) -> Loss:
        return next(self.losses(nets, batch))

    def check_sampling(self, spec: DataSpec, options: MatchingSampleOptions) -> None:
        if options.guidance != 0.0 and (spec.condition is None or not self.answers_without):
            raise InvalidInput(
                "leans away from the model without a condition, which this one is not; leave it out, or train one on "
                "data with a condition and family.drop above 0",
                field="options.guidance",
            )

    def sampler(self, nets: Nets, options: MatchingSampleOptions) -> Sampler:
        self.check_sampling(nets.spec, options)
        return continuous.FlowSampler(
            lambda noise, c: self.prior(nets, noise, c),
            to_data(nets, guided(partial(velocity, nets), options.guidance), options),
        )

    def validation_rows(self, spec: DataSpec) -> int:
        return solved_rows(spec)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: MatchingLikelihoodOptions) -> LogProb:
        return program.run(self.scorer(nets, options), (x, c), noise)

    def scorer(self, nets: Nets, options: MatchingLikelihoodOptions) -> Scorer:
        spec = nets.spec
        return flow_likelihood(
            partial(velocity, nets),
            options.between(1.0, 0.0),
            lambda x: (spec.normalize(x), spec.log_jacobians(x)),
            spec,
            spec.shape,
            draws=options.draws,
            divergence=options.divergence,
            n_evaluations=options.n_evaluations,
        )

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.encoder(nets, MatchingSolverOptions()), x, c)

    def encoder(self, nets: Nets, options: MatchingSolverOptions) -> RowMap:
        solver = options.between(1.0, 0.0)
        return continuous.FlowMap(partial(velocity, nets), solver, nets.spec.normalize, torch.nn.Identity())

    def latent_shape(self, spec: DataSpec) -> Shape:
        return spec.shape

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, nets.spec.shape)

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.decoder(nets, MatchingSolverOptions()), z, c)

    def decoder(self, nets: Nets, options: MatchingSolverOptions) -> RowMap:
        return to_data(nets, partial(velocity, nets), options)


def velocity(nets: Nets, x: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """v(x, t; c), (B, *shape).  x: (B, *shape), t: (B,), c: (B, C)."""
    v: Tensor = nets["velocity"](x, t.to(x.dtype), *networks.condition_args(c))
    return v


def to_data(nets: Nets, field: Velocity, options: MatchingSolverOptions) -> RowMap:
    """The map from noise to data along a field."""
    return continuous.FlowMap(field, options.between(0.0, 1.0), torch.nn.Identity(), nets.spec.denormalize)
