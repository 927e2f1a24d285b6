"""Sides of comparisons for the tests of metrics: rows, and what a metric may know beside them."""

import numpy as np

from pushforward.models.evaluation.metrics.metric import Classify, Known, KnownModes, Labels, Reals, Side

CENTERS = np.stack([np.cos(np.arange(8) * np.pi / 4), np.sin(np.arange(8) * np.pi / 4)], 1)
RING = KnownModes(CENTERS, 0.01)  # variance 1e-4, as in PacGAN's ring


def side(x: Reals, labels: Labels | None = None, places: Labels | None = None) -> Side:
    """Rows in their own units; features and labels as a classifier that knows them would find."""
    return Side(x, x, labels, labels, x, places)


def normal(n: int, size: int = 2, *, seed: int, shift: float = 0.0) -> Reals:
    return shift + np.random.default_rng(seed).standard_normal((n, size))


def ring(n: int, seed: int) -> tuple[Reals, Labels]:
    """Rows of the ring, and their modes."""
    rng = np.random.default_rng(seed)
    which = rng.integers(8, size=n)
    return CENTERS[which] + RING.std * rng.standard_normal((n, 2)), which


def nearest_centroid(x: Reals, labels: Labels) -> Classify:
    """A classifier: the label whose mean is nearest."""
    known = np.unique(labels)
    means = np.stack([x[labels == label].mean(0) for label in known])
    return lambda rows: known[((rows[:, None] - means) ** 2).sum(2).argmin(1)]


def known(training: Reals | None = None, seed: int = 0) -> Known:
    return Known(side(normal(1_000, seed=99) if training is None else training), seed, RING, nearest_centroid)
