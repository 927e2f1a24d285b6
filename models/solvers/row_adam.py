"""Adam on the numbers of each row alone: rows share forward passes but no step size and no norm.

References:
    | Adam: A Method for Stochastic Optimization (Kingma & Ba, 2014), https://arxiv.org/abs/1412.6980
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

RATE, BETAS, EPSILON = 0.1, (0.9, 0.99), 1e-8


def step(g: Tensor, m: Tensor, v: Tensor, k: Tensor, steps: int) -> tuple[Tensor, Tensor, Tensor]:
    """A step along the gradient, (B, P), to add or to subtract, and the moments after it. The rate falls to zero.

    Arguments:
        g: the gradient, (B, P).
        m, v: its first and second moment before, (B, P).
        k: which step it is, from 0, (B, 1).
        steps: how many there are.
    """
    m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g**2
    direction = m / (1 - BETAS[0] ** (k + 1))
    size = (v / (1 - BETAS[1] ** (k + 1))).sqrt() + EPSILON
    return RATE * (1 - k / steps) * direction / size, m, v
