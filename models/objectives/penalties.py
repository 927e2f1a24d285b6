r"""D(Q, P): how far codes z_1..z_n ~ Q are from draws z'_1..z'_n of the prior P.

    mmd:     1/(n (n-1)) sum_{i != j} [k(z_i, z_j) + k(z'_i, z'_j)] - 2/n^2 sum_{i, j} k(z_i, z'_j)
    sliced:  E_theta W_2^2(theta^T Q, theta^T P), theta uniform on the sphere; in one dimension, sort and subtract

The first is an unbiased estimate of the squared maximum mean discrepancy and so may be negative; the second is positive
even where Q = P, by an amount that falls with n.

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13
    | Wasserstein Auto-Encoders (Tolstikhin et al., 2017), https://arxiv.org/abs/1711.01558
    | Sliced-Wasserstein Autoencoder (Kolouri et al., 2018), https://arxiv.org/abs/1804.01947
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, final

from pydantic import Field, PositiveInt

from models.family import Config
from models.lazy import F, torch
from models.objectives.kernels import IMQ, AnyKernel

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Penalty(Config, ABC):
    """A divergence of two distributions, from draws of both."""

    penalty: str  # a Literal with a default in each final penalty

    @abstractmethod
    def value(self, z: Tensor, prior: Tensor, rng: Generator) -> Tensor:
        """D(Q, P), a scalar.  z, prior: (n, D), draws of each."""


@final
class MMD(Penalty):
    """Squared maximum mean discrepancy, a U-statistic."""

    penalty: Literal["mmd"] = "mmd"
    kernel: AnyKernel = IMQ()

    def value(self, z: Tensor, prior: Tensor, rng: Generator) -> Tensor:
        n = len(z)
        if n == 1:  # the last rows of an epoch may be a single one, which tells no spread
            return 0 * z.sum()
        within = self.kernel.matrix(z, z) + self.kernel.matrix(prior, prior)
        within = (within.sum() - within.diagonal().sum()) / (n * (n - 1))
        return within - 2 * self.kernel.matrix(z, prior).mean()


@final
class Sliced(Penalty):
    """Squared 2-Wasserstein distance, averaged over random directions."""

    penalty: Literal["sliced"] = "sliced"
    directions: PositiveInt = Field(128, le=4096)

    def value(self, z: Tensor, prior: Tensor, rng: Generator) -> Tensor:
        theta = torch.randn(z.shape[1], self.directions, generator=rng, device=z.device, dtype=z.dtype)
        theta = F.normalize(theta, dim=0)
        return ((z @ theta).sort(0).values - (prior @ theta).sort(0).values).square().mean()


AnyPenalty = Annotated[MMD | Sliced, Field(discriminator="penalty")]
