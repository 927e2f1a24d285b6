r"""The best discriminator between data p and a generator q, and what the game is worth to it.

    V(D) = E_p log D(x) + E_q log(1 - D(x)) = int p log D + q log(1 - D)

At each x the integrand a log D + b log(1 - D) is concave in D and largest at D = a / (a + b). Hence

    D* = p / (p + q)                                                                        (proposition 1)

and, since D* = p / 2m and 1 - D* = q / 2m for m = (p + q) / 2,

    V(D*) = KL(p, m) + KL(q, m) - 2 log 2 = 2 JSD(p, q) - log 4                             (theorem 1)

which is least, -log 4, where p = q and D* = 1/2; where p and q are never both positive it is 0. As an f-divergence,
f(u) = u log u - (u + 1) log(u + 1), it has f(1) = -log 4: the zero of a divergence is not its zero.
D is the sigmoid of a score f, so the best score is log p - log q.

References:
    | Generative Adversarial Nets (Goodfellow et al., 2014), https://arxiv.org/abs/1406.2661
    | f-GAN (Nowozin et al., 2016), https://arxiv.org/abs/1606.00709, table 1

python examples/theory/optimal_discriminator.py [OUT]
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
from divergences import X, integral, jsd, log_normal
from figure import RED, destination, panels, write
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import logsigmoid

THETA = 1.0  # p = N(0, 1), q = N(theta, 1)
LOG_4 = math.log(4)


def best_score(log_p: Tensor, log_q: Tensor) -> Tensor:
    """The logit of D*."""
    return log_p - log_q


def value(f: Tensor, log_p: Tensor, log_q: Tensor) -> Tensor:
    """V(D) of D = sigmoid(f)."""
    return integral(log_p.exp() * logsigmoid(f) + log_q.exp() * logsigmoid(-f))


def best_value(theta: float) -> float:
    """V(D*) between N(0, 1) and N(theta, 1)."""
    log_p, log_q = log_normal(X), log_normal(X, theta)
    return float(value(best_score(log_p, log_q), log_p, log_q))


def draw(theta: float) -> Figure:
    figure, (left, middle, right) = panels(3)
    log_p, log_q = log_normal(X), log_normal(X, theta)
    f, seen = best_score(log_p, log_q), (X.abs() <= 5).nonzero()[::5, 0]
    left.plot(X[seen], log_p.exp()[seen], label="p, data")
    left.plot(X[seen], log_q.exp()[seen], label="q, generator")
    left.plot(X[seen], f.sigmoid()[seen], label="D* = p / (p + q)")
    left.set(xlabel="x", title="the best discriminator")
    left.legend(loc="upper right", fontsize=7)

    sharpness = torch.linspace(0, 3, 61).tolist()
    middle.plot(sharpness, [float(value(c * f, log_p, log_q)) for c in sharpness])
    middle.plot(1, best_value(theta), "o", color=RED, label="D*")
    middle.set(xlabel="c", title="V of the score c (log p - log q)")
    middle.legend()

    shifts = torch.linspace(-6, 6, 97).tolist()
    right.plot(shifts, [best_value(each) for each in shifts], label="V(D*)")
    equal = [2 * float(jsd(log_p, log_normal(X, each))) - LOG_4 for each in shifts[::8]]
    right.plot(shifts[::8], equal, "o", label="2 JSD - log 4")
    right.axhline(0, color="gray", linestyle=":", label="0, nothing in common")
    right.axhline(-LOG_4, color="gray", linestyle="--", label="-log 4, equal")
    right.set(xlabel="θ", ylim=(-1.5, 0.9), title="p = N(0, 1), q = N(θ, 1)")
    right.legend(loc="upper center", fontsize=7)
    return figure


def main(out: Path) -> None:
    divergence = float(jsd(log_normal(X), log_normal(X, THETA)))
    print(f"JSD(N(0, 1), N({THETA:g}, 1)) = {divergence:.8f}")
    print(f"V(D*) = {best_value(THETA):.8f},  2 JSD - log 4 = {2 * divergence - LOG_4:.8f}")
    print(f"V(D*) of equals = {best_value(0.0):.8f},  -log 4 = {-LOG_4:.8f}")
    write(draw(THETA), out)


if __name__ == "__main__":
    main(destination(__file__))
