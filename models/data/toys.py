"""Densities of known entropy, which is the least negative log-likelihood of any model.

Example:
    >>> import numpy as np
    >>> from pushforward.models.data import TwoMoons
    >>> moons = TwoMoons(noise=0.1)
    >>> moons.draw(64, np.random.default_rng(0)).shape
    (64, 2)
    >>> round(moons.entropy_nats, 3)  # no model has a lower mean of -log p
    1.008
"""

from __future__ import annotations

from math import log, pi, sqrt
from typing import ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.source import Float32Array, Toy
from pushforward.models.spec.data_spec import DataSpec


@final
class TwoMoons(Toy):
    """Two interleaved half circles with Gaussian noise."""

    source: Literal["two_moons"] = "two_moons"
    noise: float = Field(0.1, ge=0.02, le=0.5)
    """Standard deviation of the noise around the half circles."""

    mean = (0.5, 0.25)
    std = (0.87, 0.5)

    @property
    def n_parts(self) -> int:
        return 2

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        angle = rng.uniform(0.0, pi, n)
        lower = rng.random(n) < 0.5
        x = np.where(lower, 1.0 - np.cos(angle), np.cos(angle))
        y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
        points = (np.stack([x, y], axis=1) + self.noise * rng.standard_normal((n, 2))).astype(np.float32)
        return points, lower.astype(np.int64)

    @property
    def entropy_nats(self) -> float:
        # The density is an integral over the arc; both it and the entropy by quadrature, on a grid of step noise / 4.
        h = self.noise / 4
        margin = 6 * self.noise
        density = self.density(np.arange(-1 - margin, 2 + margin, h), np.arange(-0.5 - margin, 1 + margin, h))
        return float(-np.sum(density * np.log(density + 1e-300)) * h * h)

    def density(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """P at each point of a grid, (len(x), len(y))."""
        angle = (np.arange(2000) + 0.5) * pi / 2000
        density = np.zeros((len(x), len(y)))
        for cx, cy in ((np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 0.5 - np.sin(angle))):
            px = np.exp(-0.5 * ((x[:, None] - cx) / self.noise) ** 2)
            py = np.exp(-0.5 * ((y[:, None] - cy) / self.noise) ** 2)
            density += px @ py.T / (2 * len(angle)) / (2 * pi * self.noise**2)
        return density


class Mixture(Toy):
    """Equal, round, well separated Gaussians."""

    centers: ClassVar[Float32Array]
    mode_std: ClassVar[float]

    @property
    def n_parts(self) -> int:
        return len(self.centers)

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        which = rng.integers(len(self.centers), size=n)
        return (self.centers[which] + self.mode_std * rng.standard_normal((n, 2))).astype(np.float32), which

    @property
    def entropy_nats(self) -> float:
        # H = E over one component (all are alike up to rotation where they overlap at all), by Gauss-Hermite.
        node, weight = np.polynomial.hermite_e.hermegauss(60)
        weight = weight / weight.sum()
        total = 0.0
        for center in self.centers.astype(float):
            at = center + self.mode_std * np.stack(np.meshgrid(node, node, indexing="ij"), axis=-1)
            square = ((at[:, :, None] - self.centers) ** 2).sum(-1) / (2 * self.mode_std**2)
            log_density = np.log(np.exp(-square).sum(-1)) - log(len(self.centers) * 2 * pi * self.mode_std**2)
            total -= float(weight @ log_density @ weight) / len(self.centers)
        return total


@final
class EightGaussians(Mixture):
    """Eight Gaussians on a circle: radius 4, standard deviation 0.5, all divided by sqrt(2)."""

    source: Literal["eight_gaussians"] = "eight_gaussians"

    centers = (4 / sqrt(2) * np.stack([np.cos(np.arange(8) * pi / 4), np.sin(np.arange(8) * pi / 4)], 1)).astype(
        np.float32
    )
    mode_std = 0.5 / sqrt(2)
    std = (2.03, 2.03)


@final
class RingGaussians(Mixture):
    """Eight narrow Gaussians on a circle: radius 1, standard deviation 0.01, as PacGAN measures lost modes."""

    source: Literal["ring_gaussians"] = "ring_gaussians"

    centers = np.stack([np.cos(np.arange(8) * pi / 4), np.sin(np.arange(8) * pi / 4)], 1).astype(np.float32)
    mode_std = 0.01
    std = (0.7072, 0.7072)


@final
class GridGaussians(Mixture):
    """Twenty-five Gaussians on the grid {-4, -2, 0, 2, 4}^2, standard deviation 0.05."""

    source: Literal["grid_gaussians"] = "grid_gaussians"

    centers = np.stack(np.meshgrid(np.arange(-4, 5, 2), np.arange(-4, 5, 2)), -1).reshape(-1, 2).astype(np.float32)
    mode_std = 0.05
    std = (2.83, 2.83)


@final
class Checkerboard(Toy):
    """Uniform on the eight dark 2x2 squares of a 4x4 board over [-4, 4]^2."""

    source: Literal["checkerboard"] = "checkerboard"

    std = (2.31, 2.31)

    @property
    def n_parts(self) -> int:
        return 8

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        column, row = rng.integers(4, size=n), rng.integers(2, size=n)
        corner = np.stack([column, 2 * row + column % 2], axis=1)
        return (2.0 * (corner + rng.random((n, 2))) - 4.0).astype(np.float32), 2 * column + row

    @property
    def entropy_nats(self) -> float:
        return log(32.0)


@final
class UnitCube(Toy):
    """Uniform on [0, 1]^d: what is integrated over by importance sampling."""

    source: Literal["unit_cube"] = "unit_cube"
    d: int = Field(2, ge=1, le=32)
    """Dimensions of the cube."""

    @property
    def n_parts(self) -> int:
        return 1

    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        return rng.random((n, self.d), np.float32), np.zeros(n, np.int64)

    @property
    def spec(self) -> DataSpec:
        return DataSpec(shape=(self.d,), low=0, high=1, shift=(0.5,), scale=(0.5,))

    @property
    def entropy_nats(self) -> float:
        return 0.0
