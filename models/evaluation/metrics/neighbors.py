r"""Precision, recall, density and coverage, by balls that reach to the k-th nearest row of their own side.

With reference rows y_i, i < N, samples x_j, j < M, and B(y_i) the open ball around y_i up to its k-th nearest other
reference row,

    precision = 1/M  sum_j 1[x_j lies in any B(y_i)]            recall: the same with the sides exchanged
    density   = 1/(k M) sum_j #{i: x_j lies in B(y_i)}
    coverage  = 1/N  sum_i 1[B(y_i) holds any x_j].

Where both sides have one distribution without ties, among the N - 1 other reference rows and M samples around y_i in
order of distance every order is equally probable. So the mean of density is 1, and a ball is empty if the first k of
these N - 1 + M rows are reference rows:

    E coverage = 1 - prod_{i=1}^{k} (N - i) / (N + M - i),   0.96992 for N = M = 200 and k = 5.

Precision and recall have no such value; 1 is their bound, the floor what data reach.

Rows share balls, so they are not independent. The standard error is the jackknife's over both sides: one row at a time
is left out. Without the row in a ball's middle the ball is gone, and without one of the k nearest rows of its own side
it reaches to the next, the (k + 1)-th. With S_-i the value without the i-th of n rows of a side, and S_-. their mean,

    std_error^2 = sum over both sides of  (n - 1)/n  sum_i (S_-i - S_-.)^2,

whose mean is not below the variance at n - 1 rows (Efron & Stein): it errs upwards, in simulations of Gaussians 1.3 to
2.8 times, where the error of independent rows was 0.3 to 0.8 of the truth. It is null where a side has too few rows.

References:
    | Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019),
    | https://arxiv.org/abs/1904.06991
    | Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
    | https://arxiv.org/abs/2002.09797
    | The Jackknife Estimate of Variance (Efron & Stein, 1981), doi:10.1214/aos/1176345462
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple, final

import numpy as np

from pushforward.models.evaluation.metrics.distances import squared_distances
from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Reals, Side
from pushforward.models.storage.evaluation import MetricValue

K = 5
ROUNDING = 1e-12  # of squared distances: rows of data with levels are often equally far, and an open ball has no rim


@final
class Precision(Metric):
    """Share of samples that lie near a row of data: quality."""

    name = "precision"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return held_share(balls(reference.z, samples.z))


@final
class Recall(Metric):
    """Share of rows of data that lie near a sample: diversity."""

    name = "recall"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return held_share(balls(samples.z, reference.z))


@final
class Density(Metric):
    """Mean number of balls around rows of data that a sample lies in, divided by k: quality; 1 for data themselves."""

    name = "density"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        found = balls(reference.z, samples.z)
        n_in, n_wider = (each.sum(1) for each in (found.holds, found.wider))
        per_row = found.holds.sum(0) / K
        without = (n_in.sum() - n_in + gained(found, n_wider - n_in)) / (K * len(samples.z))
        return measured(found, float(per_row.mean()), without, _means_without(per_row))


@final
class Coverage(Metric):
    """Share of balls around rows of data that hold a sample: diversity."""

    name = "coverage"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return expected_coverage(n, m)

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        found = balls(reference.z, samples.z)
        n_in = found.holds.sum(1)
        used = n_in > 0
        alone = found.holds[n_in == 1].sum(0)  # balls that hold this sample only, (M,)
        more = gained(found, found.wider.any(1).astype(int) - used)
        without = (used.sum() - used + more) / max(1, len(used) - 1)
        return measured(found, float(used.mean()), without, used.mean() - alone / len(used))


class Balls(NamedTuple):
    """Balls around the N rows of one side, and which of the M rows of the other side they hold."""

    holds: np.ndarray  # (N, M)
    wider: np.ndarray  # (N, M) where each reaches to the (k + 1)-th nearest row
    nearest: Labels  # (N, k) places of the k nearest rows of their own side
    enough: bool  # rows on both sides to leave one out


def balls(y: Reals, x: Reals, k: int = K) -> Balls:
    """The balls around y, (N, D), up to the k-th nearest other row, and which x, (M, D), they hold."""
    enough = len(y) > k + 1 and len(x) > 1
    k = min(k, len(y) - 1)
    own = squared_distances(y, y)
    np.fill_diagonal(own, np.inf)
    last = min(k, len(y) - 1)
    order = np.argpartition(own, sorted({k - 1, last}), axis=1)[:, : last + 1]
    radii = np.take_along_axis(own, order, 1)  # squared, as all distances here
    rounding = ROUNDING * np.square(y - y.mean(0)).sum(1).max()
    distances = squared_distances(y, x)
    holds, wider = (distances < radii[:, [place]] - rounding for place in (k - 1, last))
    return Balls(holds, wider, order[:, :k], enough)


def in_balls(x: Reals, y: Reals, k: int = K) -> np.ndarray:
    """Whether x_j lies nearer to y_i than its k-th nearest other row, (M, N).  x: (M, D), y: (N, D)."""
    return balls(y, x, k).holds.T


def held_share(found: Balls) -> MetricValue:
    """The share of rows that lie in any ball."""
    times = found.holds.sum(0)
    held = times > 0
    without = np.empty(len(found.holds))
    for i, grown in enumerate(_near_to(found.nearest)):
        without[i] = ((times > found.holds[i]) | found.wider[grown].any(0)).mean()
    return measured(found, float(held.mean()), without, _means_without(held))


def gained(found: Balls, more: Labels) -> Labels:
    """What the balls of other rows gain without each row, (N,): `more`, (N,), is a ball's gain as it grows."""
    gain = np.zeros_like(more)
    np.add.at(gain, found.nearest, more[:, None])
    return gain


def measured(found: Balls, value: float, *without: Reals) -> MetricValue:
    """A value, with the jackknife's standard error by its values without each row of a side."""
    variance = sum((len(each) - 1) * float(each.var()) for each in without)
    return MetricValue(value=value, std_error=variance**0.5 if found.enough else None)


def _means_without(values: Reals) -> Reals:
    """The means of all values but one, (M,)."""
    return np.asarray((values.sum() - values) / max(1, len(values) - 1))


def _near_to(nearest: Labels) -> list[Labels]:
    """For each row the places of those that have it among their nearest."""
    of = np.argsort(nearest, axis=None, kind="stable")
    return np.split(of // nearest.shape[1], np.cumsum(np.bincount(nearest.ravel(), minlength=len(nearest)))[:-1])


def expected_coverage(n_samples: int, n_reference: int, k: int = K) -> float:
    """The mean of coverage where both sides have one distribution."""
    return 1 - prod((n_reference - i) / (n_reference + n_samples - i) for i in range(1, k + 1))
