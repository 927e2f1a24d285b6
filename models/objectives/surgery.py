r"""ELBO surgery: what the KL term of an autoencoder's bound is made of, and how much of its code is in use.

With N rows x_n, posteriors q(z|x_n) and their mixture q(z) = 1/N sum_n q(z|x_n), the aggregated posterior,

    1/N sum_n KL(q(z|x_n) || p(z))  =  I(n; z)  +  KL(q(z) || p(z)),
    I(n; z)  =  1/N sum_n KL(q(z|x_n) || q(z)),    0 <= I <= log N.

The first part is what codes tell of their rows, the second how far all codes together are from the prior; it is zero
where the prior is the aggregated posterior, which no other prior beats. Both are means of log-ratios at z ~ q(z|x_n),
taken here on the same draws, so that the identity holds to rounding. The mixture is over all N rows: an estimate over
a few of them would tell less than log N.

A unit of the code is active where its mean depends on the row, Var_n E_q[z_j | x_n] > 0.01. The scale of z is that of
a standard prior: under a flow prior units are those of its base. Where posterior or prior is a flow f, E_q is not
known, and f(mu) of the normal's mean mu stands for it.

References:
    | ELBO surgery (Hoffman & Johnson, 2016), NIPS workshop on Advances in Approximate Bayesian Inference
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519: active units
"""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, NamedTuple

from models.lazy import torch
from models.objectives.gaussians import Diagonal, standard_log_prob

if TYPE_CHECKING:
    from torch import Tensor

ACTIVE_VARIANCE = 0.01
PAIRS_AT_ONCE = 2_000_000  # of draws and rows: bounds the memory of the mixture


class Surgery(NamedTuple):
    """The average KL and its two parts, nats. `average_kl_nats` is the sum of the others."""

    average_kl_nats: float
    mutual_information_nats: float
    marginal_kl_nats: float


def surgery(log_own: Tensor, log_mixture: Tensor, log_prior: Tensor, weight: Tensor) -> Surgery:
    """The parts, as weighted sums over draws z_i of rows n_i.

    Arguments:
        log_own: log q(z_i | x_{n_i}), (M,).
        log_mixture: log q(z_i), (M,).
        log_prior: log p(z_i), (M,).
        weight: of each draw, (M,), 1 in sum: 1 / M for a draw of each row, q(z_i | x_{n_i}) / N for all values of z.
    """
    return Surgery(
        float((weight * (log_own - log_prior)).sum()),
        float((weight * (log_own - log_mixture)).sum()),
        float((weight * (log_mixture - log_prior)).sum()),
    )


def gaussian_surgery(mu: Tensor, log_var: Tensor, eps: Tensor, row: Tensor | None = None) -> Surgery:
    """Of diagonal Gaussian posteriors against N(0, I).

    Arguments:
        mu, log_var: of each row, (N, Z).
        eps: standard normals, (M, Z), a draw each.
        row: which row a draw is of, (M,) int64; None: M = N, one of each.
    """
    mu, log_var, eps = mu.double(), log_var.double(), eps.double()
    own = Diagonal(mu, log_var) if row is None else Diagonal(mu[row], log_var[row])
    z = own.draw(eps)
    mixture = log_gaussian_mixture(z, mu, log_var)
    return surgery(own.log_prob_of_draw(eps), mixture, standard_log_prob(z), _even(z))


def log_gaussian_mixture(z: Tensor, mu: Tensor, log_var: Tensor) -> Tensor:
    """Log 1/N sum_n N(z; mu_n, diag exp log_var_n), (M,).  z: (M, Z); mu, log_var: (N, Z), float64."""
    precision = (-log_var).exp()
    constant = (mu**2 * precision + log_var + log(2 * pi)).sum(1)  # (N,)
    chunks = [
        (-0.5 * (some**2 @ precision.T - 2 * some @ (mu * precision).T + constant)).logsumexp(1)
        for some in torch.split(z, max(1, PAIRS_AT_ONCE // len(mu)))
    ]
    return torch.cat(chunks) - log(len(mu))


def categorical_surgery(log_pi: Tensor, z: Tensor) -> Surgery:
    """Of independent categorical codes against uniform ones, with one draw of each row.

    Arguments:
        log_pi: log-probabilities, (N, codes, K).
        z: a one-hot draw of each row's codes, (N, codes, K).
    """
    log_pi, z = log_pi.double().flatten(1), z.double()
    codes, k = z.shape[1:]
    z = z.flatten(1)
    chunks = [(some @ log_pi.T).logsumexp(1) for some in torch.split(z, max(1, PAIRS_AT_ONCE // len(z)))]
    log_own = (z * log_pi).sum(1)
    log_prior = torch.full_like(log_own, -codes * log(k))
    return surgery(log_own, torch.cat(chunks) - log(len(z)), log_prior, _even(z))


def active_units(mean: Tensor) -> int:
    """How many units of the code depend on the row.  mean: E_q[z|x_n], (N, Z), or (N, Z, K) for units of K numbers."""
    variance = mean.double().var(0, correction=0).view(mean.shape[1], -1).sum(1)
    return int((variance > ACTIVE_VARIANCE).sum())


def _even(z: Tensor) -> Tensor:
    return torch.full((len(z),), 1 / len(z), dtype=z.dtype, device=z.device)
