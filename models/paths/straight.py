r"""Straight paths from noise to data, along which flows are matched.

Noise x_0 ~ N(0, I) stands at t = 0, data x_1 at t = 1, in network units, and

    x_t = (1 - (1 - s) t) x_0 + t x_1,      u = dx_t / dt = x_1 - (1 - s) x_0.

    linear:  s = 0: the path ends in the data
    lipman:  s = sigma_min: it ends in the data with a little noise, N(x_1, s^2 I)

The velocity field u(x, t) = E[u | x_t = x] carries the one marginal into the other (`models.families.flow_matching`).

References:
    | Flow Matching for Generative Modeling (Lipman et al., 2022), https://arxiv.org/abs/2210.02747
    | Flow Straight and Fast (Liu et al., 2022), https://arxiv.org/abs/2209.03003
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, final

from pydantic import Field

from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from torch import Tensor


class Point(NamedTuple):
    """A point of a path and its velocity, (B, *shape) both."""

    x: Tensor  # x_t
    u: Tensor  # dx_t / dt


class Path(Config, ABC):
    """A straight line from noise to data, or to a little short of them."""

    path: str  # a Literal with a default in each final path

    @property
    @abstractmethod
    def noise_left(self) -> float:
        """The standard deviation s of the noise at t = 1, network units."""

    def at(self, x0: Tensor, x1: Tensor, t: Tensor) -> Point:
        """The path of each row at its time.  x0, x1: (B, *shape), t: (B,)."""
        t = t.view(-1, *[1] * (x0.ndim - 1))
        lost = 1 - self.noise_left
        return Point((1 - lost * t) * x0 + t * x1, x1 - lost * x0)


@final
class StraightPath(Path):
    """Ends in the data."""

    path: Literal["linear"] = "linear"

    @property
    def noise_left(self) -> float:
        return 0.0


@final
class Lipman(Path):
    """Ends in a narrow Gaussian about the data."""

    path: Literal["lipman"] = "lipman"
    sigma_min: float = Field(1e-2, gt=0.0, lt=1.0)
    """Standard deviation of the noise that stays at the data's end."""

    @property
    def noise_left(self) -> float:
        return self.sigma_min


AnyPath = Annotated[StraightPath | Lipman, Field(discriminator="path")]
