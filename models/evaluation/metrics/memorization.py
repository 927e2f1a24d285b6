r"""Memorization: how far samples are from the nearest training row, compared with rows that were not trained on.

    median_j min_i |x_j - t_i|  /  median_j min_i |y_j - t_i|,   samples x, held-out rows y, training rows t

is about 1 for new rows of the same distribution, and near 0 for copies of training rows; above 1 samples are farther
from the data than data are. A training row does not count as its own neighbor, so the floor is about 1 too. Rows of
another source that equal training rows have no part in it. Where the median of the others is 0, as in data of few
values, there is no ratio. `dcr_share` (distance to the closest record) compares each sample: as many training rows
as held-out ones, and the share of samples that have the nearest among the former. The p-value of the ratio is of Mann
& Whitney's test that samples are not nearer than held-out rows.

References:
    | A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020),
    | https://arxiv.org/abs/2004.05675: the test of these distances
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side
from pushforward.models.evaluation.metrics.two_sample import squared_distances
from pushforward.models.storage.evaluation import MetricValue

AT_ONCE = 2_000  # training rows


@final
class NearestTrainingRow(Metric):
    """Median distance of samples from the nearest training row, divided by that of held-out rows; copies have 0."""

    name = "nearest_training_row_ratio"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        from scipy.stats import mannwhitneyu

        near, usual = (nearest_distances(side, known.training) for side in (samples, reference))
        if reference.trained_on is not None:
            usual = usual[~reference.trained_on]
        test = mannwhitneyu(near, usual, alternative="less")
        scale = float(np.median(usual))
        ratio = float(np.median(near)) / scale if scale > 0 else float("nan")
        return MetricValue(value=ratio, p_value=float(test.pvalue))


@final
class DCRShare(Metric):
    """Share of samples that are nearer to a training row than to any held-out row; new rows have a half."""

    name = "dcr_share"
    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 0.5

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        others = reference.z if reference.trained_on is None else reference.z[~reference.trained_on]
        m = min(len(others), len(known.training))
        rng = known.rng(21)
        kept = rng.permutation(len(known.training))[:m]
        held_out = Known(others[rng.permutation(len(others))[:m]], known.seed)
        place = np.full(len(known.training), -1)
        place[kept] = np.arange(m)
        own = None if samples.places is None else place[samples.places]
        near = nearest_distances(samples._replace(places=own), known.training[kept])
        far = nearest_distances(samples._replace(places=None), held_out.training)
        share = float(np.mean((near < far) + 0.5 * (near == far)))
        return MetricValue(value=share, std_error=float(np.sqrt(share * (1 - share) / len(near))))


def trained_on(rows: NDArray[Any], training: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows, (n, *shape), equal a training row in every element, (n,).  training: (N, *shape) of the same type."""
    known = {hash(row.tobytes()) for row in training}
    return np.array([hash(row.tobytes()) in known for row in rows], bool)


def nearest_distances(side: Side, training: Reals) -> Reals:
    """The distance of each row from the nearest training row, itself left out, (n,)."""
    nearest = np.full(len(side.z), np.inf)
    for first in range(0, len(training), AT_ONCE):
        square = squared_distances(side.z, training[first : first + AT_ONCE])
        if side.places is not None:
            own = np.flatnonzero((side.places >= first) & (side.places < first + AT_ONCE))
            square[own, side.places[own] - first] = np.inf
        nearest = np.minimum(nearest, square.min(1))
    return np.asarray(np.sqrt(nearest))
