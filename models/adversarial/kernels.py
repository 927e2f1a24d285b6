r"""Positive definite kernels k(x, y) of the maximum mean discrepancy. With d = |x - y| in D dimensions:

    imq:       sum_s C_s / (C_s + d^2),  C_s = 2 D s sigma^2: twice the mean square distance of N(0, sigma^2 I), by s
    rbf:       exp(-d^2 / (2 length^2))
    rational_quadratic:  sum_a (1 + d^2 / (2 a length^2))^(-a)
    linear:    <x, y>, which compares means
    distance:  |x| + |y| - d, whose squared discrepancy is the energy distance
    sum:       of any of these

Example:
    >>> import torch
    >>> from pushforward.models.adversarial.kernels import RBF
    >>> RBF(length=2.0).matrix(torch.zeros(1, 2), torch.tensor([[0.0, 0.0], [2.0, 2.0]]))
    tensor([[1.0000, 0.3679]])

References:
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558: imq
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13: rbf
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401: rational quadratic, linear
    | Equivalence of distance-based and RKHS-based statistics (Sejdinovic et al., 2012), https://arxiv.org/abs/1207.6076
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.geometry.distances import smooth_distances, squared_distances
from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class Kernel(Config, ABC):
    """A similarity of points."""

    kernel: str  # a Literal with a default in each final kernel

    @property
    def bounded(self) -> bool:
        """Whether no two points are more alike than some number."""
        return True

    @abstractmethod
    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        """k(x_i, y_j) of all pairs."""


@final
class IMQ(Kernel):
    """Inverse multiquadratics of several widths, heavy-tailed: codes far out still feel a pull."""

    kernel: Literal["imq"] = "imq"
    sigma: PositiveFloat = 1.0
    """Standard deviation of the coordinates that are compared: of the prior's, or of features."""
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

    @property
    def bounded(self) -> bool:
        return False

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        origin = x.new_zeros(1, x.shape[1])
        return smooth_distances(x, origin) + smooth_distances(origin, y) - smooth_distances(x, y)


@final
class RationalQuadraticKernel(Kernel):
    """A mixture of Gaussian bumps of all widths, of several tails."""

    kernel: Literal["rational_quadratic"] = "rational_quadratic"
    length: PositiveFloat = 1.0
    """Length scale of the kernel."""
    powers: tuple[PositiveFloat, ...] = Field((0.1, 1.0, 10.0), min_length=1, max_length=32)
    """Powers a of the kernels that are summed."""

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        square = squared_distances(x, y) / (2 * self.length**2)
        return torch.stack([(-a * torch.log1p(square / a)).exp() for a in self.powers]).sum(0)


@final
class LinearKernel(Kernel):
    """The inner product."""

    kernel: Literal["linear"] = "linear"

    @property
    def bounded(self) -> bool:
        return False

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        return x @ y.T


OneKernel = Annotated[IMQ | RBF | RationalQuadraticKernel | LinearKernel | Distance, Field(discriminator="kernel")]


@final
class SumKernel(Kernel):
    """A sum of kernels."""

    kernel: Literal["sum"] = "sum"
    kernels: tuple[OneKernel, ...] = Field((RationalQuadraticKernel(), LinearKernel()), min_length=1, max_length=8)
    """What is summed."""

    @property
    def bounded(self) -> bool:
        return all(kernel.bounded for kernel in self.kernels)

    def matrix(self, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, "N M"]:
        return torch.stack([kernel.matrix(x, y) for kernel in self.kernels]).sum(0)


AnyKernel = Annotated[
    IMQ | RBF | RationalQuadraticKernel | LinearKernel | Distance | SumKernel, Field(discriminator="kernel")
]
