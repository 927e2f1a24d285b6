r"""Privacy: how near samples come to training rows, one by one. None of these numbers is a guarantee.

Distances (`models.evaluation.metrics.distances`) are Gower's of tables, and Euclid's of other rows. With d_1(x) and
d_2(x) the distances of a row from the nearest training row and from the next,

    dcr_share             share of samples nearer to a training row than to a held-out one, of as many rows of either
    dcr_5_percent_ratio   5th percentile of d_1(x), divided by that of held-out rows: of the nearest samples
    nndr_ratio            median of d_1(x) / d_2(x), divided by that of held-out rows: near to one row, or to many
    identical_share       share of samples that equal a training row in every element

DCR is the distance to the closest record, NNDR the nearest neighbor distance ratio. New rows have about 1/2, 1, 1, and
as many equals as held-out rows have: 0 where an element is of a continuous distribution; copies have 1, 0, 0 and 1. A
training row does not count as its own neighbor. d_1 / d_2 is 0 where both are. Where the number of held-out rows is 0,
as in data of few values, there is no ratio.

References:
    | The DCR Delusion: Measuring the Privacy Risk of Synthetic Data (Yao et al., 2025),
    | https://arxiv.org/abs/2505.01524: why they are no guarantee
    | Data Synthesis based on Generative Adversarial Networks (Park et al., 2018), https://arxiv.org/abs/1806.03384: DCR
"""

from __future__ import annotations

from collections import Counter
from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.distances import Nearest
from pushforward.models.evaluation.metrics.memory.memorization import BesideNewRows, nearest_distances, not_trained_on
from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side, ratio
from pushforward.models.storage.evaluation import MetricValue

NEAREST = 0.05  # the share of samples that are nearest to training rows


@final
class DCRShare(BesideNewRows):
    """Share of samples that are nearer to a training row than to any held-out row; new rows have a half."""

    name = "dcr_share"

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 0.5

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        training, others = known.training.z, not_trained_on(reference, reference.z)
        m = min(len(others), len(training))
        rng = known.rng(21)
        kept = rng.permutation(len(training))[:m]
        held_out = others[rng.permutation(len(others))[:m]]
        place = np.full(len(training), -1)
        place[kept] = np.arange(m)
        own = None if samples.places is None else place[samples.places]
        near = known.search.among(samples.z, training[kept], own).first
        far = known.search.among(samples.z, held_out).first
        share = float(np.mean((near < far) + 0.5 * (near == far)))
        return MetricValue(value=share, std_error=float(np.sqrt(share * (1 - share) / len(near))))


@final
class NearestPercent(BesideNewRows):
    """5th percentile of the distance of samples from the nearest training row, divided by that of held-out rows."""

    name = "dcr_5_percent_ratio"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        near, usual = (float(np.quantile(nearest_distances(side, known), NEAREST)) for side in (samples, reference))
        return MetricValue(value=ratio(near, usual))


@final
class NeighborRatio(BesideNewRows):
    """Median ratio of the distances from the two nearest training rows, divided by that of held-out rows."""

    name = "nndr_ratio"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        ours, usual = (
            not_trained_on(side, first_to_second(known.search.of(side.z, side.places))) for side in (samples, reference)
        )
        return MetricValue(value=ratio(float(np.median(ours)), float(np.median(usual))))


@final
class IdenticalShare(Metric):
    """Share of samples that equal a training row in every element."""

    name = "identical_share"

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        times = Counter(row.tobytes() for row in known.training.x)
        itself = 0 if samples.places is None else 1
        found = np.array([times[row.tobytes()] > itself for row in samples.x])
        share = float(found.mean())
        return MetricValue(value=share, std_error=float(np.sqrt(share * (1 - share) / len(found))))


def first_to_second(near: Nearest) -> Reals:
    """d_1 / d_2, (n,): 0 where a row is a copy, 1 where there is no second row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        quotient = near.first / near.second
    return np.where(near.first == 0, 0.0, np.where(np.isinf(near.second), 1.0, quotient))
