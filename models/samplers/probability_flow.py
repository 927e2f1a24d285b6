r"""Along the probability flow, dx / d lambda = sigma^2 / 2 (x + s): samples, and the steps of codes.

The flow joins the data, at the first level, to noise, at the last, by a bijection. Solvers of it are those of
`models.solving`, and DDIM: with y = x / alpha and s = sigma / alpha the flow is dy / ds = eps, and Euler's step is

    x' = (alpha' / alpha) x + (sigma' - alpha' sigma / alpha) eps,

one network call, first order; from data to noise it is DDIM's inversion. A sample ends with x_0 as the denoiser sees it
at the first level; a code's data do not, so that decoding inverts encoding.

References:
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from models.noise import Noise
from models.objectives.dormand_prince import VectorField
from models.objectives.schedules import Level
from models.samplers.predictor import Predictor
from models.sampling import Sampler, State
from models.solving import OnGrid, Solver


@final
@dataclass(frozen=True)
class FlowSampler(Sampler):
    """Noise to data by a solver. State: the solver's; the condition."""

    predict: Predictor
    solver: Solver
    log_snr: float  # lambda_1, where the flow ends

    @property
    def steps(self) -> int:
        return self.solver.steps

    def init(self, noise: Noise, c: Tensor) -> State:
        return *self.solver.init(noise.normal(0, self.predict.spec.shape)), c

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        *solving, c = state
        x, *rest = self.solver.step(lambda x, at: self.predict.flow(x, at, c), tuple(solving), k)
        if (arrived := (k == self.steps - 1).to(x.device)).any():
            x = x.clone()
            log_snr = torch.full((int(arrived.sum()),), self.log_snr, device=x.device)
            x[arrived] = self.predict.data(x[arrived], log_snr, c[arrived])
        return x, *rest, c

    def finish(self, state: State) -> Tensor:
        return self.predict.spec.denormalize(state[0])


@final
class DDIM(OnGrid):
    """Follows the noise in x, the field here, in either direction."""

    def moved(self, field: VectorField, x: Tensor, start: Tensor, end: Tensor) -> Tensor:
        eps = field(x, start)
        return Level.at(end, x).noisy(Level.at(start, x).data(x, eps), eps)
