r"""p(z|c): the prior of codes.

    standard:   z ~ N(0, I)
    flow:       z = f^{-1}(e),  e ~ N(0, I):      log p(z|c) = log N(f(z; c); 0, I) + log |det df/dz|

f is trained with the other networks, so the prior approaches the aggregated posterior, the prior that maximizes the
ELBO (Tomczak & Welling, 2017). Codes that users see are those of the base, e: they are standard normal, and paths
between them follow the prior. A coupling costs one or two forward passes a transform either way; an autoregressive f
takes one call for the density and Z calls for a draw.

**A flow in the prior is a flow in the posterior.** Write e = f(z). A model (p(x|z), flow prior, q(z|x)) and the model
(p(x|f^{-1}(e)), standard prior, the push-forward of q by f) have, for the same draw z,

    log p(x|z) + [log N(f(z)) + log |det df/dz|] - log q(z|x)
        = log p(x|f^{-1}(e)) + log N(e) - [log q(z|x) - log |det df/dz|],

the same integrand, hence the same bound. A Gaussian prior N(mu(c), sigma(c)^2) is the case of an affine f, which a
decoder that reads c has in its first layer.

References:
    | Density estimation using Real NVP (Dinh et al., 2016), https://arxiv.org/abs/1605.08803
    | Variational Lossy Autoencoder (Chen et al., 2016), https://arxiv.org/abs/1611.02731
    | VAE with a VampPrior (Tomczak & Welling, 2017), https://arxiv.org/abs/1705.07120
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Annotated, Literal, cast, final

from pydantic import Field

from pushforward.models import networks
from pushforward.models.config.config import Config
from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.flows.latent import LatentFlow
from pushforward.models.networks.masked.limits import check_mask_width

if TYPE_CHECKING:
    from torch import Tensor, nn

    from pushforward.models.networks import Bijection, Nets

NAME = "prior"  # of its network


class Prior(Config, ABC):
    """A distribution of codes given a condition c, (B, C): a map of a base that is N(0, I)."""

    prior: str  # a Literal with a default in each final prior

    @abstractmethod
    def networks(self, latent: int, condition_size: int) -> dict[str, nn.Module]:
        """Its networks, by name."""

    def check(self, latent: int) -> None:
        """Raises InvalidData for codes of a dimension that it cannot have."""

    @abstractmethod
    def log_prob(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """Log p(z|c), (B,) nats.  z: (B, Z)."""

    @abstractmethod
    def base(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        """The base code e of a code z, (B, Z)."""

    @abstractmethod
    def push(self, nets: Nets, e: Tensor, c: Tensor) -> Tensor:
        """The code z of a base code e, (B, Z)."""


@final
class Standard(Prior):
    """N(0, I)."""

    prior: Literal["standard"] = "standard"

    def networks(self, latent: int, condition_size: int) -> dict[str, nn.Module]:
        return {}

    def log_prob(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return standard_log_prob(z)

    def base(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        return z

    def push(self, nets: Nets, e: Tensor, c: Tensor) -> Tensor:
        return e


@final
class FlowPrior(LatentFlow, Prior):
    """A flow given c: RealNVP, or autoregressive; affine or spline."""

    prior: Literal["flow"] = "flow"
    scheme: Literal["coupling", "autoregressive"] = "coupling"
    """Which elements each transform reads; autoregressive draws cost a forward pass for each dimension."""

    def check(self, latent: int) -> None:
        if self.scheme != "coupling":
            check_mask_width(self.width, latent, field="run.family.prior_codes.width")

    def networks(self, latent: int, condition_size: int) -> dict[str, nn.Module]:
        return {NAME: self.bijection(latent, condition_size=condition_size, coupling=self.scheme == "coupling")}

    def log_prob(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        e, log_det = flow(nets)(z, *networks.condition_args(c))
        log_p: Tensor = standard_log_prob(e) + log_det
        return log_p

    def base(self, nets: Nets, z: Tensor, c: Tensor) -> Tensor:
        e: Tensor = flow(nets)(z, *networks.condition_args(c))[0]
        return e

    def push(self, nets: Nets, e: Tensor, c: Tensor) -> Tensor:
        return flow(nets).inverse(e, *networks.condition_args(c))


def flow(nets: Nets) -> Bijection:
    """The network of a flow prior."""
    return cast("Bijection", nets[NAME])


AnyPrior = Annotated[Standard | FlowPrior, Field(discriminator="prior")]
