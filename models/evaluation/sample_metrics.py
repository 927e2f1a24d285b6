r"""How far samples are from data, in numbers that need no pretrained network.

    W1(x, y) = int_0^1 |F_x^{-1}(q) - F_y^{-1}(q)| dq,   one-dimensional samples of any two sizes
    SW(x, y) = E_theta W1(<theta, x>, <theta, y>),        theta uniform on the sphere

Mode protocol of PacGAN: a sample within three standard deviations of a mode is of high quality and hits that mode.
A perfect sampler of round Gaussians in the plane has 1 - exp(-9/2) = 98.889 % of high quality.

Example:
    >>> from math import log
    >>> import numpy as np
    >>> from pushforward.models.evaluation.sample_metrics import bits_per_dim, wasserstein_1d
    >>> wasserstein_1d(np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]]))
    array([1.])
    >>> bits_per_dim(-784 * log(2), 784)
    1.0

References:
    | Wasserstein Barycenter and Its Application to Texture Mixing (Rabin et al., 2011)
    | PacGAN: The power of two samples in generative adversarial networks (Lin et al., 2017), arXiv:1712.04086
"""

from __future__ import annotations

from math import log, nan
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Reals = NDArray[np.floating[Any]]


class Modes(NamedTuple):
    """Which modes of a mixture samples reach."""

    found: int  # modes hit at least once
    high_quality: float  # share of samples that hit a mode
    hits: NDArray[np.int64]  # samples that hit each mode


def wasserstein_1d(x: Reals, y: Reals) -> NDArray[np.float64]:
    """W1 of each column, (P,), exact.  x: (n, P), y: (m, P)."""
    x, y = np.sort(np.asarray(x, np.float64), axis=0), np.sort(np.asarray(y, np.float64), axis=0)
    n, m = len(x), len(y)
    # Both quantile functions are constant between the multiples of 1/n and of 1/m; counted in units of 1/(n m).
    edges = np.union1d(np.arange(n + 1) * m, np.arange(m + 1) * n)
    left, width = edges[:-1], np.diff(edges)
    distance: NDArray[np.float64] = width @ np.abs(x[left // m] - y[left // n]) / (n * m)
    return distance


def sliced_wasserstein(x: Reals, y: Reals, *, projections: int = 256, seed: int = 0) -> float:
    """SW between samples, in the units of the data.  x: (n, ...), y: (m, ...), rows of one shape.

    NaN where a number of either is not finite.
    """
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        return nan
    theta = directions(x.shape[1], projections, np.random.default_rng(seed))
    return float(wasserstein_1d(x @ theta, y @ theta).mean())


def directions(size: int, n: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Directions that are uniform on the sphere, (D, n)."""
    theta = rng.standard_normal((size, n))
    return np.asarray(theta / np.linalg.norm(theta, axis=0))


def modes(x: Reals, centers: Reals, mode_std: float) -> Modes:
    """Mode protocol.  x: (n, D), centers: (M, D); `mode_std` is the standard deviation of every mode."""
    distance = np.linalg.norm(x[:, None].astype(np.float64) - centers, axis=2)  # (n, M)
    nearest = distance.argmin(1)
    near = distance.min(1) < 3 * mode_std
    hits = np.bincount(nearest[near], minlength=len(centers))
    return Modes(int((hits > 0).sum()), float(near.mean()), hits)


def bits_per_dim(log_prob_nats: float, size: int) -> float:
    """-log2 p per element; `log_prob_nats` is that of a row of `size` elements on its levels."""
    return -log_prob_nats / (size * log(2))
