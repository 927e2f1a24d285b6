r"""The importance-weighted bound. With k independent draws z_i ~ q(z|x) and weights w_i = p(x, z_i) / q(z_i|x),

    log p(x) >= E log (1/k) sum_i w_i,

the ELBO for k = 1, rising to log p(x) with k. By the delta method, the standard error of the logarithm of the mean is
that of the mean divided by the mean, with the weights' own variance:

    se^2 = sum_i (w_i / w_bar - 1)^2 / (k (k - 1)).

It tells the spread of the number about what it estimates; that the number lies below log p(x) is not in it.

References:
    | Importance Weighted Autoencoders (Burda et al., 2015), https://arxiv.org/abs/1509.00519
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def importance_weighted_bound(log_w: Tensor) -> tuple[Tensor, Tensor | None]:
    """The bound and its standard error, (B,) nats each; one draw does not tell its error: None.  log_w: (k, B)."""
    k = len(log_w)
    bound = log_w.logsumexp(0) - log(k)
    if k == 1:
        return bound, None
    relative = (log_w - bound).exp()  # w_i / w_bar
    return bound, ((relative - 1) ** 2).sum(0).div(k * (k - 1)).sqrt()
