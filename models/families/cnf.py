r"""Continuous normalizing flows: an ordinary differential equation from noise to data, by maximum likelihood.

A network is the velocity dv/dt = f(v, t | c) from the prior, v(0) = z ~ N(0, I), to the data, v(1). Along it
d log p(v(t)) / dt = -div f, so

    log p(v(1)) = log N(v(0); 0, I) - integral_0^1 div f(v(t), t) dt,      L = -E log p(v(1)),

with both integrals from the data back to the noise. Training takes `solver_steps` Runge-Kutta steps and differentiates
them; a trained model may take other steps, or an adaptive solver. The divergence is the trace of the Jacobian, or
Hutchinson's estimate of it by one probe of signs for each row and solve.

So few steps can be wrong (`models.flows.divergence`): on two moons one seed in three ended with a negative
log-likelihood 2.9 nats too high, while the one of its training fell below the entropy. The training loss is therefore

    L + E integral_0^1 kinetic |f|^2 + jacobian |df/dv|_F^2 dt,

which keeps paths straight and even; the charts of a training show L too.

v is the normalized data, outliers compressed (`models.distributions.tails`), or the logit of bounded data; data with
levels are dequantized. A solver's error has no sign, so the kind of the likelihood is `estimate`, also where nothing is
random; a row costs at most 20,000 vector-Jacobian products.

References:
    | Neural Ordinary Differential Equations (Chen et al., 2018), https://arxiv.org/abs/1806.07366
    | FFJORD (Grathwohl et al., 2018), https://arxiv.org/abs/1810.01367
    | How to Train Your Neural ODE: the World of Jacobian and Kinetic Regularization (Finlay et al., 2020),
      https://arxiv.org/abs/2002.02798
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from math import log
from typing import TYPE_CHECKING, ClassVar, Literal, NamedTuple, final

import numpy as np
from pydantic import Field, NonNegativeFloat, PositiveInt

from pushforward.models import networks
from pushforward.models.config.config import Options
from pushforward.models.distributions.tails import Tails
from pushforward.models.errors import InvalidData
from pushforward.models.family import Conditions, Decodes, Encodes, Family, Samples, Scores
from pushforward.models.flows import continuous
from pushforward.models.flows.dequantization import dequantize, level_log_volume
from pushforward.models.flows.divergence import (
    Divergence,
    augmented_to_train,
    is_exact,
    signs,
    solved_rows,
)
from pushforward.models.flows.likelihood import flow_likelihood
from pushforward.models.flows.logit import from_reals, to_reals
from pushforward.models.flows.options import CNFLikelihoodOptions, CNFSolverOptions
from pushforward.models.lazy import torch
from pushforward.models.losses import Adam, Batch, Loss
from pushforward.models.solvers import ode
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise import mapping, program
from pushforward.models.stepwise.scoring import LogProb

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.networks import Nets
    from pushforward.models.noise import Noise
    from pushforward.models.stepwise.mapping import RowMap
    from pushforward.models.stepwise.sampling import Sampler
    from pushforward.models.stepwise.scoring import Scorer

MAX_ELEMENTS = 1024
NOISE, DATA = 0.0, 1.0  # t


class Solved(NamedTuple):
    """Integrals along the paths of a batch, (B,) each."""

    log_prob: Tensor  # of v, nats
    energy: Tensor  # integral of |f|^2
    stretching: Tensor  # integral of |df/dv|_F^2


@final
class CNF(Family, Conditions, Samples, Scores, Encodes, Decodes):
    """Continuous normalizing flow: a neural differential equation, trained by maximum likelihood."""

    family: Literal["cnf"] = "cnf"
    width: PositiveInt = Field(64, le=2048)
    """Units of a hidden layer."""
    depth: PositiveInt = Field(3, le=8)
    """Hidden layers."""
    solver_steps: int = Field(8, ge=4, le=64)
    """Runge-Kutta steps of each solve in training."""
    divergence: Divergence = "auto"
    """How training computes the divergence of the field: exactly, or by Hutchinson's estimate."""
    kinetic: NonNegativeFloat = Field(0.01, le=100)
    """Weight of the field's kinetic energy along its paths."""
    jacobian: NonNegativeFloat = Field(0.01, le=100)
    """Weight of the field's stretching (Frobenius norm of its Jacobian); with less, few solver steps may mislead
    training."""
    alpha: float = Field(0.0067, ge=1e-6, lt=0.5)
    """Share of the range that the logit keeps free at either end of bounded data."""
    tails: Tails = "heavy"
    """Of unbounded data: heavy, as Student's t, or those of the base space."""

    optimizer: ClassVar[Adam] = Adam(lr=5e-3, batch_size=256, decay="cosine")
    trains_in_bfloat16: ClassVar[bool] = False
    SampleOptions: ClassVar[type[Options]] = CNFSolverOptions
    ScoreOptions: ClassVar[type[Options]] = CNFLikelihoodOptions
    EncodeOptions: ClassVar[type[Options]] = CNFSolverOptions
    DecodeOptions: ClassVar[type[Options]] = CNFSolverOptions
    inverts: ClassVar[bool] = True

    def check(self, spec: DataSpec) -> None:
        if spec.size > MAX_ELEMENTS:
            raise InvalidData(
                f"rows have {spec.size} elements; cnf takes up to {MAX_ELEMENTS}; take the family flow_matching",
                field="run.data",
            )

    def build(self, spec: DataSpec) -> Nets:
        self.check(spec)
        return networks.Nets(
            spec,
            velocity=networks.ConcatSquash(
                (spec.size,), width=self.width, depth=self.depth, condition_size=spec.condition_size
            ),
        )

    def losses(self, nets: Nets, batch: Batch) -> Iterator[Loss]:
        spec, x, volume = nets.spec, batch.x, 0.0
        if spec.levels is not None:
            x = dequantize(spec, x, torch.rand(x.shape, generator=batch.rng, device=x.device))
            volume = level_log_volume(spec)
        v, log_det = to_reals(spec, x, self.alpha, self.tails)
        probe = None
        if not is_exact(self.divergence, spec):
            probe = signs(torch.rand(v.shape, generator=batch.rng, device=v.device))
        solved = self.solved(nets, v, batch.c, probe)
        nll = -(solved.log_prob + log_det + volume).mean()
        energy, stretching = solved.energy.mean(), solved.stretching.mean()
        terms = {"nll_nats": nll, "kinetic_energy": energy, "squared_jacobian_norm": stretching}
        if spec.levels is not None:
            terms["bits_per_dim"] = nll / (spec.size * log(2))
        regularized = nll + self.kinetic * energy + self.jacobian * stretching
        yield Loss("regularized_nll_nats", regularized, ("velocity",), terms)

    def solved(self, nets: Nets, v: Tensor, c: Tensor, probe: Tensor | None) -> Solved:
        """Log p and regularizers, differentiable in the weights.  v: (B, D); probe: signs, (B, D), or None."""
        solver = ode.RungeKutta(np.linspace(DATA, NOISE, self.solver_steps + 1))
        field = augmented_to_train(lambda v, t: velocity(nets, v, t, c), probe)
        state = solver.init(torch.cat([v, v.new_zeros(len(v), 3)], 1))
        for k in range(solver.steps):
            state = solver.step(field, state, torch.full((len(v),), k))
        end, energy, stretching = state[0][:, :-2], *state[0][:, -2:].unbind(1)
        return Solved(continuous.log_prob_at(end), -energy, -stretching)  # on the way from the data, dt < 0

    def encoder(self, nets: Nets, options: CNFSolverOptions) -> RowMap:
        return continuous.FlowMap(
            partial(velocity, nets),
            options.between(DATA, NOISE),
            lambda x: to_reals(nets.spec, x, self.alpha, self.tails)[0],
            torch.nn.Identity(),
        )

    def decoder(self, nets: Nets, options: CNFSolverOptions) -> RowMap:
        return continuous.FlowMap(
            partial(velocity, nets),
            options.between(NOISE, DATA),
            torch.nn.Identity(),
            lambda v: from_reals(nets.spec, v, self.alpha, self.tails),
        )

    def encode(self, nets: Nets, x: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.encoder(nets, CNFSolverOptions()), x, c)

    def decode(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return mapping.apply(self.decoder(nets, CNFSolverOptions()), z, c)

    def latent_shape(self, spec: DataSpec) -> Shape:
        return (spec.size,)

    def prior(self, nets: Nets, noise: Noise, c: Tensor) -> Tensor:
        return noise.normal(0, (nets.spec.size,))

    def sampler(self, nets: Nets, options: CNFSolverOptions) -> Sampler:
        return continuous.FlowSampler(partial(self.prior, nets), self.decoder(nets, options))

    def curve_options(self) -> CNFLikelihoodOptions:
        return CNFLikelihoodOptions(steps=max(12, self.solver_steps), draws=1, divergence=self.divergence)

    def validation_rows(self, spec: DataSpec) -> int:
        return solved_rows(spec)

    def log_prob(self, nets: Nets, x: Tensor, c: Tensor, noise: Noise, options: CNFLikelihoodOptions) -> LogProb:
        return program.run(self.scorer(nets, options), (x, c), noise)

    def scorer(self, nets: Nets, options: CNFLikelihoodOptions) -> Scorer:
        spec = nets.spec
        return flow_likelihood(
            partial(velocity, nets),
            options.between(DATA, NOISE),
            lambda x: to_reals(spec, x, self.alpha, self.tails),
            spec,
            (spec.size,),
            draws=options.draws,
            divergence=options.divergence,
            n_evaluations=options.n_evaluations,
        )


def velocity(nets: Nets, v: Tensor, t: Tensor, c: Tensor) -> Tensor:
    """dv/dt, (B, D).  v: (B, D); t: (B,); c: (B, C)."""
    f: Tensor = nets["velocity"](v, t.to(v.dtype), *networks.condition_args(c))
    return f
