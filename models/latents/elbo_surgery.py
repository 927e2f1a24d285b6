r"""ELBO surgery: the parts of the KL term of a VAE's bound, and how many units of its code are active.

With N rows x_n, posteriors q(z|x_n) and their mixture q(z) = 1/N sum_n q(z|x_n), the aggregated posterior,

    1/N sum_n KL(q(z|x_n) || p(z))  =  I(n; z)  +  KL(q(z) || p(z)),
    I(n; z)  =  1/N sum_n KL(q(z|x_n) || q(z)),    0 <= I <= log N.

The first part is the mutual information of codes and rows, the second the distance of all codes from the prior; it is
zero where the prior is the aggregated posterior, which no other prior beats. Both are means of log-ratios at z ~
q(z|x_n), taken here on the same draws, so that the identity holds to rounding. The mixture is over all N rows: an
estimate over a few of them would be at most the logarithm of their number.

Of the data's distribution, not of these N rows alone, I(x; z) is unbounded, and the numbers above are bounds of it
(Poole et al., 2019): a mixture with the draw's own row overestimates q(z), one without it underestimates it,

    I(n; z)  <=  I(x; z)  <=  E [ log q(z|x_n) - log 1/(N - 1) sum_{m != n} q(z|x_m) ],

in expectation. Where I(n; z) is near its ceiling log N, it ranks nothing, and the marginal KL is too large;
`ceiling` gives both bounds.

A unit of the code is active where its mean depends on the row, Var_n E_q[z_j | x_n] > 0.01. The scale of z is that of
a standard prior: under a flow prior units are those of its base. Where posterior or prior is a flow f, E_q is not
known, and f(mu) of the normal's mean mu stands for it.

References:
    | ELBO surgery (Hoffman & Johnson, 2016), NIPS workshop on Advances in Approximate Bayesian Inference
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519: active units
    | On Variational Bounds of Mutual Information (Poole et al., 2019), https://arxiv.org/abs/1905.06922
"""

from __future__ import annotations

from collections.abc import Iterable
from math import inf, log, pi
from typing import TYPE_CHECKING, NamedTuple

from pushforward.models.distributions.gaussians import Diagonal, standard_log_prob
from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

ACTIVE_VARIANCE = 0.01
PAIRS_AT_ONCE = 2_000_000  # of draws and rows: bounds the memory of the mixture


class Surgery(NamedTuple):
    """The average KL and its two parts, nats. `average_kl_nats` is the sum of the others."""

    average_kl_nats: float
    mutual_information_nats: float
    marginal_kl_nats: float


class Ceiling(NamedTuple):
    """The largest mutual information that N rows can show, and bounds of the true one, nats."""

    mutual_information_ceiling_nats: float  # log N
    mutual_information_upper_bound_nats: float
    marginal_kl_lower_bound_nats: float


def ceiling(parts: Surgery, n_rows: int, log_own: Tensor, log_others: Tensor) -> Ceiling:
    """Bounds of the mutual information and of the marginal KL, from the parts of N rows.

    Arguments:
        log_own: log q(z_i | x_{n_i}), (M,).
        log_others: log of the mixture of all rows but n_i at z_i, (M,).
    """
    upper = float((log_own - log_others).mean())
    upper = max(parts.mutual_information_nats, min(upper, parts.average_kl_nats))  # the marginal KL is not negative
    return Ceiling(log(n_rows), upper, parts.average_kl_nats - upper)


def surgery(log_own: Tensor, log_mixture: Tensor, log_prior: Tensor, weight: Tensor) -> Surgery:
    """The average KL and its parts, as weighted sums over draws z_i of rows n_i.

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
    """The parts of the KL of diagonal Gaussian posteriors from N(0, I).

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


def gaussian_ceiling(mu: Tensor, log_var: Tensor, eps: Tensor) -> Ceiling:
    """Bounds for diagonal Gaussian posteriors, from one draw of each row.  mu, log_var, eps: (N, Z), N at least 2."""
    mu, log_var, eps = mu.double(), log_var.double(), eps.double()
    own = Diagonal(mu, log_var)
    others = log_gaussian_mixture(own.draw(eps), mu, log_var, without_own=True)
    return ceiling(gaussian_surgery(mu, log_var, eps), len(mu), own.log_prob_of_draw(eps), others)


def gaussian_metrics(mu: Tensor, log_var: Tensor, eps: Tensor) -> dict[str, float]:
    """Parts and bounds for diagonal Gaussian posteriors, by name; no bounds of a single row.  All (N, Z)."""
    bounds = gaussian_ceiling(mu, log_var, eps)._asdict() if len(mu) > 1 else {}
    return gaussian_surgery(mu, log_var, eps)._asdict() | bounds


def log_gaussian_mixture(z: Tensor, mu: Tensor, log_var: Tensor, *, without_own: bool = False) -> Tensor:
    """Log 1/N sum_n N(z; mu_n, diag exp log_var_n), (M,).  z: (M, Z); mu, log_var: (N, Z), float64.

    `without_own` leaves row i out of the mixture at z_i, M = N.
    """
    precision = (-log_var).exp()
    constant = (mu**2 * precision + log_var + log(2 * pi)).sum(1)  # (N,)
    logs = (
        -0.5 * (some**2 @ precision.T - 2 * some @ (mu * precision).T + constant)
        for some in torch.split(z, max(1, PAIRS_AT_ONCE // len(mu)))
    )
    return _mixed(logs, len(mu), without_own=without_own)


def _mixed(logs: Iterable[Tensor], n_rows: int, *, without_own: bool) -> Tensor:
    """Log of the mixture at each draw, (M,), of the logs of its N parts, (some of M, N)."""
    mixtures: list[Tensor] = []
    first = 0
    for some in logs:
        if without_own:
            some = some.clone()
            some[torch.arange(len(some)), torch.arange(first, first + len(some))] = -inf
        first += len(some)
        mixtures.append(some.logsumexp(1))
    return torch.cat(mixtures) - log(n_rows - without_own)


def categorical_surgery(log_pi: Tensor, z: Tensor) -> Surgery:
    """The parts of the KL of independent categorical codes from uniform ones, with one draw of each row.

    Arguments:
        log_pi: log-probabilities, (N, codes, K).
        z: a one-hot draw of each row's codes, (N, codes, K).
    """
    log_own, log_mixture = _categorical(log_pi, z, without_own=False)
    log_prior = torch.full_like(log_own, -z.shape[1] * log(z.shape[2]))
    return surgery(log_own, log_mixture, log_prior, _even(log_own))


def categorical_ceiling(log_pi: Tensor, z: Tensor) -> Ceiling:
    """Bounds for independent categorical codes; arguments as in `categorical_surgery`, N at least 2."""
    log_own, log_others = _categorical(log_pi, z, without_own=True)
    return ceiling(categorical_surgery(log_pi, z), len(z), log_own, log_others)


def categorical_metrics(log_pi: Tensor, z: Tensor) -> dict[str, float]:
    """Parts and bounds for independent categorical codes, by name; arguments as in `categorical_surgery`."""
    bounds = categorical_ceiling(log_pi, z)._asdict() if len(z) > 1 else {}
    return categorical_surgery(log_pi, z)._asdict() | bounds


def _categorical(log_pi: Tensor, z: Tensor, *, without_own: bool) -> tuple[Tensor, Tensor]:
    """Log q(z_n | x_n) and the log of the mixture at z_n, (N,) each.  log_pi, z: (N, codes, K)."""
    log_pi, z = log_pi.double().flatten(1), z.double().flatten(1)
    logs = (some @ log_pi.T for some in torch.split(z, max(1, PAIRS_AT_ONCE // len(z))))
    return (z * log_pi).sum(1), _mixed(logs, len(z), without_own=without_own)


def active_units(mean: Tensor) -> int:
    """How many units of the code depend on the row.  mean: E_q[z|x_n], (N, Z), or (N, Z, K) for units of K numbers."""
    variance = mean.double().var(0, correction=0).view(mean.shape[1], -1).sum(1)
    return int((variance > ACTIVE_VARIANCE).sum())


def _even(z: Tensor) -> Tensor:
    return torch.full((len(z),), 1 / len(z), dtype=z.dtype, device=z.device)
