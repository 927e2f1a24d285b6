r"""Metrics of labels: their histogram, and how well a classifier that is trained on samples labels data.

    label_divergence   JS(p, q) = 1/2 KL(p | r) + 1/2 KL(q | r),  r = (p + q) / 2,  in nats, from 0 to log 2

p and q are the shares of labels that one classifier finds among samples and among reference rows: its errors are on
both sides. Of n and m rows of one distribution over L labels, the mean is about (L - 1) (1/n + 1/m) / 8. The p-value is
that of Pearson's test.

`classification_accuracy` is the classification accuracy score: a classifier is trained on samples and on the labels
that they were drawn under, and tested on rows of data. It needs no features, and falls where samples of a label do not
look like it or lack its variety. The floor is a classifier that is trained on as many training rows, the Gaussian one
that is trained on draws of a Gaussian of each label.

References:
    | Divergence measures based on the Shannon entropy (Lin, 1991), doi:10.1109/18.61115
    | Classification Accuracy Score for Conditional Generative Models (Ravuri & Vinyals, 2019),
    | https://arxiv.org/abs/1905.10887
"""

from __future__ import annotations

from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.bins import homogeneity
from pushforward.models.evaluation.metrics.classifiers.classifier_tests import of_hits
from pushforward.models.evaluation.metrics.metric import Known, Labels, Metric, Side
from pushforward.models.storage.evaluation import MetricValue


@final
class LabelDivergence(Metric):
    """Jensen-Shannon divergence between the labels that a classifier finds among samples and data, nats."""

    name = "label_divergence"
    needs = ("labels",)

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        x, y = (_there(side.found) for side in (samples, reference))
        n_bins = int(max(x.max(), y.max())) + 1
        counts = [np.bincount(each, minlength=n_bins) for each in (x, y)]
        return MetricValue(value=jensen_shannon(*counts), p_value=homogeneity(*counts))


@final
class ClassificationAccuracy(Metric):
    """Accuracy on data of a classifier that is trained on samples and the labels that they were drawn under."""

    name = "classification_accuracy"
    better = "higher"
    needs = ("labels", "label_condition")

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 1.0

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        if known.fit is None:
            raise ValueError("a classifier is needed")
        classify = known.fit(samples.x, _there(samples.labels))
        hits = classify(reference.x) == _there(reference.labels)
        return of_hits(int(hits.sum()), len(hits)).model_copy(update={"p_value": None})


def jensen_shannon(x: Labels, y: Labels) -> float:
    """The divergence between two histograms, (L,), nats."""
    p, q = x / x.sum(), y / y.sum()
    r = (p + q) / 2
    return 0.5 * sum(float((each[each > 0] * np.log(each[each > 0] / r[each > 0])).sum()) for each in (p, q))


def _there(labels: Labels | None) -> Labels:
    if labels is None:
        raise ValueError("these rows have no labels")
    return labels
