"""Histograms of log-likelihoods.

Bins are of equal width, that of Freedman & Diaconis, 2 IQR / n^(1/3). They end where rows are far out, three
interquartile ranges beyond the quartiles (Tukey): a row of density near zero would make all others one bin. Rows beyond
are counted below and above.

References:
    | On the histogram as a density estimator: L2 theory (Freedman & Diaconis, 1981)
    | Exploratory Data Analysis (Tukey, 1977), chapter 2: outer fences
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from pushforward.service.domain.catalog import Card
from pushforward.service.domain.charts import LikelihoodKind, ScoreHistogram

MOST_BINS = 100
FENCE = 3.0  # interquartile ranges beyond the quartiles
METRIC = "validation_log_prob_nats_"  # and the kind


class Bins(NamedTuple):
    """How many values lie where."""

    edges: NDArray[np.float64]  # (b + 1,), or none
    counts: NDArray[np.int64]  # (b,)
    below: int  # the first edge
    above: int  # the last edge


def binned(values: NDArray[np.float64]) -> Bins:
    """The bins of values (n,) that are not NaN."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return Bins(np.empty(0), np.empty(0, np.int64), int((values < 0).sum()), int((values > 0).sum()))
    lower, upper = np.quantile(finite, [0.25, 0.75])
    spread = upper - lower
    low, high = max(finite.min(), lower - FENCE * spread), min(finite.max(), upper + FENCE * spread)
    n_bins = 1
    if high > low:
        n_bins = min(MOST_BINS, max(1, ceil((high - low) / (2 * spread / np.cbrt(len(finite))))))
    else:
        low, high = np.nextafter(low - 0.5, -np.inf), np.nextafter(high + 0.5, np.inf)
    counts, edges = np.histogram(finite, n_bins, (low, high))
    return Bins(edges, counts, int((values < low).sum()), int((values > high).sum()))


def histogram(model: str, kind: LikelihoodKind | None, scores: NDArray[np.float64]) -> ScoreHistogram:
    """The histogram of scores (n,)."""
    bins = binned(scores)
    return ScoreHistogram(
        model=model,
        kind=kind,
        n=len(scores),
        edges=tuple(bins.edges.tolist()),
        counts=tuple(bins.counts.tolist()),
        below=bins.below,
        above=bins.above,
    )


def of_held_out(card: Card, scores: Sequence[float]) -> ScoreHistogram:
    """The histogram of the scores of held-out rows."""
    kinds = [kind for kind in get_args(LikelihoodKind) if f"{METRIC}{kind}" in card.metrics]
    return histogram(card.reference, kinds[0] if kinds else None, np.array(scores, np.float64))
