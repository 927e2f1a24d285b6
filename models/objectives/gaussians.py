r"""Diagonal Gaussian codes, z ~ N(mu, diag sigma^2), against the prior N(0, I).

    z = mu + sigma eps,  eps ~ N(0, I)                                     (reparameterization)
    KL(N(mu, diag sigma^2) || N(0, I)) = 1/2 sum_j (mu_j^2 + sigma_j^2 - 1 - log sigma_j^2)

References:
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def reparameterize(mu: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """A draw that carries gradients to mu and log_var.  All (B, Z)."""
    return mu + (0.5 * log_var).exp() * eps


def kl_to_prior_nats(mu: Tensor, log_var: Tensor) -> Tensor:
    """KL(N(mu, diag exp log_var) || N(0, I)), (B,).  mu, log_var: (B, Z)."""
    return 0.5 * (mu**2 + log_var.exp() - 1 - log_var).sum(1)


def log_prior_ratio_nats(z: Tensor, log_var: Tensor, eps: Tensor) -> Tensor:
    """Log N(z; 0, I) - log N(z; mu, diag exp log_var) at z = reparameterize(mu, log_var, eps), (B,)."""
    return 0.5 * (eps**2 + log_var - z**2).sum(1)
