r"""Baselines: log-likelihoods of held-out rows under models that are fitted at once. Trained models should exceed them.

    Gaussian              log N(x; mu, S),  S by Ledoit & Wolf's shrinkage of standardized columns
    independent columns   sum_j log p_j(x_j),  p_j a kernel density: (1/n) sum_i N(x_j; x_ij, h_j^2),
                          h_j = 0.9 min(s_j, IQR_j / 1.34) n^(-1/5)  (Silverman, 1986, eq. 3.31)

Data with levels y, a distance w apart, have probabilities (`models.flows.dequantization`). The Gaussian is fitted
to y + w (u - 1/2), u uniform, whose covariance is that of y and w^2 / 12 I, and gives the lower bound

    log P(y) >= E_u log N(y + w (u - 1/2); mu, S) + D log w = log N(y; mu, S) - w^2 / 24 tr S^-1 + D log w,

and a column has the frequencies of its levels, half a count added to each (Krichevsky & Trofimov, 1981).

Counts are levels without an end, w = 1. With n_k of N training rows at the count k, T different counts among them, and
g a negative binomial of the column's mean and variance (a Poisson where the variance is no larger), a column has

    p_j(k) = (n_k + T g(k)) / (N + T):

what was never seen weighs as much as there were new counts among those seen (method C of Witten & Bell, 1991), so a
column of few values has nearly its frequencies, and one whose counts hardly repeat has nearly g. Half a count is added
to the sum of a column, whose mean may otherwise be 0.

Numbers are float64 and of data units. A column that is constant in training is left out: it has no density.

Shrinkage alone leaves the covariance of rows that all lie as far from their mean, as flags that are as often 0 as 1 do,
singular where columns repeat each other: 1e-12 V is added to the variances of V standardized columns.

References:
    | A well-conditioned estimator for large-dimensional covariance matrices (Ledoit & Wolf, 2004),
    | doi:10.1016/S0047-259X(03)00096-4
    | Density Estimation for Statistics and Data Analysis (Silverman, 1986)
    | The performance of universal encoding (Krichevsky & Trofimov, 1981), doi:10.1109/TIT.1981.1056331
    | The zero-frequency problem (Witten & Bell, 1991), doi:10.1109/18.87000
"""

from __future__ import annotations

from dataclasses import dataclass
from math import log, pi
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray

from pushforward.models.distributions.counts import negative_binomial_log_prob
from pushforward.models.spec.data_spec import DataSpec

Floats = NDArray[np.float64]

MAX_ELEMENTS = 1024  # of a row, for a covariance
KERNELS = 1_000  # rows of a kernel density, at most
EVALUATIONS = 50_000_000  # of kernels, at most: a second or two
RIDGE = 1e-12  # for each column: more than what rounding takes from the least eigenvalue
LEAST_DISPERSION = 1e-7  # of counts: as good as a Poisson
LEAST = -1e300  # of the logarithm of a kernel: sums of many are finite


@final
@dataclass(frozen=True)
class GaussianBaseline:
    """A normal distribution of the varying columns, standardized; constant columns keep their values."""

    mean: Floats  # (D,) data units
    scale: Floats  # (D,) 0 where a column does not vary
    covariance: Floats  # (V, V) of the V varying columns, standardized
    bin_width: float  # of levels and counts, else 0

    @classmethod
    def fit(cls, rows: NDArray[Any], spec: DataSpec) -> GaussianBaseline:
        """Fit to training rows, (N, *shape)."""
        x = flat(rows)
        mean, scale = x.mean(0), standard_deviations(x)
        width = spec.bin_width if spec.discrete else 0.0
        varying = scale > 0
        covariance = shrunk_covariance((x[:, varying] - mean[varying]) / scale[varying])
        blur = (width / scale[varying]) ** 2 / 12 + RIDGE * len(covariance)
        return cls(mean, scale, covariance + np.diag(blur), width)

    def log_prob(self, rows: NDArray[Any]) -> Floats:
        """Log p, (n,) nats: of levels and counts a lower bound.  rows: (n, *shape)."""
        varying = self.scale > 0
        scale = self.scale[varying]
        z = (flat(rows)[:, varying] - self.mean[varying]) / scale
        root = np.linalg.cholesky(self.covariance)
        whitened = np.linalg.solve(root, z.T)  # (V, n)
        log_det = np.log(np.diag(root)).sum() + np.log(scale).sum()
        value = -0.5 * (whitened**2).sum(0) - log_det - 0.5 * len(scale) * log(2 * pi)
        if self.bin_width:
            inverse = np.linalg.inv(root)
            blur = ((inverse * self.bin_width / scale) ** 2).sum() / 24
            value = value - blur + len(scale) * log(self.bin_width)
        return np.asarray(value, np.float64)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """Rows, (n, D), data units."""
        varying = self.scale > 0
        x = np.tile(self.mean, (n, 1))
        z = rng.standard_normal((n, int(varying.sum()))) @ np.linalg.cholesky(self.covariance).T
        x[:, varying] += z * self.scale[varying]
        return x


def independent_columns(train: NDArray[Any], rows: NDArray[Any], spec: DataSpec) -> Floats:
    """Log p by the product of one density for each column, (n,) nats.  train: (N, *shape), rows: (n, *shape)."""
    if spec.counts:
        return independent_counts(flat(train), flat(rows))
    if spec.levels is None:
        return kernel_density(flat(train), flat(rows))
    low, width, n_levels = float(spec.low or 0.0), spec.bin_width, spec.levels
    known, asked = (np.rint((flat(x) - low) / width).astype(np.int64) for x in (train, rows))
    value = np.zeros(len(rows))
    for j in range(known.shape[1]):
        counts = np.bincount(known[:, j], minlength=n_levels)
        value += np.log((counts[asked[:, j]] + 0.5) / (len(known) + 0.5 * n_levels))
    return value


def independent_counts(train: Floats, rows: Floats) -> Floats:
    """Log p by the product of one distribution for each column, (n,) nats.  train: (N, D), rows: (n, D)."""
    n = len(train)
    mean, variance = (train.sum(0) + 0.5) / n, train.var(0)
    dispersion = np.maximum((variance - mean) / mean**2, LEAST_DISPERSION)
    log_mean, log_dispersion = (torch.from_numpy(np.log(each)).expand(rows.shape) for each in (mean, dispersion))
    g = negative_binomial_log_prob(log_mean, log_dispersion, torch.from_numpy(rows)).exp().numpy()
    value = np.zeros(len(rows))
    for j in range(rows.shape[1]):
        seen, times = np.unique(train[:, j], return_counts=True)
        place = np.searchsorted(seen, rows[:, j]).clip(max=len(seen) - 1)
        n_k = np.where(seen[place] == rows[:, j], times[place], 0)
        with np.errstate(divide="ignore"):
            value += np.log((n_k + len(seen) * g[:, j]) / (n + len(seen)))
    return value


def shrunk_covariance(x: Floats) -> Floats:
    r"""Ledoit & Wolf's estimate, (D, D), of columns whose mean is zero.  x: (n, D).

    With S = x^T x / n and ||A||^2 = tr(A A^T) / D,

        m = tr S / D,   d^2 = ||S - m I||^2,   b^2 = min(d^2, 1/n^2 sum_k ||x_k x_k^T - S||^2),   a^2 = d^2 - b^2.

    Not scikit-learn's, whose import would cost every training two seconds.
    """
    n, size = x.shape
    s = x.T @ x / n
    m = np.trace(s) / size
    d2 = np.square(s - m * np.eye(size)).sum() / size
    fourth = np.square(np.square(x).sum(1)).sum()  # sum_k ||x_k x_k^T||^2 D
    b2 = min(d2, max(0.0, (fourth / n - np.square(s).sum()) / n / size))
    return s if d2 == 0 else np.asarray((b2 * m * np.eye(size) + (d2 - b2) * s) / d2)


def flat(rows: NDArray[Any]) -> Floats:
    """Rows as vectors, (n, D) float64."""
    return rows.reshape(len(rows), -1).astype(np.float64)


def standard_deviations(x: Floats) -> Floats:
    """Standard deviations of columns, (D,); 0 where a column is constant, but for rounding.  x: (n, D)."""
    scale = x.std(0)
    return np.where(scale > 16 * np.spacing(np.abs(x).max(0)), scale, 0.0)


def kernel_density(train: Floats, rows: Floats) -> Floats:
    """Log p by the product of a kernel density for each column, (n,) nats.  train: (N, D), rows: (n, D)."""
    d, n = rows.shape[1], len(rows)
    train = train[: max(10, min(KERNELS, EVALUATIONS // (d * n)))]
    low, high = np.quantile(train, [0.25, 0.75], axis=0)
    scale = standard_deviations(train)
    narrow = np.where(high > low, np.minimum(scale, (high - low) / 1.34), scale)
    value = np.zeros(n)
    for j in np.flatnonzero(scale > 0):
        h = 0.9 * narrow[j] * len(train) ** -0.2
        with np.errstate(over="ignore"):
            log_kernel = np.maximum(-0.5 * ((rows[:, j, None] - train[:, j]) / h) ** 2, LEAST)
        top = log_kernel.max(1)
        value += top + np.log(np.exp(log_kernel - top[:, None]).mean(1)) - log(h) - 0.5 * log(2 * pi)
    return value
