r"""A good likelihood with bad samples, and good samples with a bad likelihood.

Likelihood without quality: of a hundred samples of

    p2 = 0.01 p + 0.99 noise

ninety-nine are noise, but log p2(x) >= log p(x) + log 0.01 at every x. Noise costs at most log 100 = 4.605 nats a row,
in any dimension, while log p itself grows with the dimension, as do the differences between models.

Quality without likelihood: a model that has learned its N training rows by heart,

    p1(x) = 1/N sum_n N(x; x_n, h^2 I)

draws samples that no one tells from data. With h -> 0 the training rows' log p1 goes to infinity, at least
-log N - D/2 log(2 pi h^2) each, and that of any other row x to -infinity, at most -min_n |x - x_n|^2 / 2 h^2 -
D/2 log(2 pi h^2). Held-out rows tell; samples do not.

References:
    | A note on the evaluation of generative models (Theis et al., 2016), https://arxiv.org/abs/1511.01844, section 3.2
    | PacGAN (Lin et al., 2017), https://arxiv.org/abs/1712.04086, for what a sample of high quality is

python examples/theory/likelihood_and_quality.py [OUT]
"""

from __future__ import annotations

from math import log, pi
from pathlib import Path

import numpy as np
from figure import RED, destination, dots, panels, write
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from scipy.special import logsumexp

from pushforward.models.data import EightGaussians
from pushforward.models.evaluation.sample_metrics import modes

Rows = NDArray[np.float64]  # (N, 2)
LogDensity = NDArray[np.float64]  # (N,)

DATA = EightGaussians()
CENTERS, SPREAD = DATA.centers.astype(np.float64), DATA.mode_std
NOISE = 10.0  # standard deviation
SHARE = 0.01  # of p in p2
BANDWIDTH = 0.01  # h
N, SHOWN = 1000, 100  # rows, and how many of them are drawn


def log_kernels(x: Rows, centers: Rows, h: float) -> LogDensity:
    """Log 1/N sum_n N(x; c_n, h^2 I)."""
    d = x.shape[1]
    square = cdist(x, centers, "sqeuclidean")
    constant = log(len(centers)) + d / 2 * log(2 * pi * h**2)
    log_density: LogDensity = logsumexp(-square / (2 * h**2), axis=1) - constant
    return log_density


def log_p(x: Rows) -> LogDensity:
    """Of the data: eight Gaussians on a circle."""
    return log_kernels(x, CENTERS, SPREAD)


def log_noise(x: Rows) -> LogDensity:
    return log_kernels(x, np.zeros((1, x.shape[1])), NOISE)


def log_p2(x: Rows) -> LogDensity:
    """Mostly noise."""
    return np.logaddexp(log(SHARE) + log_p(x), log(1 - SHARE) + log_noise(x))


def draw_p(n: int, rng: np.random.Generator) -> Rows:
    return DATA.draw(n, rng).astype(np.float64)


def draw_p2(n: int, rng: np.random.Generator) -> Rows:
    noisy = rng.random((n, 1)) >= SHARE
    return np.where(noisy, NOISE * rng.standard_normal((n, 2)), draw_p(n, rng))


def draw_p1(n: int, rng: np.random.Generator, rows: Rows, h: float) -> Rows:
    """Training rows, a little moved."""
    return rows[rng.integers(len(rows), size=n)] + h * rng.standard_normal((n, 2))


def quality(x: Rows) -> float:
    """The share of samples within three standard deviations of a mode: 98.889 % of the data's own."""
    return modes(x, CENTERS, SPREAD).high_quality


def draw() -> Figure:
    rng = np.random.default_rng(0)
    training, held_out = draw_p(N, rng), draw_p(N, rng)
    figure, (left, middle, right) = panels(3)
    by_heart, noisy = draw_p1(SHOWN, rng, training, BANDWIDTH), draw_p2(SHOWN, rng)
    for ax, x, side, name in ((left, by_heart, 6, f"p₁, h = {BANDWIDTH}"), (middle, noisy, 25, "p₂")):
        dots(ax, draw_p(SHOWN, rng), "gray", "p")
        dots(ax, x, RED, name)
        ax.set(xlim=(-side, side), ylim=(-side, side), aspect="equal")
        ax.legend(fontsize=7, loc="upper right")
    left.set_title(f"p₁: {log_kernels(held_out, training, BANDWIDTH).mean():.2f} nats, held-out rows")
    middle.set_title(f"p₂: {log_p2(held_out).mean():.2f} nats, held-out rows")

    h = np.geomspace(0.003, 3, 41)
    right.semilogx(h, [log_kernels(training, training, each).mean() for each in h], label="p₁, training rows")
    right.semilogx(h, [log_kernels(held_out, training, each).mean() for each in h], label="p₁, held-out rows")
    right.axhline(-DATA.entropy_nats, color="gray", linestyle="--", label="p")
    right.axhline(log_p2(held_out).mean(), color="gray", linestyle=":", label="p₂, held-out rows")
    right.set(xlabel="h", ylim=(-20, 5), title="mean log-likelihood, nats")
    right.minorticks_off()
    right.legend(loc="lower right", fontsize=7)
    return figure


def main(out: Path) -> None:
    rng = np.random.default_rng(0)
    training, held_out = draw_p(N, rng), draw_p(N, rng)
    samples = (draw_p(10_000, rng), draw_p2(10_000, rng), draw_p1(10_000, rng, training, BANDWIDTH))
    scores = (log_p(held_out), log_p2(held_out), log_kernels(held_out, training, BANDWIDTH))
    for name, x, log_density in zip(("p ", "p2", "p1"), samples, scores, strict=True):
        print(f"{name}  held-out log-likelihood {log_density.mean():9.3f} nats   high quality {quality(x):6.2%}")
    print(f"most that p2 loses on a row: {(scores[0] - scores[1]).max():.5f} nats,  log 100 = {log(100):.5f}")
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
