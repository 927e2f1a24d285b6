r"""Memorization: whether a model has kept its training rows, by its samples and by its likelihoods.

    nearest_training_row_ratio   median_j min_i |x_j - t_i|  /  median_j min_i |y_j - t_i|,
                                 samples x, held-out rows y, training rows t
    likelihood_membership        P(log p(t) > log p(y)) + 1/2 P(log p(t) = log p(y)),   the area under the curve

The ratio is about 1 for new rows of the same distribution, and near 0 for copies of training rows; above 1 samples are
farther from the data than data are. A training row does not count as its own neighbor, so the floor is about 1 too.
Rows of another source that equal training rows have no part in it. Where the median of the others is 0, as in data of
few values, there is no ratio. Its p-value is of Mann & Whitney's test that samples are not nearer than held-out rows.
Distances are `models.evaluation.metrics.distances`.

A model that gives training rows higher likelihoods than rows of the same distribution that it was not trained on has
memorized something of them, though its samples need not show it: who has log p can guess which rows trained it. A half
is a guess. The rows are always those that training held out, whatever samples are compared with; the Gaussian's number
is that of its own density, training rows themselves have none.

References:
    | A Non-Parametric Test to Detect Data-Copying in Generative Models (Meehan et al., 2020),
    | https://arxiv.org/abs/2004.05675: the test of these distances
    | Privacy Risk in Machine Learning: Analyzing the Connection to Overfitting (Yeom et al., 2018),
    | https://arxiv.org/abs/1709.01604: membership by the loss of a row
    | On Memorization in Probabilistic Deep Generative Models (van den Burg & Williams, 2021),
    | https://arxiv.org/abs/2106.03216
"""

from __future__ import annotations

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side, ratio
from pushforward.models.evaluation.metrics.ranks import area_under_curve
from pushforward.models.storage.evaluation import MetricValue


class BesideNewRows(Metric):
    """Samples beside reference rows that equal no training row; needs one such row."""

    better = "nearer"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0


@final
class NearestTrainingRow(BesideNewRows):
    """Median distance of samples from the nearest training row, divided by that of held-out rows; copies have 0."""

    name = "nearest_training_row_ratio"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        from scipy.stats import mannwhitneyu

        near, usual = (nearest_distances(side, known) for side in (samples, reference))
        test = mannwhitneyu(near, usual, alternative="less")
        return MetricValue(value=ratio(float(np.median(near)), float(np.median(usual))), p_value=float(test.pvalue))


@final
class LikelihoodMembership(Metric):
    """How well log-likelihoods tell training rows from held-out ones: the area under the curve; a half is guessing."""

    name = "likelihood_membership"
    better = "nearer"
    needs = ("likelihood",)

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 0.5

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        if samples.likelihoods is None:
            raise ValueError("these rows are draws of nothing that has a likelihood")
        return area_under_curve(*samples.likelihoods)


def nearest_distances(side: Side, known: Known) -> Reals:
    """The distance of each row from the nearest training row, (n,), without rows that were trained on."""
    return not_trained_on(side, known.search.of(side.z, side.places).first)


def not_trained_on(side: Side, values: Reals) -> Reals:
    """The values, (n, ...), of rows that equal no training row, as far as that is known."""
    return values if side.trained_on is None else values[~side.trained_on]


def trained_on(rows: NDArray[Any], training: NDArray[Any]) -> NDArray[np.bool_]:
    """Which rows, (n, *shape), equal a training row in every element, (n,).  training: (N, *shape) of the same type."""
    known = {hash(row.tobytes()) for row in training}
    return np.array([hash(row.tobytes()) in known for row in rows], bool)
