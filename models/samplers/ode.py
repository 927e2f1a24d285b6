r"""Along the probability flow, dx / d lambda = sigma^2 / 2 (x + s): samples, and the steps of codes.

The flow joins the data, at the first level, to noise, at the last, by a bijection. Solvers of it are those of
`models.solvers.ode`, and DDIM: with y = x / alpha and s = sigma / alpha the flow is dy / ds = eps, and Euler's step is

    x' = (alpha' / alpha) x + (sigma' - alpha' sigma / alpha) eps,

one forward pass, first order; from data to noise it is DDIM's inversion. A sample ends with x_0 as the denoiser sees it
at the first level, and so does a decoded code: a sample is the decoded draw of the prior.

Along lambda the flow of a narrow density contracts by up to 1/2 a nat, and Runge and Kutta's method grows without
bound where a step is longer than 2.78 / (1/2) = 5.6 nats (Hairer & Wanner, IV.2). So a step of more than `LONGEST`
nats is DDIM's: it ends between x and x_0 however long it is, and few steps lose accuracy, not stability.

References:
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
    | Solving Ordinary Differential Equations II (Hairer & Wanner, 1996), section IV.2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from pushforward.models.flows.continuous import FlowSampler
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Level
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.solvers.dormand_prince import VectorField
from pushforward.models.solvers.ode import FixedStep, Solver, runge_kutta
from pushforward.models.stepwise.mapping import RowMap
from pushforward.models.stepwise.program import State

if TYPE_CHECKING:
    from torch import Tensor

LONGEST = 4.0  # nats of lambda, of a step of Runge and Kutta's


@final
class FlowRungeKutta(FixedStep):
    """Runge and Kutta's steps, and DDIM's in the place of those that are too long for them."""

    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        there = runge_kutta(field, x, start, end)
        if not (long := (end - start).abs() > LONGEST).any():
            return there
        level = Level.at(start, x)
        ddim = _ddim(x, level.noise_of_flow(x, field(x, start)), start, end)
        return torch.where(long.view(-1, *[1] * (x.ndim - 1)), ddim, there)


@final
class DDIM(FixedStep):
    """Follows the noise in x, which is the field here, in either direction."""

    def advance(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        return _ddim(x, field(x, start), start, end)


@final
@dataclass(frozen=True)
class FlowDecoder(RowMap):
    """Codes to data by a solver: after its last step x_0 is predicted. State: the solver's; the condition."""

    predict: Predictor
    solver: Solver
    log_snr: float  # lambda_1, where the flow ends

    @property
    def steps(self) -> int:
        return self.solver.steps

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        z, c = given
        return *self.solver.init(z), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        *solving, c = state
        field = self.predict.noise if isinstance(self.solver, DDIM) else self.predict.flow
        x, *rest = self.solver.step(lambda x, at: field(x, at, c), tuple(solving), k)
        if (arrived := (k == self.steps - 1).to(x.device)).any():
            x = x.clone()
            log_snr = torch.full((int(arrived.sum()),), self.log_snr, device=x.device)
            x[arrived] = self.predict.data(x[arrived], log_snr, c[arrived])
        return x, *rest, c

    def finish(self, state: State, noise: Noise) -> Tensor:
        return self.predict.spec.denormalize(state[0])


def flow_sampler(decoder: FlowDecoder) -> FlowSampler:
    """Draws of N(0, I), decoded."""
    return FlowSampler(lambda noise, c: noise.normal(0, decoder.predict.spec.shape), decoder)


def _ddim(x: Tensor, eps: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """x after DDIM's step.  start, end: lambda, (B,)."""
    return Level.at(end, x).noisy(Level.at(start, x).data(x, eps), eps)
