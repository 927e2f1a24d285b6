r"""What the generator of a GAN descends, once its discriminator is the best one.

A generator g_theta(z) has the density q_theta. At theta_0 the discriminator is D* = p / (p + q_theta_0), and it is held
while theta moves. Two losses are in use:

    minimax          E_z log(1 - D*(g_theta(z))),    gradient at theta_0:  grad 2 JSD(p, q_theta)
    non-saturating  -E_z log D*(g_theta(z)),         gradient at theta_0:  grad [KL(q_theta, p) - 2 JSD(p, q_theta)]

The first: D -> V(D, q_theta) is largest at D*, so by the envelope theorem the partial gradient of V at D* is that of
max_D V = 2 JSD - log 4. The second, with D* / (1 - D*) = p / q_theta_0:

    -log D* = log(q_theta_0 / p) - log(1 - D*)
    grad E_z log(q_theta_0 / p)(g_theta(z)) = grad KL(q_theta, p) - grad KL(q_theta, q_theta_0) = grad KL(q_theta, p)

for KL(q_theta, q_theta_0) is least at theta_0; the first loss gives the rest. Far from the data the minimax gradient
dies and this one grows. The KL is the reverse one, which forgives modes that are left out. The JSD has the sign of a
repulsion, but takes less than the KL gives: with m = (p + q) / 2

    KL(q, p) - 2 JSD(p, q) = int q log(q / p) - p log(p / m) - q log(q / m) = int (p + q) log(m / p) = 2 KL(m, p)

is a divergence itself, 0 where q = p and only there.

References:
    | Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), arXiv:1701.04862, theorem 2.5
    | Generative Adversarial Nets (Goodfellow et al., 2014), arXiv:1406.2661, section 3
    | Non-saturating GAN training as divergence minimization (Shannon et al., 2020), arXiv:2010.08029

python examples/theory/non_saturating_gradient.py [OUT]
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from divergences import X, integral, jsd, kl, log_mixture, log_normal
from figure import BLUE, RED, destination, panels, write
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import logsigmoid

LogDensity = Callable[[Tensor], Tensor]  # of data, at points


class Gradients(NamedTuple):
    """With respect to theta."""

    minimax: float
    non_saturating: float


def one_mode(x: Tensor) -> Tensor:
    """Log N(x; 0, 1)."""
    return log_normal(x)


def two_modes(x: Tensor) -> Tensor:
    return log_mixture(x, (0.5, 0.5), (-3.0, 3.0), 1.0)


def of_the_losses(theta_0: float, log_p: LogDensity) -> Gradients:
    """Left-hand sides: through the samples theta + z of a generator, z ~ N(0, 1), D* held."""
    theta = torch.tensor(theta_0, dtype=torch.float64, requires_grad=True)
    z, weight = X, log_normal(X).exp()
    f = log_p(theta + z) - log_normal(theta + z, theta_0)  # the logit of D*
    minimax = integral(weight * logsigmoid(-f))  # log(1 - D*)
    non_saturating = integral(weight * -logsigmoid(f))  # -log D*
    return Gradients(*(derivative(loss, theta) for loss in (minimax, non_saturating)))


def of_the_divergences(theta_0: float, log_p: LogDensity) -> Gradients:
    """Right-hand sides: through the density q_theta = N(theta, 1)."""
    theta = torch.tensor(theta_0, dtype=torch.float64, requires_grad=True)
    log_q = log_normal(X, theta)
    twice_jsd = 2 * jsd(log_p(X), log_q)
    return Gradients(derivative(twice_jsd, theta), derivative(kl(log_q, log_p(X)) - twice_jsd, theta))


def derivative(y: Tensor, theta: Tensor) -> float:
    (gradient,) = torch.autograd.grad(y, theta, retain_graph=True)
    return float(gradient)


def draw() -> Figure:
    figure, (left, right) = panels(2)
    at = torch.linspace(0, 6, 61).tolist()
    losses = [of_the_losses(theta, one_mode) for theta in at]
    divergences = [of_the_divergences(theta, one_mode) for theta in at[::6]]
    left.plot(at, [each.minimax for each in losses], label="of E log(1 - D*)")
    left.plot(at[::6], [each.minimax for each in divergences], "o", color=BLUE, label="of 2 JSD")
    left.plot(at, [each.non_saturating for each in losses], color=RED, label="of -E log D*")
    left.plot(at[::6], [each.non_saturating for each in divergences], "o", color=RED, label="of KL - 2 JSD")
    left.set(xlabel="θ", title="gradients: p = N(0, 1), q = N(θ, 1)")
    left.legend()

    shifts = torch.linspace(-6, 6, 121).tolist()
    log_p, log_q = two_modes(X), [log_normal(X, theta) for theta in shifts]
    right.plot(shifts, [2 * float(jsd(log_p, q)) for q in log_q], label="2 JSD")
    right.plot(shifts, [float(kl(q, log_p) - 2 * jsd(log_p, q)) for q in log_q], label="KL - 2 JSD")
    right.set(xlabel="θ", title="where p has modes at -3 and 3")
    right.legend()
    return figure


def main(out: Path) -> None:
    for name, log_p in (("N(0, 1)", one_mode), ("two modes", two_modes)):
        losses, divergences = of_the_losses(1.0, log_p), of_the_divergences(1.0, log_p)
        print(f"p = {name}, q = N(1, 1)")
        print(f"  grad E log(1 - D*) = {losses.minimax:.8f},  grad 2 JSD        = {divergences.minimax:.8f}")
        print(
            f"  grad -E log D*     = {losses.non_saturating:.8f},  grad [KL - 2 JSD] = {divergences.non_saturating:.8f}"
        )
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
