r"""Classifier two-sample tests: can a classifier tell samples from rows of data?

As many rows of either side as the smaller one has, half of them to train a classifier, half to test it. If both sides
have one distribution, the hits among n test rows are Binomial(n, 1/2). The best classifier of all reaches

    1/2 + TV(P, Q) / 2,   for N(0, 1) and N(1, 1):  Phi(1/2) = 0.69146,

so 2 accuracy - 1 is a lower bound of the total variation distance, but for chance.

    c2st_logistic     logistic regression on the elements and, of rows of up to 16, their squares and products
    c2st_neighbors    the majority of the nearest k training rows, k odd, about the root of how many there are

The interval is Wilson's; the p-value is that of as many hits or more.

References:
    | Revisiting Classifier Two-Sample Tests (Lopez-Paz & Oquab, 2016), https://arxiv.org/abs/1610.06545
    | Probable inference, the law of succession, and statistical inference (Wilson, 1927), doi:10.2307/2276774
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, final

import numpy as np

from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side
from pushforward.models.storage.evaluation import MetricValue

PRODUCTS = 16  # elements of a row whose products are features
ITERATIONS = 2_000


class ClassifierTest(Metric):
    """The share of test rows that a classifier puts on the right side."""

    stream: int

    def ideal(self, n: int, m: int, known: Known) -> float:
        return 0.5

    @abstractmethod
    def classifier(self, n_train: int, size: int) -> Any:
        """A classifier of scikit-learn, for so many training rows of so many elements."""

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        n = min(len(samples.z), len(reference.z))
        rng = known.rng(self.stream)
        train, test = list[Reals](), list[Reals]()
        for z in (samples.z, reference.z):
            order = rng.permutation(len(z))[:n]
            train.append(z[order[: n // 2]])
            test.append(z[order[n // 2 :]])
        fitted = self.classifier(2 * (n // 2), samples.z.shape[1]).fit(np.concatenate(train), _sides(train))
        hits = fitted.predict(np.concatenate(test)) == _sides(test)
        return of_hits(int(hits.sum()), len(hits))


@final
class Logistic(ClassifierTest):
    """Accuracy of logistic regression that tells samples from data, on rows it did not see."""

    name = "c2st_logistic"
    stream = 2

    def classifier(self, n_train: int, size: int) -> Any:
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import PolynomialFeatures, StandardScaler

        products = PolynomialFeatures(degree=2 if size <= PRODUCTS else 1, include_bias=False)
        return make_pipeline(products, StandardScaler(), LogisticRegression(max_iter=ITERATIONS))


@final
class NearestNeighbors(ClassifierTest):
    """Accuracy of a vote of nearest neighbors that tells samples from data, on rows it did not see."""

    name = "c2st_neighbors"
    stream = 3

    def classifier(self, n_train: int, size: int) -> Any:
        from sklearn.neighbors import KNeighborsClassifier

        return KNeighborsClassifier(n_neighbors=max(1, int(n_train**0.5) // 2 * 2 - 1), algorithm="brute")


def of_hits(hits: int, n: int) -> MetricValue:
    """The share of hits among n, Wilson's interval, and how probable as many hits or more are by guessing."""
    from scipy.stats import binomtest

    test = binomtest(hits, n, 0.5, alternative="greater")
    low, high = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    p = hits / n
    return MetricValue(
        value=p, std_error=(p * (1 - p) / n) ** 0.5, interval=(float(low), float(high)), p_value=float(test.pvalue)
    )


def _sides(parts: list[Reals]) -> Reals:
    """1 for each row of the first part, 0 for each of the second."""
    return np.concatenate([np.ones(len(parts[0])), np.zeros(len(parts[1]))])
