r"""A stationary autoregressive process of order two, whose windows have a density in closed form.

    x_t = phi_1 x_{t-1} + phi_2 x_{t-2} + e_t,      e_t ~ N(0, 1),      phi_1 = 2 r cos(2 pi / P),  phi_2 = -r^2,

so that its characteristic roots are r exp(+-2 pi i / P): it swings with about the period P, and forgets by the factor r
a step. Stationary it has variance and correlation of neighbors

    gamma_0 = (1 - phi_2) / ((1 + phi_2) ((1 - phi_2)^2 - phi_1^2)),      rho_1 = phi_1 / (1 - phi_2).

By the chain rule a window of L steps is the first two, N(0, gamma_0 [[1, rho_1], [rho_1, 1]]), and L - 2 innovations:

    H = log(2 pi e) + log gamma_0 + 1/2 log(1 - rho_1^2) + (L - 2) / 2 log(2 pi e)    nats.

References:
    | Time Series Analysis: Forecasting and Control (Box & Jenkins, 1970), section 3.2
"""

from __future__ import annotations

from math import cos, e, log, pi, sqrt
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.source import Float32Array, Toy
from pushforward.models.spec.data_spec import DataSpec


@final
class AutoregressiveProcess(Toy):
    """Windows of a stationary process that swings: autoregressive of order two, Gaussian, of known entropy.

    The label of a window says whether its first step is above 0.
    """

    source: Literal["autoregressive_process"] = "autoregressive_process"
    length: int = Field(32, ge=8, le=1024)
    """Steps of a window, L."""
    period: float = Field(8.0, gt=2.0, le=1000.0)
    """Steps of a swing, P."""
    radius: float = Field(0.9, gt=0.0, le=0.99)
    """How much is left of a swing after a step, r."""

    @property
    def phi(self) -> tuple[float, float]:
        """What a step has of the one before it, and of that before."""
        return 2 * self.radius * cos(2 * pi / self.period), -(self.radius**2)

    @property
    def variance(self) -> float:
        """Gamma_0, of each step."""
        phi_1, phi_2 = self.phi
        return (1 - phi_2) / ((1 + phi_2) * ((1 - phi_2) ** 2 - phi_1**2))

    @property
    def correlation(self) -> float:
        """Rho_1, of neighbors."""
        phi_1, phi_2 = self.phi
        return phi_1 / (1 - phi_2)

    @property
    def n_parts(self) -> int:
        return 2

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        (phi_1, phi_2), rho = self.phi, self.correlation
        innovations = rng.standard_normal((self.length, n))
        x = np.empty((self.length, n))
        x[0] = sqrt(self.variance) * innovations[0]
        x[1] = rho * x[0] + sqrt(self.variance * (1 - rho**2)) * innovations[1]
        for t in range(2, self.length):
            x[t] = phi_1 * x[t - 1] + phi_2 * x[t - 2] + innovations[t]
        return np.ascontiguousarray(x.T[:, None], np.float32), (x[0] > 0).astype(np.int64)

    @property
    def spec(self) -> DataSpec:
        return DataSpec(shape=(1, self.length), scale=(sqrt(self.variance),))

    @property
    def entropy_nats(self) -> float:
        of_two = log(2 * pi * e) + log(self.variance) + log(1 - self.correlation**2) / 2
        return of_two + (self.length - 2) / 2 * log(2 * pi * e)
