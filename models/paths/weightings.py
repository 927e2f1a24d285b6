r"""Which noise levels a diffusion learns from, and how much each counts.

All losses of a denoiser are mean squares of its noise, E_lambda w(lambda) || eps - eps_theta ||^2, and differ in where
lambda is drawn and in the weight w. As denoising score matching, L = E_t c(t) || s_theta + eps / sigma ||^2:

    noise:       c = sigma^2, since sigma^2 || s_theta + eps / sigma ||^2 = || eps - eps_theta ||^2: DDPM's simple loss.
                 t is even over the schedule's levels, w = 1.
    likelihood:  c = g^2: half of its integral over t bounds the negative log-likelihood, up to a constant. Along the
                 levels g^2 / sigma^2 dt = -d lambda, so that it is

                     1/2 int g^2 E || s_theta + eps / sigma ||^2 dt = 1/2 int E || eps - eps_theta ||^2 d lambda,

                 which is estimated with the least variance where lambda is even between the ends: w = 1 again. This is
                 Song et al.'s importance sampling of t, in the coordinate where it is the uniform distribution.
    edm:         || D - x_0 ||^2 (s^2 + sigma_data^2) / (s sigma_data)^2 with s = sigma / alpha, log s ~ N(-1.2, 1.2^2).
                 As D - x_0 = s (eps - eps_theta) it is w = (s^2 + sigma_data^2) / sigma_data^2, under which F of the
                 edm preconditioning is told the mean square of its own error.

One uniform number spreads the rows of a batch evenly over the distribution of lambda (Kingma et al.).

References:
    | Denoising Diffusion Probabilistic Models (Ho et al., 2020), https://arxiv.org/abs/2006.11239
    | Maximum Likelihood Training of Score-Based Diffusion Models (Song et al., 2021), https://arxiv.org/abs/2101.09258
    | Variational Diffusion Models (Kingma et al., 2021), https://arxiv.org/abs/2107.00630
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), arXiv:2206.00364
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.lazy import torch
from pushforward.models.paths.schedules import Floats

if TYPE_CHECKING:
    from torch import Tensor


class Weighting(Config, ABC):
    """A distribution of lambda and a weight."""

    weighting: str  # a Literal with a default in each final one
    loss: ClassVar[str] = "noise_mse"  # its name

    @abstractmethod
    def log_snr(self, u01: Tensor, levels: Floats) -> Tensor:
        """Lambda by the inverse of its distribution function, (B,).

        Arguments:
            u01: (B,), uniform in [0, 1).
            levels: those of the schedule, (T,), least noisy first.
        """

    def weight(self, log_snr: Tensor, sigma_data: float) -> Tensor:
        """W(lambda), (B,), for data of standard deviation sigma_data, network units."""
        return log_snr.new_ones(log_snr.shape)


@final
class NoiseMSE(Weighting):
    """The noise's mean square over the schedule's levels; score matching weighted by sigma^2."""

    weighting: Literal["noise"] = "noise"

    def log_snr(self, u01: Tensor, levels: Floats) -> Tensor:
        t = (u01 * len(levels)).long().clamp(max=len(levels) - 1)
        log_snr: Tensor = torch.from_numpy(levels).to(u01)[t]
        return log_snr


@final
class MaximumLikelihood(Weighting):
    """Score matching weighted by g^2: a bound of the likelihood."""

    weighting: Literal["likelihood"] = "likelihood"

    def log_snr(self, u01: Tensor, levels: Floats) -> Tensor:
        first, last = float(levels[0]), float(levels[-1])
        return first + (last - first) * u01


@final
class LogNormal(Weighting):
    """Noise about the middle, each level's error of equal size, as in EDM."""

    weighting: Literal["edm"] = "edm"
    loss = "weighted_noise_mse"
    mean: float = Field(-1.2, ge=-10.0, le=10.0)
    """Mean of the logarithm of the noise level."""
    std: PositiveFloat = Field(1.2, le=4.0)
    """Standard deviation of the logarithm of the noise level."""

    def log_snr(self, u01: Tensor, levels: Floats) -> Tensor:
        within = u01.clamp(1e-6, 1 - 1e-6)
        log_sigma: Tensor = self.mean + self.std * torch.special.ndtri(within)
        return -2 * log_sigma

    def weight(self, log_snr: Tensor, sigma_data: float) -> Tensor:
        return 1 + (-log_snr).exp() / sigma_data**2


AnyWeighting = Annotated[NoiseMSE | MaximumLikelihood | LogNormal, Field(discriminator="weighting")]
