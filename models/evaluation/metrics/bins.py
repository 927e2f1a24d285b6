r"""The share of statistically different bins.

Training rows are cut into K cells by k-means. The shares p, q of n samples and m reference rows in a cell are different
where

    |p - q| > z sqrt(r (1 - r) (1/n + 1/m)),   r = (n p + m q) / (n + m),   z the two-sided quantile of a = 0.05.

Where both sides have one distribution, a cell is found different with probability a, so the share has the mean a, up to
the normal approximation; K is at most a twentieth of the rows of the smaller side, and at most 100. The p-value is that
of the chi-squared test of all cells at once.

References:
    | On GANs and GMMs (Richardson & Weiss, 2018), https://arxiv.org/abs/1805.12462
"""

from __future__ import annotations

from statistics import NormalDist
from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Side
from pushforward.models.storage.evaluation import MetricValue

MAX_BINS, ROWS_OF_A_BIN = 100, 20
LEVEL = 0.05
FITTED = 10_000  # training rows that k-means sees, at most


@final
class DifferentBins(Metric):
    """Share of cells of the data in which samples are more or fewer than chance explains."""

    name = "different_bins"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return LEVEL

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        from sklearn.cluster import KMeans

        training = known.training.z[:FITTED]
        n_bins = min(MAX_BINS, len(training), max(2, min(len(samples.z), len(reference.z)) // ROWS_OF_A_BIN))
        seed = int(known.rng(5).integers(2**31))
        cells = KMeans(n_bins, n_init=1, random_state=seed).fit(training)
        counts = [np.bincount(cells.predict(side.z), minlength=n_bins) for side in (samples, reference)]
        p = different(*counts)
        return MetricValue(value=p, std_error=(p * (1 - p) / n_bins) ** 0.5, p_value=homogeneity(*counts))


def different(x: Labels, y: Labels) -> float:
    """The share of bins whose counts differ by more than chance.  x, y: (K,)."""
    n, m = x.sum(), y.sum()
    pooled = (x + y) / (n + m)
    error = np.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    return float((np.abs(x / n - y / m) > NormalDist().inv_cdf(1 - LEVEL / 2) * error).mean())


def homogeneity(x: Labels, y: Labels) -> float:
    """The p-value of Pearson's test that both histograms, (K,), have one distribution; 1 where one bin has all."""
    from scipy.stats import chi2_contingency

    table = np.stack([x, y])
    table = table[:, table.sum(0) > 0]
    return float(chi2_contingency(table).pvalue) if table.shape[1] > 1 else 1.0
