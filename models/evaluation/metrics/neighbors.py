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

References:
    | Improved Precision and Recall Metric for Assessing Generative Models (Kynkäänniemi et al., 2019),
    | https://arxiv.org/abs/1904.06991
    | Reliable Fidelity and Diversity Metrics for Generative Models (Naeem et al., 2020),
    | https://arxiv.org/abs/2002.09797
"""

from __future__ import annotations

from math import prod
from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side, mean, share
from pushforward.models.evaluation.metrics.two_sample import squared_distances
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
        return share(in_balls(samples.z, reference.z).any(1))


@final
class Recall(Metric):
    """Share of rows of data that lie near a sample: diversity."""

    name = "recall"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return share(in_balls(reference.z, samples.z).any(1))


@final
class Density(Metric):
    """Mean number of balls around rows of data that a sample lies in, divided by k: quality; 1 for data themselves."""

    name = "density"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return mean(in_balls(samples.z, reference.z).sum(1) / K)


@final
class Coverage(Metric):
    """Share of balls around rows of data that hold a sample: diversity."""

    name = "coverage"
    better = "higher"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return expected_coverage(n, m)

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return share(in_balls(samples.z, reference.z).any(0))


def in_balls(x: Reals, y: Reals, k: int = K) -> np.ndarray:
    """Whether x_j lies nearer to y_i than its k-th nearest other row, (M, N).  x: (M, D), y: (N, D)."""
    k = min(k, len(y) - 1)
    own = squared_distances(y, y)
    np.fill_diagonal(own, np.inf)
    radius = np.partition(own, k - 1, axis=1)[:, k - 1]  # squared, as all distances here
    rounding = ROUNDING * np.square(y - y.mean(0)).sum(1).max()
    return np.asarray(squared_distances(x, y) < radius - rounding)


def expected_coverage(n_samples: int, n_reference: int, k: int = K) -> float:
    """The mean of coverage where both sides have one distribution."""
    return 1 - prod((n_reference - i) / (n_reference + n_samples - i) for i in range(1, k + 1))
