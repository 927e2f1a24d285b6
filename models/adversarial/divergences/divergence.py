r"""f-divergences and their variational form, as a critic's game needs them.

    D_f(P, Q) = E_q f(p / q) = max_T  E_p T - E_q f*(T),     T* = f'(p / q),     f*(t) = sup_u (t u - f(u))

A critic's score v is any number; an activation g_f maps it into the domain of f*. Here g_f grows in v, so that a larger
score is "more real", and f*(g_f(v)) is one fused expression that neither overflows nor loses digits where g_f is at its
border. `log_ratio` inverts T*: it is log p - log q where g_f(v) = f'(p / q).

    kl                  u log u                           v                          exp(v - 1)
    reverse_kl          -log u                            -exp(-v)                   v - 1
    pearson             (u - 1)^2                         v                          v^2 / 4 + v
    neyman              (1 - u)^2 / u                     1 - exp(-v)                2 - 2 exp(-v / 2)
    squared_hellinger   (sqrt u - 1)^2                    1 - exp(-v)                exp(v) - 1
    jeffrey             (u - 1) log u                     v                          W + 1 / W + v - 2,
                                                                                     W + log W = 1 - v
    jensen_shannon      u log u - (u + 1) log((1+u)/2)    log 2 - softplus(-v)       softplus(v) - log 2
    weighted_jensen_shannon
                        pi u log u - r log r,             -pi log pi                 (1 - pi) (log(1 - pi)
                        r = 1 - pi + pi u                 - softplus(-v)              - log(1 - sigmoid(v)^{1/pi}))
    gan                 u log u - (u + 1) log(u + 1)      -softplus(-v)              softplus(v)
    alpha               (u^a - 1 - a (u - 1))             a > 1: v                   [g_f (a - 1) + 1]_+^{a/(a-1)} / a
                        / (a (a - 1))                     a < 1: 1/(1 - a)           - 1 / a
                                                          - softplus(-v)
    total_variation     |u - 1| / 2                       tanh(v) / 2                tanh(v) / 2

`jensen_shannon` is twice the Jensen-Shannon divergence; `gan` is that less log 4. Where tails of Q are too wide,
`neyman`, `reverse_kl`, `jeffrey` and `alpha` below 0 may be infinite, where they are too narrow `kl`, `pearson`,
`jeffrey` and `alpha` above 1.

References:
    | f-GAN (Nowozin et al., 2016), https://arxiv.org/abs/1606.00709
    | Estimating divergence functionals and the likelihood ratio by convex risk minimization (Nguyen et al., 2010),
      https://arxiv.org/abs/0809.0853
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from pushforward.models.config.config import Config

if TYPE_CHECKING:
    from torch import Tensor

NARROW = "Its divergence may be infinite where the model's tails are narrower than the data's."
WIDE = "Its divergence may be infinite where the model's tails are wider than the data's."
EITHER = "Its divergence may be infinite where the model's tails are narrower or wider than the data's."


class FDivergence(Config, ABC):
    """A convex f with f(1) = 0 (but for `gan`), its slope, its conjugate and what a score is mapped to."""

    divergence: str  # a Literal with a default in each final divergence

    @property
    def infinite(self) -> str | None:
        """Where it may be infinite, in words."""
        return None

    @abstractmethod
    def f(self, u: Tensor) -> Tensor:
        """The function, of ratios u > 0."""

    @abstractmethod
    def slope(self, u: Tensor) -> Tensor:
        """f'(u): the best T where u = p / q."""

    @abstractmethod
    def conjugate(self, t: Tensor) -> Tensor:
        """f*(t), on its domain."""

    @abstractmethod
    def activation(self, v: Tensor) -> Tensor:
        """g_f(v), from any number into the domain of f*."""

    @abstractmethod
    def fused(self, v: Tensor) -> Tensor:
        """f*(g_f(v))."""


class RatioFDivergence(FDivergence, ABC):
    """A divergence whose best score tells the ratio of the densities, in finite numbers for every score."""

    @abstractmethod
    def log_ratio(self, v: Tensor) -> Tensor:
        """Log p - log q where the score v is the best."""
