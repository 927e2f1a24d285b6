"""Penalties of a linear critic, whose slope is its weight everywhere (float64)."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from pushforward.models.adversarial.regularizers import R1, R2, Drift, GradientPenalty
from pushforward.models.adversarial.regularizers.regularizer import CriticPenalty, Scored
from tests.models.adversarial.gaussians import some


def linear(w: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x.flatten(1) @ w[:, None]


def value(penalty: CriticPenalty, critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    real, fake = real.clone().requires_grad_(), fake.clone().requires_grad_()
    rng = torch.Generator().manual_seed(0)
    return penalty.value(critic, lambda scores: scores, Scored(real, critic(real)), Scored(fake, critic(fake)), rng)


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_the_penalties_of_a_linear_critic_are_known(shape: tuple[int, ...]) -> None:
    """T47: GP = lambda (|w| - c)^2, R1 = R2 = gamma / 2 |w|^2, drift = weight E f^2."""
    real, fake, w = some(16, *shape, seed=1), some(16, *shape, seed=2), some(math.prod(shape), seed=3)
    norm = float(w.norm())
    expected = [
        (GradientPenalty(weight=10.0), 10 * (norm - 1) ** 2),
        (GradientPenalty(weight=2.0, center=0.0), 2 * norm**2),
        (GradientPenalty(center=norm + 1, one_sided=True), 0.0),
        (GradientPenalty(weight=1.0, center=norm - 0.5, one_sided=True), 0.25),
        (R1(gamma=3.0), 1.5 * norm**2),
        (R2(gamma=3.0), 1.5 * norm**2),
        (Drift(weight=0.5), 0.5 * float((linear(w)(real) ** 2).mean())),
    ]
    for penalty, exact in expected:
        assert value(penalty, linear(w), real, fake).item() == pytest.approx(exact, rel=1e-9), penalty


def test_r1_looks_at_real_rows_and_r2_at_fakes() -> None:
    def bent(x: Tensor) -> Tensor:
        return (x**2).sum(1, keepdim=True)  # of slope 2 x

    real, fake = some(16, 3, seed=1), 5 + some(16, 3, seed=2)
    for penalty, rows in ((R1(gamma=2.0), real), (R2(gamma=2.0), fake)):
        assert value(penalty, bent, real, fake).item() == pytest.approx(float(4 * (rows**2).sum(1).mean()))


def test_the_gradient_penalty_is_taken_between_data_and_fakes() -> None:
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(1, keepdim=True)

    real, fake = torch.zeros(1000, 2), torch.ones(1000, 2)
    value(GradientPenalty(), critic, real, fake)
    between = next(x for x in seen if not torch.equal(x, real) and not torch.equal(x, fake))
    assert torch.equal(between[:, 0], between[:, 1])  # one e for each row
    assert between.min() >= 0
    assert between.max() <= 1
    assert float(between.mean()) == pytest.approx(0.5, abs=0.05)


def test_a_penalty_reaches_the_weights_of_the_critic() -> None:
    w = some(3, seed=3).requires_grad_()
    penalty = value(GradientPenalty(weight=10.0), linear(w), some(16, 3, seed=1), some(16, 3, seed=2))
    (gradient,) = torch.autograd.grad(penalty, w)
    assert torch.allclose(gradient, 20.0 * (w.norm() - 1) * w / w.norm())


def test_a_flat_critic_has_a_finite_gradient() -> None:
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    penalty = value(GradientPenalty(), linear(w), some(16, 3, seed=1), some(16, 3, seed=2))
    assert torch.autograd.grad(penalty, w)[0].isfinite().all()
