r"""How data are dissolved in noise, by the noise level lambda.

A variance-preserving diffusion keeps x_lambda = alpha x_0 + sigma eps with alpha^2 + sigma^2 = 1. Its one coordinate is
the log signal-to-noise ratio

    lambda = log alpha^2 / sigma^2,      alpha^2 = sigmoid(lambda),   sigma^2 = sigmoid(-lambda),

which falls from the data (lambda = inf) to the prior N(0, I). A schedule lays T levels along it. DDPM's are
alpha_bar_t = prod_{s <= t} (1 - beta_s) = sigmoid(lambda_t), with either

    linear:  beta_t from 1e-4 to 0.02 for T = 1000, scaled by 1000 / T,  beta_t <= 0.999,
    cosine:  alpha_bar_t = f(t) / f(0),  f(t) = cos^2 (pi/2 (t/T + s) / (1 + s)),  s = 0.008,  beta_t <= 0.999.

Two more have a time of their own, of which the T levels are a fine grid:

    ou:      the Ornstein-Uhlenbeck process dX = -X dt + sqrt(2) dB has alpha = e^-t, sigma^2 = 1 - e^-2t; log t evenly
             from `first` to `last`,
    edm:     sigma / alpha, the noise beside data of scale 1, from sigma_min to sigma_max, its 1/rho-th power evenly.

At one level a point can be told as its noise eps, its data x_0, its velocity v = alpha eps - sigma x_0 or its score
s = -eps / sigma; `Level` converts. The probability flow of the Ornstein-Uhlenbeck process, dx/dt = -(x + s), has the
same marginals without noise; along lambda, for d lambda = -2 dt / sigma^2,

    dx / d lambda = sigma^2 / 2 (x + s).

Example:
    >>> import numpy as np
    >>> from pushforward.models.paths.schedules import Cosine
    >>> log_snr = Cosine().log_snr(1000)
    >>> log_snr.shape, bool((np.diff(log_snr) < 0).all())
    ((1000,), True)

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Improved Denoising Diffusion Probabilistic Models (Nichol & Dhariwal, 2021), https://arxiv.org/abs/2102.09672
    | Score-Based Generative Modeling through SDEs (Song et al., 2021), https://arxiv.org/abs/2011.13456
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), arXiv:2206.00364
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from torch import Tensor

Floats = NDArray[np.float64]


class Schedule(Config, ABC):
    """T noise levels."""

    schedule: str  # a Literal with a default in each final schedule

    @abstractmethod
    def log_snr(self, steps: int) -> Floats:
        """Lambda_1 > ... > lambda_T, (T,)."""


class Variances(Schedule, ABC):
    """Levels by the noise that each step adds."""

    @abstractmethod
    def beta(self, steps: int) -> Floats:
        """Variance that each of T steps adds, (T,), least noisy first."""

    def log_snr(self, steps: int) -> Floats:
        log_alpha_bar = np.cumsum(np.log1p(-self.beta(steps)))
        log_snr: Floats = log_alpha_bar - np.log(-np.expm1(log_alpha_bar))
        return log_snr


@final
class LinearSchedule(Variances):
    """Variances on a line, as in DDPM."""

    schedule: Literal["linear"] = "linear"

    def beta(self, steps: int) -> Floats:
        return np.minimum(np.linspace(0.1, 20.0, steps) / steps, 0.999)


@final
class Cosine(Variances):
    """Signal on a squared cosine: less time near pure noise, for small images."""

    schedule: Literal["cosine"] = "cosine"

    def beta(self, steps: int) -> Floats:
        s = 0.008
        f = np.cos(np.pi / 2 * (np.arange(steps + 1) / steps + s) / (1 + s)) ** 2
        beta: Floats = np.minimum(1 - f[1:] / f[:-1], 0.999)
        return beta


@final
class OrnsteinUhlenbeck(Schedule):
    """The times of dX = -X dt + sqrt(2) dB, evenly in log t."""

    schedule: Literal["ou"] = "ou"
    first: float = Field(1e-3, ge=1e-6, le=0.1)
    """Time t of the first level: the data are resolved to sqrt(2 t)."""
    last: float = Field(5.0, ge=1.0, le=20.0)
    """Time t of the last level."""

    def log_snr(self, steps: int) -> Floats:
        log_snr: Floats = -np.log(np.expm1(2 * np.geomspace(self.first, self.last, steps)))
        return log_snr


@final
class Karras(Schedule):
    """Noise beside the data: the 1/rho-th power of sigma / alpha evenly, as in EDM."""

    schedule: Literal["edm"] = "edm"
    sigma_min: float = Field(0.002, ge=1e-4, le=0.1)
    """Noise of the first level, in network units."""
    sigma_max: float = Field(80.0, ge=10.0, le=1000.0)
    """Noise of the last level, in network units."""
    rho: float = Field(7.0, ge=1.0, le=20.0)
    """How strongly levels gather at little noise."""

    def log_snr(self, steps: int) -> Floats:
        return karras(-2 * np.log(self.sigma_min), -2 * np.log(self.sigma_max), steps, self.rho)


AnySchedule = Annotated[LinearSchedule | Cosine | OrnsteinUhlenbeck | Karras, Field(discriminator="schedule")]


def karras(start: float, end: float, n: int, rho: float = 7.0) -> Floats:
    """Levels between two, (n,), both included: the 1/rho-th power of sigma / alpha = e^(-lambda / 2) evenly."""
    root = np.linspace(np.exp(-start / (2 * rho)), np.exp(-end / (2 * rho)), n)
    log_snr: Floats = -2 * rho * np.log(root)
    return log_snr


class Level(NamedTuple):
    """One noise level for each row. Points and noises are (B, *shape)."""

    alpha: Tensor  # (B, 1, ..., 1): scale of the data
    sigma: Tensor  # (B, 1, ..., 1): scale of the noise

    @classmethod
    def at(cls, log_snr: Tensor, x: Tensor) -> Level:
        """The levels lambda of the rows of x, in x's precision.  log_snr: (B,)."""
        log_snr = log_snr.view(-1, *[1] * (x.ndim - 1))
        return cls(log_snr.sigmoid().sqrt().to(x), (-log_snr).sigmoid().sqrt().to(x))

    def noisy(self, x0: Tensor, eps: Tensor) -> Tensor:
        """Data with noise."""
        return self.alpha * x0 + self.sigma * eps

    def data(self, x: Tensor, eps: Tensor) -> Tensor:
        """x_0 of a point and its noise."""
        return (x - self.sigma * eps) / self.alpha

    def noise(self, x: Tensor, x0: Tensor) -> Tensor:
        """Eps of a point and its data."""
        return (x - self.alpha * x0) / self.sigma

    def noise_of_velocity(self, x: Tensor, v: Tensor) -> Tensor:
        """Eps of a point and its velocity; x itself where only noise is left."""
        return self.sigma * x + self.alpha * v

    def noise_of_flow(self, x: Tensor, flow: Tensor) -> Tensor:
        """Eps of a point and its dx / d lambda along the probability flow."""
        return self.sigma * x - 2 / self.sigma * flow

    def score(self, eps: Tensor) -> Tensor:
        """The gradient of the log-density, from the expected noise."""
        return -eps / self.sigma

    def flow(self, x: Tensor, eps: Tensor) -> Tensor:
        """dx / d lambda of the probability flow."""
        return 0.5 * self.sigma**2 * (x + self.score(eps))
