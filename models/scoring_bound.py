r"""The variational bound of a diffusion, level by level.

Over the levels lambda_1 > ... > lambda_T, with x_t = alpha_t x_0 + sigma_t eps and the posterior's variance,

    log p(x_0) >= -KL(q(x_T|x_0) || N(0, I)) - sum_{t=2}^T L_t + E log p(x_0|x_1),
    L_t = KL(q(x_{t-1}|x_t, x_0) || p(x_{t-1}|x_t)) = 1/2 (e^{lambda_{t-1} - lambda_t} - 1) E || eps - eps_theta ||^2,
    p(x_0|x_1) = N(x_0; x_0hat(x_1), sigma_1^2 I).

The sum is estimated from M levels. They are drawn with the probabilities that its terms would have for data N(0, I),
where E || eps - eps_theta ||^2 = alpha^2 D: p_t prop. to (e^{lambda_{t-1} - lambda_t} - 1) alpha_t^2; one from each
M-th of their distribution, so every draw of M is unbiased and varies little. The mean of J draws has a standard error.

Data with levels are dequantized, as they were in training: log P(y) >= E_u log p(y + w (u - 1/2)) + D log w. (DDPM's
discretized decoder bounds the same number, but wants a network that was trained on the levels themselves.)

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log, pi
from typing import final

import numpy as np
import torch
from torch import Tensor

from models.family import LogProb
from models.noise import Noise
from models.objectives.dequantization import dequantize, level_log_volume
from models.objectives.schedules import Floats, Level
from models.samplers.predictor import Predictor
from models.sampling import State
from models.scoring import Scorer


@final
@dataclass(frozen=True)
class VariationalBound(Scorer):
    """State: x, data units; the condition; the bound of each draw, (B, J), as far as it has come, network units."""

    predict: Predictor
    log_snr: Floats  # (T,), least noisy first
    levels: int  # M, of a draw
    draws: int  # J

    @property
    def steps(self) -> int:
        return self.draws * self._calls

    @property
    def _calls(self) -> int:
        """Network calls of a draw: M levels, and the decoder."""
        return self.levels + 1

    def init(self, x: Tensor, c: Tensor, noise: Noise) -> State:
        return x, c, torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, values = state
        j, i = k // self._calls, k % self._calls
        first = j * (2 * self._calls + 1)  # of a draw's own random arrays
        u = self._start(x, noise, first)
        t = self._level(i, noise.uniform(first + 1 + 2 * i, (1,))[:, 0].cpu())
        log_snr = torch.from_numpy(self.log_snr)[t].to(u.device)
        eps = noise.normal(first + 2 + 2 * i, self.predict.spec.shape).to(u)
        error = self.predict.noise(Level.at(log_snr, u).noisy(u, eps), log_snr, c) - eps
        square = error.double().square().flatten(1).sum(1)
        term = -torch.from_numpy(self._factors)[t].to(u.device) * square
        term = torch.where((i < self.levels).to(u.device), term, term + self._ends(u))
        values = values.clone()
        values[torch.arange(len(values)), j] += term
        return x, c, values

    def finish(self, state: State, noise: Noise) -> LogProb:
        spec, values = self.predict.spec, state[2]
        std_error = values.std(1) / self.draws**0.5 if self.draws > 1 else None
        level_volume = 0.0 if spec.levels is None else level_log_volume(spec)
        return LogProb(values.mean(1) + spec.log_jacobian + level_volume, "lower_bound", std_error)

    def _start(self, x: Tensor, noise: Noise, draw: Tensor) -> Tensor:
        """x_0 of a draw, network units."""
        spec = self.predict.spec
        if spec.levels is not None:
            x = dequantize(spec, x, noise.uniform(draw, spec.shape).to(x))
        return spec.normalize(x)

    def _level(self, i: Tensor, u01: Tensor) -> Tensor:
        """The level of each row's call, counted from 0: one from the i-th M-th of p_t, or the decoder's."""
        at = ((i + u01.double()) / self.levels).numpy()
        t = 1 + np.searchsorted(np.cumsum(self._terms / self._terms.sum())[:-1], at, side="right")
        return torch.where(i < self.levels, torch.from_numpy(t), torch.zeros_like(i))

    @cached_property
    def _terms(self) -> Floats:
        """L_t / D for data N(0, I), t = 2, ..., T."""
        terms: Floats = 0.5 * np.expm1(-np.diff(self.log_snr)) / (1 + np.exp(-self.log_snr[1:]))
        return terms

    @cached_property
    def _factors(self) -> Floats:
        """What || eps - eps_theta ||^2 counts at each level, (T,): 1 / (2 alpha_1^2), then L_t's factor / (M p_t)."""
        alpha_square = 1 / (1 + np.exp(-self.log_snr))
        return np.append(0.5, np.full(len(self._terms), self._terms.sum() / self.levels)) / alpha_square

    def _ends(self, u: Tensor) -> Tensor:
        """What no network call tells: the prior's part, and the decoder's normalization, (B,)."""
        first, last = (float(self.log_snr[t]) for t in (0, -1))
        alpha_square, sigma_square = 1 / (1 + np.exp(-last)), 1 / (1 + np.exp(last))
        u_square = u.double().square()
        kl = 0.5 * (alpha_square * u_square - alpha_square - log(sigma_square))
        log_decoder = -0.5 * (log(2 * pi) - np.log1p(np.exp(first)))
        return (log_decoder - kl).flatten(1).sum(1)
