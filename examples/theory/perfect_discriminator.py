r"""Fix G, train D: between thin supports D becomes perfect, and what it tells the generator vanishes.

Data lie on a segment of the plane, and so does what the generator makes, g_theta(z) = (theta, z), z ~ U(0, 1). Neither
has a density, and they meet nowhere, or in a point:

- a D* of accuracy 1 exists with grad D* = 0 on both, by Urysohn's lemma if they are disjoint (theorem 2.1), and almost
  everywhere on both if they cross (theorem 2.2): what D* would tell is constant;
- JSD = log 2 and both KL are infinite, however near they are (theorem 2.3);
- if D is near it, |D - D*| + |grad(D - D*)| < eps, and E |J_theta g_theta|^2 <= M^2, then (theorem 2.4)

      |grad_theta E log(1 - D(g_theta(z)))| <= M eps / (1 - eps)

  for the left is at most E |grad D| |J| / |1 - D|, and on what the generator makes D* = 0, grad D* = 0. Here M = 1.
  The eps printed is taken there alone, where the proof needs it.

The better D, the less the minimax loss tells. The non-saturating loss -log D has the gradient grad D / D in place of
grad D / (1 - D); with D = sigmoid(f) these are (1 - D) grad f and D grad f, and only the second has a factor that dies.

References:
    | Towards Principled Methods for Training GANs (Arjovsky & Bottou, 2017), https://arxiv.org/abs/1701.04862

python examples/theory/perfect_discriminator.py [OUT]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import inf
from pathlib import Path
from typing import NamedTuple

import torch
from figure import BLUE, RED, destination, panels, write
from matplotlib.figure import Figure
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from pushforward.models.adversarial.games import NonSaturating
from pushforward.models.networks.mlp import MLP

GAME = NonSaturating()  # its losses alone, without the penalty that would keep D from being perfect
THETA = 0.5
STEPS, EVERY = 600, 10
Z = (torch.arange(64, dtype=torch.float64) + 0.5) / 64  # in place of draws


def parallel(z: Tensor) -> Tensor:
    """Data that the generator meets nowhere."""
    return torch.stack([torch.zeros_like(z), z], 1)


def crossing(z: Tensor) -> Tensor:
    """Data that it meets in one point."""
    return torch.stack([z, z], 1)


class Progress(NamedTuple):
    """Of a discriminator, and what it tells the generator."""

    step: int
    accuracy: float
    minimax: float  # |grad_theta E log(1 - D)|
    non_saturating: float  # |grad_theta E -log D|
    bound: float  # M eps / (1 - eps)


def generator(theta: Tensor, z: Tensor) -> Tensor:
    """g_theta(z)."""
    return torch.stack([theta.expand_as(z), z], 1)


def new_discriminator(seed: int) -> MLP:
    """The score f of D = sigmoid(f)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return MLP((2,), (1,), width=32, depth=2, activation=nn.Tanh).double()


def trained(real: Tensor, fake: Tensor, seed: int = 0) -> Iterator[MLP]:
    """The discriminator before and after each step, of all rows."""
    f = new_discriminator(seed)
    adam = torch.optim.Adam(f.parameters(), lr=1e-2)
    yield f
    for _ in range(STEPS):
        adam.zero_grad()
        GAME.critic_loss(f(real), f(fake)).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        adam.step()
        yield f


def progress(step: int, f: MLP, real: Tensor) -> Progress:
    theta = torch.tensor(THETA, dtype=torch.float64, requires_grad=True)
    fake = generator(theta, Z)
    score = f(fake)
    right = torch.cat([f(real) > 0, score < 0])
    minimax, non_saturating = (
        float(torch.autograd.grad(loss, theta, retain_graph=True)[0].abs())
        for loss in (logsigmoid(-score).mean(), -logsigmoid(score).mean())
    )
    return Progress(step, float(right.double().mean()), minimax, non_saturating, bound(f, fake.detach()))


def bound(f: MLP, fake: Tensor) -> float:
    """M eps / (1 - eps), M = 1."""
    x = fake.requires_grad_()
    d = f(x).sigmoid()
    (slope,) = torch.autograd.grad(d.sum(), x)
    eps = (d[:, 0] + slope.norm(dim=1)).max().item()
    return eps / (1 - eps) if eps < 1 else inf


def history(support: Callable[[Tensor], Tensor]) -> list[Progress]:
    """Of one training."""
    real, fake = support(Z), generator(torch.tensor(THETA, dtype=torch.float64), Z)
    return [progress(step, f, real) for step, f in enumerate(trained(real, fake)) if step % EVERY == 0]


def draw() -> Figure:
    figure, (left, middle, right) = panels(3)
    x = torch.stack([torch.linspace(-0.25, 0.75, 61), torch.full((61,), 0.5)], 1).double()
    for step, f in enumerate(trained(parallel(Z), generator(torch.tensor(THETA, dtype=torch.float64), Z))):
        if step in {0, 20, 60, STEPS}:
            left.plot(x[:, 0], f(x).sigmoid()[:, 0].detach(), label=f"after {step} steps")
    for at, name in ((0, "data"), (THETA, "made")):
        left.axvline(at, color="gray", linestyle=":")
        left.text(at + 0.01, 0.5, name)
    left.set(xlabel="x₁", title="D across two parallel segments")
    left.legend(fontsize=7)

    parts = history(parallel)
    steps = [each.step for each in parts]
    middle.semilogy(steps, [each.non_saturating for each in parts], color=RED, label="|∇ E -log D|")
    middle.semilogy(steps, [each.bound for each in parts], color="gray", linestyle="--", label="Mε / (1 - ε)")
    middle.semilogy(steps, [each.minimax for each in parts], color=BLUE, label="|∇ E log(1 - D)|")
    middle.set(xlabel="steps of D", title="what it tells the generator")
    middle.minorticks_off()
    middle.legend()

    right.plot(steps, [each.accuracy for each in parts], label="parallel")
    right.plot(steps, [each.accuracy for each in history(crossing)], label="crossing")
    right.set(xlabel="steps of D", title="accuracy of D")
    right.legend()
    return figure


def main(out: Path) -> None:
    for at in history(parallel)[::EVERY]:
        print(
            f"step {at.step:3}  accuracy {at.accuracy:.3f}  |grad log(1 - D)| {at.minimax:.1e}"
            f"  bound {at.bound:.1e}  |grad -log D| {at.non_saturating:.2f}"
        )
    print(f"of crossing segments: accuracy {history(crossing)[-1].accuracy:.3f}")
    write(draw(), out)


if __name__ == "__main__":
    main(destination(__file__))
