r"""Data that no preset knows, for `benchmarks/defaults.py`: densities with their own log p, tables, pictures.

A density is a generator beside its log p, so that the mean of -log p over the test rows is the floor under every
model's. Most are a curve blurred by noise, p(x) = int N(x; gamma(t), sigma^2 I) dt, by the midpoint rule along t.

References:
    | Composing graphical models with neural networks (Johnson et al., 2016), arXiv:1603.06277: the pinwheel
    | FFJORD (Grathwohl et al., 2018), arXiv:1810.01367: spirals and rings
    | Slice sampling (Neal, 2003), doi:10.1214/aos/1056562461: the funnel
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import lgamma, log, pi

import numpy as np
from numpy.typing import NDArray
from sklearn import datasets

Floats = NDArray[np.float64]
Rng = np.random.Generator

TRAINING_ROWS, TEST_ROWS = 20_000, 5_000  # of a density
TEST_SHARE = 0.2  # of a table


@dataclass(frozen=True)
class Density:
    """A generator and its log p in nats."""

    draw: Callable[[int, Rng], Floats]
    log_prob: Callable[[Floats], Floats]


@dataclass(frozen=True)
class Split:
    """Rows to train on (of which a method may hold out some), rows to be judged by, and the floor where known."""

    train: Floats
    test: Floats
    floor_nats: float | None  # mean of -log p over the test rows
    binary: bool = False


def split(name: str, seed: int) -> Split:
    """The same rows for the same seed; a table is divided anew by each."""
    rng = np.random.default_rng([seed, 10])
    if name in TABLES:
        x = rng.permutation(np.asarray(TABLES[name](return_X_y=True)[0], float))
        n = round(TEST_SHARE * len(x))
        return Split(x[n:], x[:n], None)
    density = DENSITIES[name]
    train, test = density.draw(TRAINING_ROWS, rng), density.draw(TEST_ROWS, rng)
    return Split(train, test, -float(density.log_prob(test).mean()))


def blurred(curve: Callable[[Floats], Floats], spread: float, n_nodes: int = 2000) -> Density:
    """Points of a curve, its parameter uniform in [0, 1], with Gaussian noise."""
    nodes = curve((np.arange(n_nodes) + 0.5) / n_nodes)  # (T, D)

    def draw(n: int, rng: Rng) -> Floats:
        points = curve(rng.random(n))
        return points + spread * rng.standard_normal(points.shape)

    return Density(draw, lambda x: _mixture_log_prob(x, nodes, np.full(len(nodes), spread)))


def mixture(centers: Floats, spreads: Floats) -> Density:
    """Equally likely round Gaussians.  centers: (K, D), spreads: (K,)."""

    def draw(n: int, rng: Rng) -> Floats:
        which = rng.integers(len(centers), size=n)
        return centers[which] + spreads[which, None] * rng.standard_normal((n, centers.shape[1]))

    return Density(draw, lambda x: _mixture_log_prob(x, centers, spreads))


def pinwheel(x01: Floats) -> Floats:
    """Five bent arms: the parameter is the arm and, at random within it, the place along its radius."""
    arm, along = np.divmod(5 * x01, 1)
    radius = 0.3 + 1.9 * along
    angle = 2 * pi * arm / 5 + 0.25 * np.exp(radius)
    return 2 * np.stack([radius * np.cos(angle), radius * np.sin(angle)], 1)


def spirals(x01: Floats) -> Floats:
    """Two arms of one and a half turns."""
    arm, along = np.divmod(2 * x01, 1)
    t = 3 * pi * np.sqrt(along)
    return (1 - 2 * arm)[:, None] * np.stack([-np.cos(t) * t, np.sin(t) * t], 1) / 3


def rings(x01: Floats) -> Floats:
    """Four circles."""
    ring, along = np.divmod(4 * x01, 1)
    radius = 0.75 * (1 + ring)
    return np.asarray(radius[:, None] * np.stack([np.cos(2 * pi * along), np.sin(2 * pi * along)], 1))


def swiss_roll() -> Density:
    """A rolled sheet in three dimensions; its width is uniform and blurred too."""
    spread, width = 0.5, 21.0

    def roll(along: Floats) -> Floats:
        t = 1.5 * pi * (1 + 2 * along)
        return np.stack([t * np.cos(t), t * np.sin(t)], 1)

    flat = blurred(roll, spread)

    def draw(n: int, rng: Rng) -> Floats:
        sheet = width * rng.random(n) + spread * rng.standard_normal(n)
        return np.insert(flat.draw(n, rng), 1, sheet, axis=1)

    def log_prob(x: Floats) -> Floats:
        nodes = (np.arange(2000)[:, None] + 0.5) / 2000 * width
        return flat.log_prob(x[:, [0, 2]]) + _mixture_log_prob(x[:, [1]], nodes, np.full(2000, spread))

    return Density(draw, log_prob)


def gaussian(scales: Floats) -> Density:
    """Correlated: a random rotation of variances 1 to 1/30, then columns of these scales."""
    d = len(scales)
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((d, d)))[0]
    root = rotation * np.geomspace(1, 30, d) ** -0.5  # covariance = root root^T
    log_det = np.log(np.abs(np.linalg.det(root))) + np.log(scales).sum()

    def log_prob(x: Floats) -> Floats:
        z = np.linalg.solve(root, (x / scales).T)
        return np.asarray(-0.5 * (z**2).sum(0) - 0.5 * d * log(2 * pi) - log_det)

    return Density(lambda n, rng: (rng.standard_normal((n, d)) @ root.T) * scales, log_prob)


def funnel(d: int) -> Density:
    """Neal's: v ~ N(0, 3^2), and d - 1 elements x_i ~ N(0, e^v)."""

    def draw(n: int, rng: Rng) -> Floats:
        v = 3 * rng.standard_normal((n, 1))
        return np.hstack([v, np.exp(v / 2) * rng.standard_normal((n, d - 1))])

    def log_prob(x: Floats) -> Floats:
        v = x[:, 0]
        of_v = -0.5 * (v / 3) ** 2 - log(3) - 0.5 * log(2 * pi)
        square = (x[:, 1:] ** 2).sum(1) * np.exp(-v)
        return np.asarray(of_v - 0.5 * square - 0.5 * (d - 1) * (v + log(2 * pi)))

    return Density(draw, log_prob)


def student(d: int, nu: float) -> Density:
    """Student's t in d dimensions."""
    constant = lgamma((nu + d) / 2) - lgamma(nu / 2) - 0.5 * d * log(nu * pi)

    def draw(n: int, rng: Rng) -> Floats:
        return rng.standard_normal((n, d)) / np.sqrt(rng.chisquare(nu, (n, 1)) / nu)

    return Density(draw, lambda x: constant - 0.5 * (nu + d) * np.log1p((x**2).sum(1) / nu))


def _mixture_log_prob(x: Floats, centers: Floats, spreads: Floats) -> Floats:
    """Log mean_k N(x; center_k, spread_k^2 I), (N,).  x: (N, D)."""
    d = x.shape[1]
    total = np.empty(len(x))
    for first in range(0, len(x), 1000):
        some = x[first : first + 1000]
        square = ((some[:, None] - centers) ** 2).sum(-1) / spreads**2
        log_p = -0.5 * square - d * np.log(spreads) - 0.5 * d * log(2 * pi)
        top = log_p.max(1, keepdims=True)
        total[first : first + 1000] = top[:, 0] + np.log(np.exp(log_p - top).mean(1))
    return total


def _eight_tiny() -> Density:
    angle = np.arange(8) * pi / 4
    return mixture(3 * np.stack([np.cos(angle), np.sin(angle)], 1), np.geomspace(0.01, 0.5, 8))


DENSITIES: dict[str, Density] = {
    "pinwheel": blurred(pinwheel, 0.1),
    "spirals": blurred(spirals, 0.1),
    "rings": blurred(rings, 0.08),
    "swiss-roll": swiss_roll(),
    "gaussian-10d": gaussian(np.ones(10)),
    "gaussian-scales": gaussian(np.geomspace(1e-6, 1e6, 7)),
    "funnel-10d": funnel(10),
    "student-2d": student(2, 2.0),
    "student-5d": student(5, 3.0),
    "tiny-components": _eight_tiny(),
}
TABLES = {"iris": datasets.load_iris, "wine": datasets.load_wine, "breast-cancer": datasets.load_breast_cancer}
