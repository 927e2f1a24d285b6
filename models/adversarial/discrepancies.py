r"""Distances between two distributions, estimated without bias from rows of both: x_1..x_n ~ P, y_1..y_m ~ Q.

    mmd2    sum_{i != j} [k(x_i, x_j) / (n (n-1)) + k(y_i, y_j) / (m (m-1))] - 2 sum_{i, j} k(x_i, y_j) / (n m)
    energy  2 sum_{i, j} |x_i - y_j| / (n m) - sum_{i != j} [|x_i - x_j| / (n (n-1)) + |y_i - y_j| / (m (m-1))]

The first is the squared maximum mean discrepancy of a kernel, the second the energy distance: it is the first with the
kernel -|x - y|, and so has unbiased gradients too. Both may be negative.

Where x_i and y_i share a condition c_i, what is compared is (x, c) with (y, c), by the kernel k(x, x') k_c(c, c'):

    mmd2_given    sum_{i != j} k_c(c_i, c_j) [k(x_i, x_j) + k(y_i, y_j) - k(x_i, y_j) - k(y_i, x_j)] / (n (n-1))

A row is not compared with its own partner, which has the same condition, so this estimate has no bias either. With
k_c = exp(-|c - c'|^2 / 2), and k characteristic, the discrepancy is zero only where x and y are distributed alike given
almost every c. For labels, of probabilities p_l and mean embeddings mu_l of x and nu_l of y, it is

    sum_{l, m} p_l p_m k_c(l, m) <mu_l - nu_l, mu_m - nu_m>.

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13
    | Characteristic and Universal Tensor Product Kernels (Szabó & Sriperumbudur, 2017), https://arxiv.org/abs/1708.08157
    | Energy statistics: A class of statistics based on distances (Székely & Rizzo, 2013)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pushforward.models.adversarial.kernels import RBF
from pushforward.models.geometry.distances import smooth_distances

if TYPE_CHECKING:
    from jaxtyping import Float
    from torch import Tensor

    from pushforward.models.adversarial.kernels import Kernel


def mmd2(kernel: Kernel, x: Float[Tensor, "N D"], y: Float[Tensor, "M D"]) -> Float[Tensor, ""]:
    """The squared discrepancy, a U-statistic; 0 where either has a single row, and so no pairs."""
    return _discrepancy(kernel.matrix, x, y)


def mmd2_given(
    kernel: Kernel, x: Float[Tensor, "N D"], y: Float[Tensor, "N D"], c: Float[Tensor, "N C"]
) -> Float[Tensor, ""]:
    """The squared discrepancy of (x, c) and (y, c), a U-statistic; 0 where there is a single row, and so no pairs."""
    if len(c) == 1:
        return 0 * (x.sum() + y.sum())
    cross = kernel.matrix(x, y)
    of_rows = kernel.matrix(x, x) + kernel.matrix(y, y) - cross - cross.T
    return mean_of_pairs(RBF().matrix(c, c) * of_rows)


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
