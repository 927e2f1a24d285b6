r"""Gaussian codes, z ~ N(mu, L L^T), and their KL divergence to the prior N(0, I).

    z = mu + L eps,  eps ~ N(0, I)                                         (reparameterization)
    log q(z) = -1/2 |L^{-1} (z - mu)|^2 - log det L - Z/2 log 2 pi
    KL(N(mu, L L^T) || N(0, I)) = 1/2 (|mu|^2 + |L|_F^2 - Z) - log det L

L is lower triangular with a positive diagonal, its own Cholesky factor; for diagonal codes it is diag sigma.

Example:
    >>> import torch
    >>> from pushforward.models.distributions.gaussians import Diagonal
    >>> q = Diagonal(mu=torch.tensor([[1.0, 0.0]]), log_var=torch.zeros(1, 2))
    >>> q.kl_to_standard_nats()
    tensor([0.5000])
    >>> q.draw(torch.zeros(1, 2))
    tensor([[1., 0.]])

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from math import log, pi
from typing import TYPE_CHECKING, final

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor


class GaussianDistribution(ABC):
    """A batch of B normal distributions in Z dimensions."""

    mu: Tensor  # (B, Z)

    @abstractmethod
    def draw(self, eps: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        """Mu + L eps, with gradients to the parameters."""

    @abstractmethod
    def whiten(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        """L^{-1} (z - mu), the inverse of `draw`."""

    @abstractmethod
    def log_det(self) -> Float[Tensor, " B"]:
        """Log det L."""

    @abstractmethod
    def kl_to_standard_nats(self) -> Float[Tensor, " B"]:
        """KL(q || N(0, I))."""

    @abstractmethod
    def detach(self) -> GaussianDistribution:
        """The same without gradients to the parameters."""

    def log_prob(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, " B"]:
        """Log q(z)."""
        return standard_log_prob(self.whiten(z)) - self.log_det()

    def log_prob_of_draw(self, eps: Float[Tensor, "B Z"]) -> Float[Tensor, " B"]:
        """Log q(draw(eps)), without cancellation and without a triangular solve."""
        return standard_log_prob(eps) - self.log_det()


@final
@dataclass(frozen=True)
class Diagonal(GaussianDistribution):
    """N(mu, diag exp log_var)."""

    mu: Tensor
    log_var: Tensor  # (B, Z)

    def draw(self, eps: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        return reparameterize(self.mu, self.log_var, eps)

    def whiten(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        return (z - self.mu) * (-0.5 * self.log_var).exp()

    def log_det(self) -> Float[Tensor, " B"]:
        return 0.5 * self.log_var.sum(1)

    def kl_to_standard_nats(self) -> Float[Tensor, " B"]:
        return kl_to_prior_nats(self.mu, self.log_var)

    def detach(self) -> Diagonal:
        return Diagonal(self.mu.detach(), self.log_var.detach())


@final
@dataclass(frozen=True)
class Full(GaussianDistribution):
    """N(mu, L L^T)."""

    mu: Tensor
    scale: Tensor  # L, (B, Z, Z)

    def draw(self, eps: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        return self.mu + torch.einsum("bij,bj->bi", self.scale, eps)

    def whiten(self, z: Float[Tensor, "B Z"]) -> Float[Tensor, "B Z"]:
        eps: Tensor = torch.linalg.solve_triangular(self.scale, (z - self.mu)[:, :, None], upper=False)
        return eps.squeeze(2)

    def log_det(self) -> Float[Tensor, " B"]:
        return self.scale.diagonal(dim1=1, dim2=2).log().sum(1)

    def kl_to_standard_nats(self) -> Float[Tensor, " B"]:
        squares = (self.mu**2).sum(1) + (self.scale**2).sum((1, 2))
        return 0.5 * (squares - self.mu.shape[1]) - self.log_det()

    def detach(self) -> Full:
        return Full(self.mu.detach(), self.scale.detach())


def standard_log_prob(z: Float[Tensor, " B *shape"]) -> Float[Tensor, " B"]:
    """Log N(z; 0, I)."""
    z = z.flatten(1)
    return -0.5 * (z**2).sum(1) - 0.5 * z.shape[1] * log(2 * pi)


def reparameterize(
    mu: Float[Tensor, "#B *shape"], log_var: Float[Tensor, "#B *shape"], eps: Float[Tensor, " B *shape"]
) -> Float[Tensor, " B *shape"]:
    """Mu + sigma eps, with gradients to mu and log_var."""
    return mu + (0.5 * log_var).exp() * eps


def kl_to_prior_nats(mu: Float[Tensor, "B Z"], log_var: Float[Tensor, "B Z"]) -> Float[Tensor, " B"]:
    """KL(N(mu, diag exp log_var) || N(0, I))."""
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)
