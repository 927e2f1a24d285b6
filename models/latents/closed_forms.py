"""What is known of a posterior and a prior without draws of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pushforward.models.latents.elbo_surgery import gaussian_metrics
from pushforward.models.latents.posteriors import DiagonalPosterior, GaussianPosterior, Posterior
from pushforward.models.latents.priors import Prior, Standard

if TYPE_CHECKING:
    from torch import Tensor


def kl_nats(posterior: Posterior, prior: Prior, h: Tensor, latent: int) -> Tensor | None:
    """KL(q(z|x) || p(z)), (B,) nats, where it has a closed form.  h: parameters of the posterior."""
    if isinstance(posterior, GaussianPosterior) and isinstance(prior, Standard):
        return posterior.gaussian(h, latent).kl_to_standard_nats()
    return None


def surgery_metrics(posterior: Posterior, prior: Prior, h: Tensor, eps: Tensor) -> dict[str, float]:
    """Metrics of ELBO surgery, where densities of codes are known.  h: of each row; eps: standard normals, (B, Z)."""
    if isinstance(posterior, DiagonalPosterior) and isinstance(prior, Standard):
        q = posterior.gaussian(h, eps.shape[1])
        return gaussian_metrics(q.mu, q.log_var, eps)
    return {}
