r"""Along the probability flow, dx / d lambda = sigma^2 / 2 (x + s): samples, codes, and data of codes.

The flow joins the data, at the first level, to noise, at the last, by a bijection. Solvers:

    rk4:       the classical Runge-Kutta method on equal steps of lambda, four network calls each
    adaptive:  Dormand and Prince's pair with an error control of each row's own, seven calls a try; a bounded number of
               tries, after which a row has arrived (`models.objectives.dormand_prince`)
    ddim:      x' = (alpha' / alpha) x + (sigma' - alpha' sigma / alpha) eps, one call, first order. From data to noise it
               is DDIM's inversion

A sample ends with x_0 as the denoiser sees it at the first level; a code's data do not, so that decoding inverts encoding.

References:
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Denoising Diffusion Implicit Models (Song et al., 2020), https://arxiv.org/abs/2010.02502
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from models.noise import Noise
from models.objectives import dormand_prince
from models.objectives.runge_kutta import rk4
from models.objectives.schedules import Floats, Level
from models.samplers.predictor import Denoising, Predictor
from models.sampling import State
from models.walking import Walk

Move = Callable[[Predictor, Tensor, Tensor, Tensor, Tensor], Tensor]  # predict, x, lambda, lambda', c to x'


def by_rk4(predict: Predictor, x: Tensor, start: Tensor, end: Tensor, c: Tensor) -> Tensor:
    """One step of Runge and Kutta's."""
    return rk4(lambda u, log_snr: predict.flow(u, log_snr, c), x, start, end)


def by_ddim(predict: Predictor, x: Tensor, start: Tensor, end: Tensor, c: Tensor) -> Tensor:
    """One step of DDIM, in either direction."""
    level, there = Level.at(start, x), Level.at(end, x)
    return there.noisy(level.data(x, eps := predict.noise(x, start, c)), eps)


MOVES: dict[str, Move] = {"rk4": by_rk4, "ddim": by_ddim}


@final
@dataclass(frozen=True)
class FlowSteps(Denoising):
    """Equal steps of lambda; the last also removes what noise is left."""

    last: float  # lambda_1, where the flow ends

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c = state
        start, end = along(self.ends, k, x)
        return cleaned(self.predict, by_rk4(self.predict, x, start, end, c), end, c, k == self.steps - 1), c

    @property
    def ends(self) -> Floats:
        """Lambda at the ends of the steps, (S + 1,)."""
        return np.append(self.log_snr, self.last)


@final
@dataclass(frozen=True)
class AdaptiveFlow(Denoising):
    """Each row's own steps. State: x; the condition; lambda; the size to try next. `log_snr` has a try's least lambda."""

    last: float  # lambda_1, where the flow ends
    tolerance: float

    def init(self, noise: Noise, c: Tensor) -> State:
        x, c = super().init(noise, c)
        at = torch.full((len(x),), float(self.log_snr[0]), dtype=torch.float64, device=x.device)
        return x, c, at, torch.full_like(at, (self.last - self.log_snr[0]) / 16)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, at, size = state
        end = torch.full_like(at, self.last)
        tries = (self.steps - k).to(at)
        there = dormand_prince.advance(
            lambda u, log_snr: self.predict.flow(u, log_snr, c), x, at, size, end, self.tolerance, (end - at) / tries
        )
        return cleaned(self.predict, there.x, there.t, c, k == self.steps - 1), c, there.t, there.h


@final
@dataclass(frozen=True)
class FlowWalk(Walk):
    """From one end of the levels to the other, by steps of a solver."""

    predict: Predictor
    log_snr: Floats  # of the ends of the steps, (S + 1,), in the order they are walked
    move: Move
    enter: Callable[[Tensor], Tensor]  # rows to network units
    leave: Callable[[Tensor], Tensor]  # and from them

    @property
    def steps(self) -> int:
        return len(self.log_snr) - 1

    def init(self, rows: Tensor, c: Tensor) -> State:
        return self.enter(rows), c

    def step(self, state: State, k: Tensor) -> State:
        x, c = state
        start, end = along(self.log_snr, k, x)
        return self.move(self.predict, x, start, end, c), c

    def finish(self, state: State) -> Tensor:
        return self.leave(state[0])


def along(ends: Floats, k: Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """Lambda before and after each row's step, (B,) float64."""
    table = torch.from_numpy(ends)
    return table[k].to(x.device), table[k + 1].to(x.device)


def cleaned(predict: Predictor, x: Tensor, log_snr: Tensor, c: Tensor, arrived: Tensor) -> Tensor:
    """The rows that have arrived without the noise that is left.  arrived: (B,) bool, on the CPU."""
    if not arrived.any():
        return x
    at = arrived.to(x.device)
    x = x.clone()
    x[at] = predict.data(x[at], log_snr[at], c[at])
    return x
