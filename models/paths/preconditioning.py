r"""What a denoiser's backbone sees and says.

The backbone F sees x / tau and lambda; its answer is read as the noise eps in x.

    velocity:  tau = 1,  eps = sigma x + alpha F
    edm:       tau^2 = sigma^2 + alpha^2 sigma_data^2,  eps = sigma x / tau^2 - alpha sigma_data F / tau

The second is Karras et al.'s: with noise y = x / alpha of size s = sigma / alpha beside the data, their denoiser is

    D = c_skip y + c_out F(c_in y),   c_skip = sigma_data^2 / (s^2 + sigma_data^2),
    c_out = s sigma_data / sqrt(s^2 + sigma_data^2),   c_in = 1 / sqrt(s^2 + sigma_data^2),

and eps = (y - D) / s. F's input and its target have variance 1 at every level, for data of standard deviation
sigma_data; where that is 1, edm is velocity with F's sign turned. (Their c_noise = log(s) / 4 is -lambda / 8, and the
embedding of lambda knows it.) Where only noise is left eps is x itself, whatever F says, so the first steps of a
sampler, which divide by alpha, are safe; and F = 0, where training starts, is exact for data N(0, sigma_data^2 I).

References:
    | Progressive Distillation for Fast Sampling of Diffusion Models (Salimans & Ho, 2022), arXiv:2202.00512
    | Elucidating the Design Space of Diffusion-Based Generative Models (Karras et al., 2022), arXiv:2206.00364
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.paths.schedules import Level

if TYPE_CHECKING:
    from torch import Tensor


class Preconditioning(Config, ABC):
    """Between x and eps, (B, *shape), and a backbone F."""

    preconditioning: str  # a Literal with a default in each final one

    @property
    @abstractmethod
    def data_std(self) -> float:
        """The standard deviation of the data it is meant for, network units."""

    @abstractmethod
    def scaled(self, level: Level, x: Tensor) -> Tensor:
        """The input of F at x."""

    @abstractmethod
    def noise(self, level: Level, x: Tensor, F: Tensor) -> Tensor:
        """eps, from x and the output of F."""


@final
class Velocity(Preconditioning):
    """F is the velocity v = alpha eps - sigma x_0."""

    preconditioning: Literal["velocity"] = "velocity"

    @property
    def data_std(self) -> float:
        return 1.0

    def scaled(self, level: Level, x: Tensor) -> Tensor:
        return x

    def noise(self, level: Level, x: Tensor, F: Tensor) -> Tensor:
        return level.noise_of_velocity(x, F)


@final
class EDM(Preconditioning):
    """F sees variance 1 and aims at variance 1, whatever the scale of the data."""

    preconditioning: Literal["edm"] = "edm"
    sigma_data: PositiveFloat = (
        1.0  # of the data, network units: 1 for vectors, which are normalized; 0.5 for many images
    )
    """Standard deviation of the data, in network units."""

    @property
    def data_std(self) -> float:
        return self.sigma_data

    def scaled(self, level: Level, x: Tensor) -> Tensor:
        return x / self._tau(level)

    def noise(self, level: Level, x: Tensor, F: Tensor) -> Tensor:
        tau = self._tau(level)
        return level.sigma * x / tau**2 - level.alpha * self.sigma_data / tau * F

    def _tau(self, level: Level) -> Tensor:
        """The standard deviation of x."""
        return (level.sigma**2 + (level.alpha * self.sigma_data) ** 2).sqrt()


AnyPreconditioning = Annotated[Velocity | EDM, Field(discriminator="preconditioning")]
