r"""Maps, samples and likelihoods of a continuous flow dx/dt = f(x, t | c), by the steps of one of `models.solvers.ode`.

    encode, decode:  data to noise and back, `FlowMap`
    sample:          a draw of the prior N(0, I), then decode, `FlowSampler`
    likelihood:      log p(x) = log N(z; 0, I) + integral of div f on the way from x to z, `FlowLikelihood`

The divergence is exact or Hutchinson's estimate (`models.flows.divergence`), and data with levels are
dequantized. Where either is random, the likelihood is the mean of J draws, each of S steps: step k is step k mod S of
draw floor(k / S), so rows at different draws share the calls of the field.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.flows.dequantization import dequantize, level_log_volume
from pushforward.models.flows.divergence import augmented, signs
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.solvers.dormand_prince import VectorField
from pushforward.models.solvers.ode import Solver
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.stepwise.mapping import RowMap
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.stepwise.scoring import LogProb, Scorer

if TYPE_CHECKING:
    from torch import Tensor

Velocity: TypeAlias = (
    "Callable[[Tensor, Tensor, Tensor], Tensor]"  # x, t, c to dx/dt: (B, *shape), (B,), (B, C) to (B, *shape)
)


@final
@dataclass(frozen=True)
class FlowMap(RowMap):
    """Rows along the field: encoder or decoder. State: c, then the solver's."""

    velocity: Velocity
    solver: Solver
    enter: Callable[[Tensor], Tensor]  # rows to where the flow runs
    leave: Callable[[Tensor], Tensor]

    @property
    def steps(self) -> int:
        return self.solver.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        rows, c = given
        return c, *self.solver.init(self.enter(rows))

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        c, *solving = state
        return c, *self.solver.step(lambda x, t: self.velocity(x, t, c), tuple(solving), k)

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.leave(state[1])


@final
@dataclass(frozen=True)
class FlowSampler(Sampler):
    """A draw of the prior, decoded by the flow."""

    draw: Callable[[Noise, Tensor], Tensor]  # noise and c to z
    decoder: RowMap

    @property
    def steps(self) -> int:
        return self.decoder.steps

    def init(self, given: tuple[Tensor], noise: Noise) -> State:
        (c,) = given
        return self.decoder.init((self.draw(noise, c), c), noise)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        return self.decoder.step(state, k, noise)

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.decoder.finish(state, noise)


@final
@dataclass(frozen=True)
class FlowLikelihood(Scorer):
    """State: x, data units; c; log p(x) of each draw so far, (B, J); the solver's, of x and log-volume together."""

    velocity: Velocity
    solver: Solver  # from data to noise
    enter: Callable[[Tensor], tuple[Tensor, Tensor]]  # data to where the flow runs, and its log |det|, (B,) nats
    spec: DataSpec
    shape: Shape  # of a row where the flow runs
    draws: int  # J
    exact: bool  # the divergence; else Hutchinson's estimate

    @property
    def steps(self) -> int:
        return self.draws * self.solver.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        values = torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)
        start, values[:, 0] = self._start(x, noise, torch.zeros(len(x), dtype=torch.long))
        return x, c, values, *self.solver.init(start)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, values, *solving = state
        j, i = k // self.solver.steps, k % self.solver.steps
        begins, arrived = (i == 0) & (j > 0), i == self.solver.steps - 1
        if (begins | arrived).any():
            values = values.clone()
        if begins.any():
            at = begins.nonzero()[:, 0].to(x.device)
            start, values[at, j[begins].to(x.device)] = self._start(x[at], noise[begins.numpy()], j[begins])
            solving = [part.index_copy(0, at, new) for part, new in zip(solving, self.solver.init(start), strict=True)]
        probe = None if self.exact else signs(noise.uniform(2 * j + 1, self.shape)).to(solving[0])
        field = augmented(self._field(c), self.shape, probe)
        solving = list(self.solver.step(field, tuple(solving), i))
        if arrived.any():
            values[arrived, j.to(x.device)[arrived]] += log_prob_at(solving[0][arrived])
        return x, c, values, *solving

    def finish(self, state: State, noise: Noise) -> LogProb:
        values = state[2]  # (B, J)
        std_error = values.std(1) / self.draws**0.5 if self.draws > 1 else None
        return LogProb(values.mean(1), "estimate", std_error)

    def _field(self, c: Tensor) -> VectorField:
        """The field of rows with these conditions. c is cloned because autograd cannot save inference tensors."""
        return lambda x, t: self.velocity(x, t, c.clone())

    def _start(self, x: Tensor, noise: Noise, j: Tensor) -> tuple[Tensor, Tensor]:
        """Where draw j begins, with no volume yet, (B, D + 1), and the log-volume of what led there, (B,).

        They are kept apart: the solver's tolerance is relative to the volume that it sees.
        """
        volume = 0.0
        if self.spec.levels is not None:
            volume = level_log_volume(self.spec)
            x = dequantize(self.spec, x, noise.uniform(2 * j, self.spec.shape))
        v, log_det = self.enter(x)
        return torch.cat([v.flatten(1), v.new_zeros(len(v), 1)], 1), log_det.double() + volume


def log_prob_at(end: Tensor) -> Tensor:
    """Log p of rows that arrived, (B,) float64 nats.  end: z with the log-volume of the whole way, (B, D + 1)."""
    z, log_volume = end[:, :-1].double(), end[:, -1].double()
    return log_volume + standard_log_prob(z)
