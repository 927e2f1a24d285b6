r"""The variational bound of a diffusion, level by level.

It is of the model from which ancestral sampling with the variance beta draws over all T levels, with a Gaussian of
variance beta_1 at the end, which a sampler leaves out.

Over levels t = 1, ..., T, with x_t = alpha_t x_0 + sigma_t eps, beta_t = 1 - (alpha_t / alpha_{t-1})^2, alpha_0 = 1 and
the variance beta of ancestral sampling, p(x_{t-1}|x_t) = N(mu_theta(x_t), beta_t I),

    log p(x_0) >= -KL(q(x_T|x_0) || N(0, I)) - sum_{t=2}^T KL(q(x_{t-1}|x_t, x_0) || p(x_{t-1}|x_t)) + E log p(x_0|x_1)
                = constant(x_0) - sum_{t=1}^T w_t E || eps - eps_theta ||^2,  w_t = beta_t / (2 sigma_t^2 (1 - beta_t)).

For data N(0, I) this reverse process is exact: with their noise eps_N = sigma_t x_t in the place of eps_theta the bound
is log N(x_0; 0, I). This determines the constant, so that

    log p(x_0) >= log N(x_0; 0, I) + sum_{t=1}^T w_t E [ || eps - eps_N ||^2 - || eps - eps_theta ||^2 ],

where most of the noise of eps cancels. The sum is estimated from M levels, drawn with probabilities p_t prop. to
w_t alpha_t^2, the sizes of the terms for data N(0, I); one from each M-th of their distribution, so every draw of M is
unbiased and varies little. The mean of J draws has a standard error.

Data with levels are dequantized, as they were in training: log P(y) >= E_u log p(y + w (u - 1/2)) + D log w. (DDPM's
discretized decoder bounds the same number, but wants a network that was trained on the levels themselves.)

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.flows.dequantization import dequantize, level_log_volume
from pushforward.models.lazy import torch
from pushforward.models.noise import Noise
from pushforward.models.paths.schedules import Floats, Level
from pushforward.models.samplers.predictor import Predictor
from pushforward.models.stepwise.program import State
from pushforward.models.stepwise.scoring import LogProb, Scorer

if TYPE_CHECKING:
    from torch import Tensor


@final
@dataclass(frozen=True)
class VariationalBound(Scorer):
    """State: x, data units; the condition; the bound of each draw so far, (B, J), network units."""

    predict: Predictor
    log_snr: Floats  # (T,), least noisy first
    levels: int  # M, of a draw
    draws: int  # J

    @property
    def steps(self) -> int:
        return self.draws * self.levels

    def init(self, given: tuple[Tensor, Tensor], noise: Noise) -> State:
        x, c = given
        return x, c, torch.zeros(len(x), self.draws, dtype=torch.float64, device=x.device)

    def step(self, state: State, k: Tensor, noise: Noise) -> State:
        x, c, values = state
        j, i = k // self.levels, k % self.levels
        first = j * (2 * self.levels + 1)  # of a draw's own random arrays
        u = self._start(x, noise, first)
        t = self._level(i, noise.uniform(first + 1 + 2 * i, (1,))[:, 0].cpu())
        eps = noise.normal(first + 2 + 2 * i, self.predict.spec.shape).to(u)
        term = torch.from_numpy(self._factors)[t].to(u.device) * self._gain(u, eps, t, c)
        values = values.clone()
        values[torch.arange(len(values)), j] += term + standard_log_prob(u.double()) / self.levels
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
            x = dequantize(spec, x, noise.uniform(draw, spec.shape))
        return spec.normalize(x)

    def _level(self, i: Tensor, u01: Tensor) -> Tensor:
        """The level of each row, counted from 0: one from the i-th M-th of p_t."""
        at = ((i + u01.double()) / self.levels).numpy()
        return torch.from_numpy(np.searchsorted(np.cumsum(self._share)[:-1], at, side="right"))

    def _gain(self, u: Tensor, eps: Tensor, t: Tensor, c: Tensor) -> Tensor:
        """|| eps - eps_N ||^2 - || eps - eps_theta ||^2, (B,)."""
        log_snr = torch.from_numpy(self.log_snr)[t].to(u.device)
        level = Level.at(log_snr, u)
        x = level.noisy(u, eps)
        normal, learned = level.sigma * x - eps, self.predict.noise(x, log_snr, c) - eps
        return (normal.double().square() - learned.double().square()).flatten(1).sum(1)

    @cached_property
    def _weights(self) -> Floats:
        """w_t, (T,)."""
        return noise_weights(self.log_snr)

    @cached_property
    def _share(self) -> Floats:
        """p_t, (T,)."""
        sizes = self._weights / (1 + np.exp(-self.log_snr))
        share: Floats = sizes / sizes.sum()
        return share

    @cached_property
    def _factors(self) -> Floats:
        """The weight of a term that was drawn, w_t / (M p_t), (T,)."""
        factors: Floats = self._weights / (self.levels * self._share)
        return factors


def noise_weights(log_snr: Floats) -> Floats:
    """w_t, (T,).  log_snr: (T,), least noisy first."""
    alpha_square, sigma_square = 1 / (1 + np.exp(-log_snr)), 1 / (1 + np.exp(log_snr))
    before = np.append(1.0, alpha_square[:-1])
    weights: Floats = (before / alpha_square - 1) / (2 * sigma_square)
    return weights
