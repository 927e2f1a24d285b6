r"""Two ways to the gradient of an expectation, of one mean and of different variance.

    d/dm E_{N(m, 1)} z^2 = 2 m,       z = m + e,  e ~ N(0, 1)

    reparameterization   d/dm (m + e)^2             = 2 (m + e)             variance 4
    REINFORCE            z^2 d/dm log N(z; m, 1)    = (m + e)^2 e           variance m^4 + 14 m^2 + 15: 30 at m = 1

by E e^2 = 1, E e^4 = 3, E e^6 = 15 and odd moments that are 0. A baseline b that does not look at z leaves the mean,
for E d log N = 0, and takes from the variance

    ((m + e)^2 - b) e:    m^4 + 14 m^2 + 15 - 2 b (m^2 + 3) + b^2

    b = E f = m^2 + 1     8 m^2 + 10                18 at m = 1
    b = m^2 + 3           8 m^2 + 6                 14, the least
    of two draws each is the other's baseline, their mean:  (f_1 - f_2)(e_1 - e_2) / 2, variance 8 m^2 + 6 as well,
                          where two draws without a baseline have 15, and by reparameterization 2

The code takes the gradients of the library's estimators by autograd at the nodes of a Gauss-Hermite rule, which
integrates these polynomials exactly.

References:
    | Simple Statistical Gradient-Following Algorithms (Williams, 1992), doi:10.1007/BF00992696
    | Auto-Encoding Variational Bayes (Kingma & Welling, 2013), https://arxiv.org/abs/1312.6114
    | Buy 4 REINFORCE Samples, Get a Baseline for Free! (Kool et al., 2019), openreview r1lgTGL5DE
    | Monte Carlo Gradient Estimation in Machine Learning (Mohamed et al., 2019), https://arxiv.org/abs/1906.10652

python examples/theory/gradient_variance.py [OUT]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from figure import BLUE, PURPLE, destination, panels, write
from matplotlib.figure import Figure
from torch import Tensor

from pushforward.models.variational.score_function import leave_one_out, score_function

Gradient = Callable[[float, Tensor], Tensor]  # of m and e, (k, B), the mean of k draws, (B,)
M = 1.0
NODES = 12  # exact for polynomials of e up to e^23


def reparameterized(m: float, e: Tensor) -> Tensor:
    at = parameter(m, e)
    return derivative(((at + e) ** 2).mean(0), at)


def reinforce(m: float, e: Tensor, baseline: Callable[[Tensor], Tensor | float] = lambda f: 0.0) -> Tensor:
    """The baseline is a number, or is made of f, (k, B), without a draw's own."""
    at = parameter(m, e)
    z = (at + e).detach()
    f = z**2
    return derivative(score_function(f, -0.5 * (z - at) ** 2, baseline(f)).mean(0), at)


def with_the_mean(m: float, e: Tensor) -> Tensor:
    """B = E f."""
    return reinforce(m, e, lambda f: m**2 + 1)


def with_the_best(m: float, e: Tensor) -> Tensor:
    """B = E f e^2 / E e^2."""
    return reinforce(m, e, lambda f: m**2 + 3)


def with_the_others(m: float, e: Tensor) -> Tensor:
    return reinforce(m, e, leave_one_out)


def parameter(m: float, e: Tensor) -> Tensor:
    """One m for each column of draws, so that each has a gradient of its own."""
    return torch.full(e.shape[1:], m, dtype=torch.float64, requires_grad=True)


def derivative(f: Tensor, at: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(f.sum(), at)
    return gradient


def mean_and_variance(gradient: Gradient, m: float, k: int = 1) -> tuple[float, float]:
    """Over k independent draws of e."""
    node, weight = (torch.from_numpy(each) for each in np.polynomial.hermite_e.hermegauss(NODES))
    e = torch.cartesian_prod(*[node] * k).reshape(-1, k).T
    probability = torch.cartesian_prod(*[weight / weight.sum()] * k).reshape(-1, k).prod(1)
    g = gradient(m, e)
    mean = probability @ g
    return float(mean), float(probability @ (g - mean) ** 2)


ESTIMATORS: dict[str, tuple[Gradient, int]] = {
    "REINFORCE": (reinforce, 1),
    "REINFORCE, b = E f": (with_the_mean, 1),
    "REINFORCE, best b": (with_the_best, 1),
    "reparameterization": (reparameterized, 1),
}
OF_TWO: dict[str, tuple[Gradient, int]] = {
    "REINFORCE, two draws": (reinforce, 2),
    "REINFORCE, two draws, each the other's b": (with_the_others, 2),
    "reparameterization, two draws": (reparameterized, 2),
}


def draw() -> Figure:
    figure, (left, right) = panels(2)
    e = torch.randn(1, 100_000, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    bins = np.linspace(-10, 20, 61)
    at = np.linspace(-3, 3, 25)
    for name, (gradient, k) in ESTIMATORS.items():
        if name in {"REINFORCE", "reparameterization"}:
            color = BLUE if name == "REINFORCE" else PURPLE
            share = np.histogram(gradient(M, e).numpy(), bins)[0] / (e.numel() * np.diff(bins))
            left.plot(bins[:-1], share, drawstyle="steps-post", color=color, label=name)
        right.semilogy(at, [mean_and_variance(gradient, m, k)[1] for m in at], label=name)
    left.axvline(2 * M, color="gray", linestyle="--", label="2 m")
    left.set(xlabel="gradient of one draw", yscale="log", title=f"densities at m = {M:g}")
    left.minorticks_off()
    left.legend(fontsize=7)
    right.set(xlabel="m", ylim=(2, 400), title="variance of the gradient of one draw")
    right.minorticks_off()
    right.legend(fontsize=7, loc="upper center")
    return figure


def main(out: Path) -> None:
    for name, (gradient, k) in {**ESTIMATORS, **OF_TWO}.items():
        mean, variance = mean_and_variance(gradient, M, k)
        print(f"{name:41} mean {mean:.6f}   variance {variance:.6f}")
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
