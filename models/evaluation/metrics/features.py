r"""Distances between the features that a small classifier gives samples and rows of data. They are no FID and no KID.

The classifier is trained on the labeled training rows of the model's own data and frozen
(`models.evaluation.classifier`). Its features f, (n, F), have means m_x, m_y and covariances S_x, S_y, and

    FD_cnn = |m_x - m_y|^2 + tr(S_x + S_y - 2 (S_x S_y)^(1/2)),   the squared W_2 of Gaussians of these moments,
    KD_cnn = MMD^2 of k(f, g) = (f . g / F + 1)^3,                  unbiased, with a permutation test.

The trace of (S_x S_y)^(1/2) is the sum of the singular values of A^T B, where S_x = A A^T and S_y = B B^T. FD is biased
upwards, by about 1/n: values of different numbers of rows cannot be compared, those of a model, the floor and the
Gaussian in one report can. Numbers of different classifiers cannot be compared either: the report has its digest.

References:
    | The distance between two random vectors with given dispersion matrices (Olkin & Pukelsheim, 1982),
    | doi:10.1016/0024-3795(82)90112-4
    | GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash Equilibrium (Heusel et al., 2017),
    | https://arxiv.org/abs/1706.08500
    | Demystifying MMD GANs (Bińkowski et al., 2018), https://arxiv.org/abs/1801.01401
"""

from __future__ import annotations

from typing import final

import numpy as np

from pushforward.models.evaluation.metrics.kernel_tests import ROWS
from pushforward.models.evaluation.metrics.metric import Known, Metric, Reals, Side
from pushforward.models.evaluation.metrics.two_sample import kernel_test
from pushforward.models.storage.evaluation import MetricValue


@final
class FrechetDistance(Metric):
    """Fréchet distance between Gaussians of the moments of a classifier's features."""

    name = "FD_cnn"
    needs = ("labels", "images")

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        return MetricValue(value=frechet_distance(*(_features(side) for side in (samples, reference))))


@final
class KernelDistance(Metric):
    """Squared discrepancy of a classifier's features by a cubic kernel, unbiased, with a permutation test."""

    name = "KD_cnn"
    needs = ("labels", "images")

    def measure(self, samples: Side, reference: Side, known: Known) -> MetricValue:
        x, y = (_features(side)[:ROWS] for side in (samples, reference))
        return kernel_test(cubic_kernel(np.concatenate([x, y])), len(x), known.rng(6))


def frechet_distance(x: Reals, y: Reals) -> float:
    """The squared W_2 between Gaussians of these rows' moments.  x: (n, F), y: (m, F)."""
    centered = [(each - each.mean(0)) / np.sqrt(len(each) - 1) for each in (x, y)]
    shift = x.mean(0) - y.mean(0)
    traces = sum(float((each**2).sum()) for each in centered)
    roots = np.linalg.svd(_root(centered[0]) @ _root(centered[1]).T, compute_uv=False)
    return float(shift @ shift + traces - 2 * roots.sum())


def cubic_kernel(features: Reals) -> Reals:
    """(f_i . f_j / F + 1)^3, (N, N).  features: (N, F)."""
    return np.asarray((features @ features.T / features.shape[1] + 1) ** 3)


def _root(centered: Reals) -> Reals:
    """R, (r, F), with R^T R the covariance, r at most F.  centered: (n, F)."""
    return np.asarray(np.linalg.qr(centered, mode="r"))


def _features(side: Side) -> Reals:
    if side.features is None:
        raise ValueError("these rows have no features")
    return side.features
