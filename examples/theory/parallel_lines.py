r"""Two parallel segments: a distance that tells how far they are, and divergences that do not.

    P_0: (0, z),    P_theta: (theta, z),    z ~ U(0, 1)

    W(P_0, P_theta)   = |theta|                                   continuous in theta, with the gradient sgn theta
    JSD(P_0, P_theta) = log 2 where theta != 0, 0 at theta = 0    its gradient is 0 almost everywhere
    KL(P_theta, P_0)  = inf   where theta != 0, 0 at theta = 0    and so is KL(P_0, P_theta)

W is proved between two bounds that meet. A pairing costs no less than the best one: z with z costs |theta|. And by
Kantorovich and Rubinstein no 1-Lipschitz f parts the two by more than W:

    E_theta f - E_0 f <= W <= E |x - y|,      attained by f(x) = sgn(theta) x_1

On the other two: the segments share no point, so the mixture m has at each point just half of one of them.
Everything is computed between n equally probable points of each segment, for which all three are the same numbers.

References:
    | Wasserstein GAN (Arjovsky et al., 2017), https://arxiv.org/abs/1701.07875, example 1

python examples/theory/parallel_lines.py [OUT]
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from figure import GREEN, RED, destination, panels, write
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import rel_entr

Points = NDArray[np.float64]  # (n, 2)

N = 100
LOG_2 = float(np.log(2))


def segment(theta: float, n: int = N) -> Points:
    """Equally probable points of P_theta."""
    z = (np.arange(n) + 0.5) / n
    return np.stack([np.full(n, theta), z], 1)


def wasserstein(x: Points, y: Points) -> float:
    """W1 between equally many points: the mean distance of the best pairing."""
    distance = cdist(x, y)
    return float(distance[linear_sum_assignment(distance)].mean())


def critic(theta: float, x: Points) -> NDArray[np.float64]:
    """f(x) = sgn(theta) x_1."""
    f: NDArray[np.float64] = np.sign(theta) * x[:, 0]
    return f


def dual(theta: float, x: Points, y: Points) -> float:
    """E_y f - E_x f, at most W."""
    return float(critic(theta, y).mean() - critic(theta, x).mean())


def probabilities(x: Points, y: Points) -> NDArray[np.float64]:
    """Of the points of x and of y, on the points of both, (2, at most 2 n)."""
    _, which = np.unique(np.concatenate([x, y]), axis=0, return_inverse=True)
    counts = [np.bincount(part, minlength=which.max() + 1) for part in (which[: len(x)], which[len(x) :])]
    return np.stack([counts[0] / len(x), counts[1] / len(y)])


def kl(x: Points, y: Points) -> float:
    """KL(P_x, P_y), infinite where x has a point that y lacks."""
    p, q = probabilities(x, y)
    return float(rel_entr(p, q).sum())


def jsd(x: Points, y: Points) -> float:
    p, q = probabilities(x, y)
    m = (p + q) / 2
    return float(rel_entr(p, m).sum() + rel_entr(q, m).sum()) / 2


def draw() -> Figure:
    figure, (left, right) = panels(2)
    shift = 0.6
    for at, name in ((0.0, "P₀, data"), (shift, "P_θ, generator")):
        left.plot(*segment(at).T, label=name, linewidth=3)
    left.annotate("", (shift, 0.5), (0, 0.5), arrowprops={"arrowstyle": "<->", "color": "gray"})
    left.text(shift / 2, 0.53, "|θ|", horizontalalignment="center")
    left.set(
        xlabel="x₁",
        ylabel="x₂",
        xlim=(-0.4, 1),
        ylim=(-0.1, 1.45),
        xticks=(0, 0.5, 1),
        yticks=(0, 0.5, 1),
        title="two segments of the plane",
    )
    left.legend(loc="upper center", ncols=2)

    thetas = np.linspace(-1, 1, 41)
    data = segment(0)
    right.plot(thetas, [wasserstein(data, segment(theta)) for theta in thetas], label="W")
    top = 1.25  # where infinity is drawn
    for color, name, divergence in ((RED, "JSD", jsd), (GREEN, "KL", kl)):
        height = np.minimum([divergence(data, segment(theta)) for theta in thetas], top)
        for side in (thetas < 0, thetas > 0):
            right.plot(thetas[side], height[side], color=color, label=name if side[0] else None)
        right.plot(0, height[thetas == 0], "o", color=color)
    right.axhline(0, color="gray", linewidth=0.8)
    right.set_yticks([0, 0.5, LOG_2, 1, top], ["0", "0.5", "log 2", "1", "∞"])
    right.set(xlabel="θ", title="between P₀ and P_θ")
    right.legend(loc="lower right")
    return figure


def main(out: Path) -> None:
    data = segment(0)
    print(" theta        W     dual      JSD       KL")
    for theta in (-1.0, -0.5, -0.1, 0.0, 0.1, 0.5, 1.0):
        made = segment(theta)
        numbers = (wasserstein(data, made), dual(theta, data, made), jsd(data, made), kl(data, made))
        print(f"{theta:6.2f}" + "".join(f" {number:8.5f}" for number in numbers))
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
