r"""Two-sample tests by kernels: the maximum mean discrepancy, and the energy distance.

    mmd2              k(x, y) = 1/5 sum_s exp(-d^2 / (2 (s L)^2)),  s in {1/8, 1/4, 1/2, 1, 2},  d = |x - y|
    energy_distance   2 E|x - y| - E|x - x'| - E|y - y'|,  the MMD^2 of k(x, y) = -|x - y|

L is the median distance between training rows, so that the model's samples, the floor and the Gaussian are measured by
one kernel; the smaller widths see what lies between modes. Rows are in standard deviations of the training rows.

References:
    | A Kernel Two-Sample Test (Gretton et al., 2012), JMLR 13: the median distance
    | Generative Moment Matching Networks (Li et al., 2015), https://arxiv.org/abs/1502.02761: a sum of widths
    | Energy statistics: A class of statistics based on distances (Székely & Rizzo, 2013),
    | doi:10.1016/j.jspi.2013.03.018
    | Equivalence of distance-based and RKHS-based statistics (Sejdinovic et al., 2012), https://arxiv.org/abs/1207.6076
"""

from __future__ import annotations

from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.distances import squared_distances
from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side
from pushforward.models.evaluation.metrics.two_sample import kernel_test
from pushforward.models.storage.evaluation import MetricValue

ROWS = 1_000  # of each side, at most: the matrix of a kernel has the square of their sum
SCALES = (0.125, 0.25, 0.5, 1.0, 2.0)
MEDIAN_ROWS = 500  # training rows between which the median distance is taken


@final
class MaximumMeanDiscrepancy(Metric):
    """Squared maximum mean discrepancy by Gaussian kernels, unbiased, with a permutation test."""

    name = "mmd2"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        length = median_distance(known.training.z[:MEDIAN_ROWS])
        square = _pooled(samples.z, reference.z)
        kernel = sum(np.exp(square / (-2 * (s * length) ** 2)) for s in SCALES) / len(SCALES)
        return kernel_test(np.asarray(kernel), len(samples.z[:ROWS]), known.rng(0))


@final
class EnergyDistance(Metric):
    """Energy distance: how much farther rows are from samples than from each other, with a permutation test."""

    name = "energy_distance"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return kernel_test(-np.sqrt(_pooled(samples.z, reference.z)), len(samples.z[:ROWS]), known.rng(1))


def median_distance(z: Reals) -> float:
    """The median distance between different rows; 1 where most are equal.  z: (n, D)."""
    distance = np.sqrt(squared_distances(z, z)[np.triu_indices(len(z), 1)])
    median = float(np.median(distance))
    return median if median > 0 else 1.0


def _pooled(x: Reals, y: Reals) -> Reals:
    """|z_i - z_j|^2 of all rows of both sides, (N, N)."""
    z = np.concatenate([x[:ROWS], y[:ROWS]])
    return squared_distances(z, z)
