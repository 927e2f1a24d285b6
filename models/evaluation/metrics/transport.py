"""The sliced Wasserstein distance (`models.evaluation.sample_metrics`), in standard deviations of the training rows.

Its standard error is that of the mean of projections: of the directions, not of the rows.
"""

from __future__ import annotations

from typing import final

from pushforward.models.evaluation.metrics.metric import Known, Metric, Side, mean
from pushforward.models.evaluation.sample_metrics import directions, wasserstein_1d
from pushforward.models.storage.evaluation import MetricValue

PROJECTIONS = 256


@final
class SlicedWasserstein(Metric):
    """Mean transport distance between one-dimensional projections, in standard deviations of the training rows."""

    name = "sliced_wasserstein"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        theta = directions(samples.z.shape[1], PROJECTIONS, known.rng(4))
        return mean(wasserstein_1d(samples.z @ theta, reference.z @ theta))
