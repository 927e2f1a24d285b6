r"""The area under the curve of a score that should be higher for one side, with DeLong's standard error.

    A = 1/(m n) sum_i sum_j psi(x_i, y_j),   psi = 1 where x > y, 1/2 where x = y, 0 where x < y,
    V_i = 1/n sum_j psi(x_i, y_j),   W_j = 1/m sum_i psi(x_i, y_j),   std_error^2 = var(V) / m + var(W) / n.

By ranks among all (R) and among their own side (r), ties in the middle, V_i = (R_i - r_i) / n, W_j = 1 - (R_j - r_j)/m.

Example:
    >>> import numpy as np
    >>> from pushforward.models.evaluation.metrics.ranks import area_under_curve
    >>> area_under_curve(np.array([2.0, 3.0]), np.array([1.0, 2.0])).value
    0.875

References:
    | Comparing the Areas under Two or More Correlated Receiver Operating Characteristic Curves: A Nonparametric
    | Approach (DeLong, DeLong & Clarke-Pearson, 1988), doi:10.2307/2531595
    | Fast Implementation of DeLong's Algorithm (Sun & Xu, 2014), doi:10.1109/LSP.2014.2337313
"""

from __future__ import annotations

import numpy as np

from pushforward.models.evaluation.metrics.metric import Reals
from pushforward.models.storage.evaluation import MetricValue


def area_under_curve(x: Reals, y: Reals) -> MetricValue:
    """P(x > y) + 1/2 P(x = y), its standard error and interval of 95 %; NaN where a score is.  x: (m,), y: (n,)."""
    if np.isnan(x).any() or np.isnan(y).any():
        return MetricValue(value=float("nan"))
    v, w = placements(x, y)
    area = float(v.mean())
    if min(len(x), len(y)) < 2:
        return MetricValue(value=area)
    error = float(np.sqrt(v.var(ddof=1) / len(x) + w.var(ddof=1) / len(y)))
    return MetricValue(
        value=area, std_error=error, interval=(max(0.0, area - 1.96 * error), min(1.0, area + 1.96 * error))
    )


def placements(x: Reals, y: Reals) -> tuple[Reals, Reals]:
    """The share of y below each x, V, (m,), and of x above each y, W, (n,)."""
    from scipy.stats import rankdata

    m, n = len(x), len(y)
    ranks = rankdata(np.concatenate([x, y]))
    v = (ranks[:m] - rankdata(x)) / n
    w = 1 - (ranks[m:] - rankdata(y)) / m
    return v, w
