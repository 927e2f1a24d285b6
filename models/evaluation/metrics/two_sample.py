r"""The unbiased estimate of a squared maximum mean discrepancy, its standard error, and a test by permutations.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y),   estimated by means over pairs of different rows (eq. 3)

It may be negative, and its mean is 0 where both sides have one distribution. All is computed from the matrix K of the
kernel at all N = n + m rows, with a zero diagonal. With s in {0, 1}^N, which marks the first side, 1 = (1, ..., 1) and
r = K 1,

    S_xx = s K s,   S_xy = s r - S_xx,   S_yy = 1 K 1 - S_xx - 2 S_xy.

Permuting the marks gives draws under the hypothesis that the sides are exchangeable. Of B of them, with those ranked
that are at least as large as the observed value,

    p = (1 + #{b: MMD^2_b >= MMD^2}) / (1 + B),   P(p <= a) <= a  at any number of rows.

The standard error is the jackknife's: one row at a time is left out.

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13
    | Permutation P-values Should Never Be Zero (Phipson & Smyth, 2010), https://arxiv.org/abs/1603.05766
"""

from __future__ import annotations

import numpy as np

from pushforward.models.evaluation.metrics.metric import Reals
from pushforward.models.storage.evaluation import MetricValue

PERMUTATIONS = 499
AT_ONCE = 100  # permutations


def kernel_test(kernel: Reals, n: int, rng: np.random.Generator, permutations: int = PERMUTATIONS) -> MetricValue:
    """MMD^2 of the first n rows from the others, by the kernel at all of them, (N, N)."""
    k = kernel - np.diag(np.diag(kernel))
    observed = float(mmd2(k, _marks(n, len(k)))[0])
    as_large = 0
    for first in range(0, permutations, AT_ONCE):
        size = min(AT_ONCE, permutations - first)
        marks = rng.permuted(np.tile(_marks(n, len(k)), size), axis=0)
        as_large += int((mmd2(k, marks) >= observed - 1e-12 * abs(observed)).sum())
    return MetricValue(value=observed, std_error=jackknife_error(k, n), p_value=(1 + as_large) / (1 + permutations))


def mmd2(k: Reals, marks: Reals) -> Reals:
    """MMD^2 for each column of marks, (B,).  k: (N, N) with a zero diagonal, marks: (N, B) of 0 and 1."""
    n = marks[:, 0].sum()
    m = len(k) - n
    xx = (marks * (k @ marks)).sum(0)
    xy = k.sum(1) @ marks - xx
    yy = k.sum() - xx - 2 * xy
    return np.asarray(xx / (n * (n - 1)) + yy / (m * (m - 1)) - 2 * xy / (n * m))


def jackknife_error(k: Reals, n: int) -> float:
    """The standard error of MMD^2 of the first n rows from the others.  k: (N, N) with a zero diagonal."""
    m = len(k) - n
    if min(n, m) < 3:
        return float("nan")
    xx, yy, xy = k[:n, :n], k[n:, n:], k[:n, n:]
    s_xx, s_yy, s_xy = xx.sum(), yy.sum(), xy.sum()
    without_x = (s_xx - 2 * xx.sum(1)) / ((n - 1) * (n - 2)) - 2 * (s_xy - xy.sum(1)) / ((n - 1) * m)
    without_y = (s_yy - 2 * yy.sum(1)) / ((m - 1) * (m - 2)) - 2 * (s_xy - xy.sum(0)) / (n * (m - 1))
    return float(np.sqrt((n - 1) * without_x.var() + (m - 1) * without_y.var()))


def _marks(n: int, total: int) -> Reals:
    return (np.arange(total) < n).astype(np.float64)[:, None]
