r"""Distances between two distributions, estimated without bias from rows of both: x_1..x_n ~ P, y_1..y_m ~ Q.

    mmd2    sum_{i != j} [k(x_i, x_j) / (n (n-1)) + k(y_i, y_j) / (m (m-1))] - 2 sum_{i, j} k(x_i, y_j) / (n m)
    energy  2 sum_{i, j} |x_i - y_j| / (n m) - sum_{i != j} [|x_i - x_j| / (n (n-1)) + |y_i - y_j| / (m (m-1))]

The first is the squared maximum mean discrepancy of a kernel, the second the energy distance: it is the first with the
kernel -|x - y|, and so has unbiased gradients too. Both may be negative.

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13
    | Energy statistics: A class of statistics based on distances (Székely & Rizzo, 2013)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pushforward.models.geometry.distances import smooth_distances

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.adversarial.kernels import Kernel


def mmd2(kernel: Kernel, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """The squared discrepancy, a U-statistic; 0 where either has a single row, and so no pairs."""
    return _discrepancy(kernel.matrix, x, y)


def energy_distance(x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """The energy distance, a U-statistic; 0 where either has a single row, and so no pairs."""
    return -_discrepancy(smooth_distances, x, y)


def mean_of_pairs(matrix: Float[Tensor, "N N"]) -> Float[Tensor, ""]:
    """The mean off the diagonal."""
    n = len(matrix)
    return (matrix.sum() - matrix.diagonal().sum()) / (n * (n - 1))


def _discrepancy(similarity: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor) -> Tensor:
    if min(len(x), len(y)) == 1:  # the last batch of an epoch may be a single row
        return 0 * (x.sum() + y.sum())
    return mean_of_pairs(similarity(x, x)) + mean_of_pairs(similarity(y, y)) - 2 * similarity(x, y).mean()
