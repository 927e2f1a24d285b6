r"""Positive definite kernels k(x, y) of the maximum mean discrepancy. With d = |x - y| in D dimensions:

    imq:       sum_s C_s / (C_s + d^2),  C_s = 2 D s sigma^2: twice the mean square distance of N(0, sigma^2 I), by s
    rbf:       exp(-d^2 / (2 length^2))
    distance:  |x| + |y| - d, whose squared discrepancy is the energy distance

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.kernels import RBF
    >>> RBF(length=2.0).matrix(torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
    tensor([[1.0000, 0.3679]])

References:
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558: imq
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13: rbf
    | Equivalence of distance-based and RKHS-based statistics (Sejdinovic et al., 2012), https://arxiv.org/abs/1207.6076
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.geometry.distances import distances, squared_distances
from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Kernel(Config, ABC):
    """A similarity of points."""

    kernel: str  # a Literal with a default in each final kernel

    @abstractmethod
    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        """k(x_i, y_j) of all pairs."""


@final
class IMQ(Kernel):
    """Inverse multiquadratics of several widths, heavy-tailed: codes far out still feel a pull."""

    kernel: Literal["imq"] = "imq"
    sigma: PositiveFloat = 1.0
    """Standard deviation of the prior's coordinates."""
    scales: tuple[PositiveFloat, ...] = Field((0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0), min_length=1, max_length=32)
    """Scales of the kernels that are summed."""

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        square = squared_distances(x, y)
        widths = [2 * x.shape[1] * scale * self.sigma**2 for scale in self.scales]
        return torch.stack([c / (c + square) for c in widths]).sum(0)


@final
class RBF(Kernel):
    """A Gaussian bump."""

    kernel: Literal["rbf"] = "rbf"
    length: PositiveFloat = 1.0
    """Length scale of the kernel."""

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        return (squared_distances(x, y) / (-2 * self.length**2)).exp()


@final
class Distance(Kernel):
    """The distance itself, centered at the origin."""

    kernel: Literal["distance"] = "distance"

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        origin = x.new_zeros(1, x.shape[1])
        return distances(x, origin) + distances(origin, y) - distances(x, y)


AnyKernel = Annotated[IMQ | RBF | Distance, Field(discriminator="kernel")]
