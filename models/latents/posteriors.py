r"""q(z|x): the posterior of the code, with parameters h from the encoder.

    diagonal:   z = mu + sigma eps,                                       h = (mu, log sigma^2)
    cholesky:   z = mu + L eps, L lower triangular with diagonal exp,     h = (mu, log diag L, L below its diagonal)
    flow:       z = f(z0; features),  z0 = mu + sigma eps,                h = (mu, log sigma^2, features)
                log q(z|x) = log N(z0; mu, sigma^2) - log |det df/dz0|

with eps ~ N(0, I). Draws go one way only, so f is fast that way: a coupling (RealNVP), or inverse autoregressive,
where z_i is an affine map of z0_i whose parameters are read from z0_<i, one forward pass for all i. (Kingma et al.
write z = sigma z0 + (1 - sigma) m with a gate; ours, exp(s) z0 + m, is the same family and starts as the identity.)
The density of a z that was not drawn here is the slow way, and is not needed.

Lecture notes describe the posterior of an inverse autoregressive flow as (slow f, fast g) with z = f(z0): then a draw
would take Z calls. The way from z0 to z is the fast one.

References:
    | Variational Inference with Normalizing Flows (Rezende & Mohamed, 2015), https://arxiv.org/abs/1505.05770
    | Improving Variational Inference with Inverse Autoregressive Flow (Kingma et al., 2016), arXiv:1606.04934
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple, final

from pydantic import Field, NonNegativeInt

from pushforward.models import networks
from pushforward.models.config.config import Config
from pushforward.models.distributions.gaussians import Diagonal, Full, GaussianDistribution
from pushforward.models.flows.latent import LatentFlow
from pushforward.models.lazy import torch
from pushforward.models.networks.masked.limits import check_mask_width

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Nets

NAME = "posterior"  # of its network
MAX_FULL = 128  # dimensions of a code with full covariance: the encoder gives Z (Z + 3) / 2 numbers


class Coded(NamedTuple):
    """Draws of codes, one for each row."""

    z: Tensor  # (B, Z)
    log_q: Tensor  # (B,) log q(z|x), nats


class Posterior(Config, ABC):
    """A distribution of codes, with parameters h from the encoder, (B, n_parameters)."""

    posterior: str  # a Literal with a default in each final posterior

    def check(self, latent: int) -> None:
        """Raises InvalidData for codes of a dimension that it cannot have."""

    @abstractmethod
    def n_parameters(self, latent: int) -> int:
        """How many parameters the posterior of a row has."""

    def networks(self, latent: int) -> dict[str, nn.Module]:
        """Networks that are trained beside the encoder, by name."""
        return {}

    @abstractmethod
    def draw(self, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        """Codes from the standard normals eps, (B, Z), differentiable in h."""

    @abstractmethod
    def center(self, nets: Nets, h: Tensor, latent: int) -> Tensor:
        """The code of eps = 0, (B, Z)."""


class GaussianPosterior(Posterior):
    """A normal distribution: the density of any code is known, not only that of a draw."""

    @abstractmethod
    def gaussian(self, h: Tensor, latent: int) -> GaussianDistribution:
        """The normal distribution with parameters h."""

    def draw(self, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        q = self.gaussian(h, eps.shape[1])
        return Coded(q.draw(eps), q.log_prob_of_draw(eps))

    def draw_by_path(self, h: Tensor, eps: Tensor) -> Coded:
        """As `draw`, but log q depends on h through the code only."""
        q = self.gaussian(h, eps.shape[1])
        z = q.draw(eps)
        return Coded(z, q.detach().log_prob(z))

    def draw_by_score(self, h: Tensor, eps: Tensor) -> Coded:
        """As `draw`, but log q depends on h through its parameters only, and the code does not depend on h."""
        q = self.gaussian(h, eps.shape[1])
        z = q.draw(eps).detach()
        return Coded(z, q.log_prob(z))

    def center(self, nets: Nets, h: Tensor, latent: int) -> Tensor:
        return self.gaussian(h, latent).mu


@final
class DiagonalPosterior(GaussianPosterior):
    """Independent normal codes."""

    posterior: Literal["diagonal"] = "diagonal"

    def n_parameters(self, latent: int) -> int:
        return 2 * latent

    def gaussian(self, h: Tensor, latent: int) -> Diagonal:
        return diagonal(h)


@final
class CholeskyPosterior(GaussianPosterior):
    """Normal codes with full covariance L L^T, for codes of at most 128 numbers."""

    posterior: Literal["cholesky"] = "cholesky"

    def n_parameters(self, latent: int) -> int:
        return latent * (latent + 3) // 2

    def gaussian(self, h: Tensor, latent: int) -> Full:
        mu, log_diagonal, below = h[:, :latent], h[:, latent : 2 * latent], h[:, 2 * latent :]
        row, column = torch.tril_indices(latent, latent, offset=-1, device=h.device)
        scale = torch.diag_embed(log_diagonal.clamp(-6, 3).exp())
        scale[:, row, column] = below
        return Full(mu, scale)


@final
class FlowPosterior(LatentFlow, Posterior):
    """A diagonal normal pushed through a flow that is given features of x."""

    posterior: Literal["flow"] = "flow"
    scheme: Literal["coupling", "inverse_autoregressive"] = "inverse_autoregressive"
    """Which elements each transform reads."""
    features: NonNegativeInt = Field(32, le=1024)
    """Numbers of the encoder's output that the flow reads."""

    def check(self, latent: int) -> None:
        if self.scheme != "coupling":
            check_mask_width(self.width, latent, field="run.family.posterior.width")

    def n_parameters(self, latent: int) -> int:
        return 2 * latent + self.features

    def networks(self, latent: int) -> dict[str, nn.Module]:
        return {NAME: self.bijection(latent, condition_size=self.features, coupling=self.scheme == "coupling")}

    def draw(self, nets: Nets, h: Tensor, eps: Tensor) -> Coded:
        moments, features = self._split(h, eps.shape[1])
        q = diagonal(moments)
        z, log_det = nets[NAME](q.draw(eps), *networks.condition_args(features))
        return Coded(z, q.log_prob_of_draw(eps) - log_det)

    def center(self, nets: Nets, h: Tensor, latent: int) -> Tensor:
        moments, features = self._split(h, latent)
        z: Tensor = nets[NAME](diagonal(moments).mu, *networks.condition_args(features))[0]
        return z

    def _split(self, h: Tensor, latent: int) -> tuple[Tensor, Tensor]:
        return h[:, : 2 * latent], h[:, 2 * latent :]


def diagonal(h: Tensor) -> Diagonal:
    """N(mu, sigma^2) of (mu, log sigma^2), (B, 2 Z)."""
    mu, log_var = h.chunk(2, dim=1)
    return Diagonal(mu, log_var.clamp(-12, 6))  # part of what q is, so bounds stay bounds; its exponential stays finite


AnyPosterior = Annotated[DiagonalPosterior | CholeskyPosterior | FlowPosterior, Field(discriminator="posterior")]
