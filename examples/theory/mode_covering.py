r"""One Gaussian fitted to two modes: which divergence covers both, and which seeks one.

    q = N(mu, sigma^2),    p = w N(-a, s^2) + (1 - w) N(a, s^2)

KL(p, q), maximum likelihood, is infinite where q leaves out what p has: q covers. In mu and sigma it is

    KL(p, q) = -H(p) + log sigma + E_p (x - mu)^2 / 2 sigma^2 + const,   least at mu = E_p x, sigma^2 = Var_p x

so the fit matches moments, whatever p is. KL(q, p) is infinite where q has what p leaves out: q seeks. On one mode of
weight w, far from the other, q / p = 1 / w and the fit costs log(1 / w), which no other place undercuts. JSD is bounded
by log 2 and forgives both: the spread of its fit lies between the two, nearer to that of KL(p, q) while modes are near,
to that of KL(q, p) when they are far; in between it jumps.

References:
    | A note on the evaluation of generative models (Theis et al., 2016), arXiv:1511.01844, figure 1
    | Divergence measures and message passing (Minka, 2005), MSR-TR-2005-173

python examples/theory/mode_covering.py [OUT]
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from divergences import X, integral, jsd, kl, log_mixture, log_normal
from figure import destination, panels, write
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import minimize
from torch import Tensor

Divergence = Callable[[Tensor, Tensor], Tensor]  # of log p and log q at X

W, S = 0.6, 0.6
NEAR, FAR = 2.0, 2.5  # a, on either side of where JSD changes sides


class Fit(NamedTuple):
    """The nearest Gaussian, and how far it is."""

    mu: float
    sigma: float
    distance: float


def two_modes(a: float) -> Tensor:
    return log_mixture(X, (W, 1 - W), (-a, a), S)


def reverse_kl(log_p: Tensor, log_q: Tensor) -> Tensor:
    return kl(log_q, log_p)


DIVERGENCES: dict[str, Divergence] = {"KL(p, q)": kl, "KL(q, p)": reverse_kl, "JSD(p, q)": jsd}
DASHED = {"JSD(p, q)": "--"}  # over the other two, where it is one of them


def moments(log_p: Tensor) -> tuple[float, float]:
    """Mean and standard deviation."""
    p = log_p.exp()
    mean = integral(X * p)
    return float(mean), math.sqrt(integral((X - mean) ** 2 * p))


def descended(divergence: Divergence, log_p: Tensor, mu: float, sigma: float) -> Fit:
    """The local minimum that is reached from a start, over mu and log sigma."""

    def with_gradient(at: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        parameters = torch.tensor(at, requires_grad=True)
        distance = divergence(log_p, log_normal(X, parameters[0], parameters[1].exp()))
        (gradient,) = torch.autograd.grad(distance, parameters)
        return distance.item(), gradient.numpy()

    # sigma stays wide enough to be integrated
    bounds = [(-10, 10), (math.log(5e-2), math.log(10))]
    found = minimize(with_gradient, (mu, math.log(sigma)), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-14)
    return Fit(float(found.x[0]), math.exp(found.x[1]), float(found.fun))


def nearest(divergence: Divergence, a: float) -> Fit:
    """The best of the minima that are reached from either mode and from all of p."""
    log_p = two_modes(a)
    starts = [(-a, S), (a, S), moments(log_p)]
    return min((descended(divergence, log_p, *start) for start in starts), key=lambda fit: fit.distance)


def draw() -> Figure:
    figure, (*axes, right) = panels(3)
    seen = (X.abs() <= 4.5).nonzero()[::7, 0]
    at = X[seen]
    for ax, a in zip(axes, (NEAR, FAR), strict=True):
        ax.fill(at, two_modes(a).exp()[seen], color="lightgray", label="p")
        for name, divergence in DIVERGENCES.items():
            fit = nearest(divergence, a)
            ax.plot(at, log_normal(at, fit.mu, fit.sigma).exp(), DASHED.get(name, "-"), label=f"least {name}")
        ax.set(xlabel="x", ylim=(0, 0.8), title=f"p and the nearest Gaussians, a = {a:g}")
        ax.legend(loc="upper right", fontsize=7)
    apart = np.linspace(0.2, 3, 29)
    for name, divergence in DIVERGENCES.items():
        right.plot(apart, [nearest(divergence, a).sigma for a in apart], DASHED.get(name, "-"), label=f"least {name}")
    right.axhline(S, color="gray", linestyle=":", label="of one mode")
    right.set(xlabel="a, half the distance of the modes", title="σ of the nearest Gaussian")
    right.legend(fontsize=7)
    return figure


def main(out: Path) -> None:
    for a in (NEAR, FAR):
        mean, spread = moments(two_modes(a))
        print(f"a = {a:g}              mean {mean:8.5f}   std   {spread:.5f}")
        for name, divergence in DIVERGENCES.items():
            fit = nearest(divergence, a)
            print(f"  least {name:9}  mu   {fit.mu:8.5f}   sigma {fit.sigma:.5f}   {name} = {fit.distance:.5f} nats")
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
