"""Adversarial losses at the best critic between two Gaussians, in closed form (float64), and gradient penalties."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pushforward.models.adversarial.games import AnyGame, NonSaturating, Wasserstein

GOODFELLOW = NonSaturating(gamma=0.0)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def normal_batch(n: int = 2_000_000) -> Tensor:
    """N(0, 1) as the midpoints of n equally probable cells: a batch whose mean is an integral."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def best_critic(theta: float) -> Callable[[Tensor], Tensor]:
    """The logit of D* = p / (p + q), log p - log q, for p = N(0, 1) and q = N(theta, 1)."""
    return lambda x: 0.5 * theta**2 - theta * x


def linear_critic(w: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: x.flatten(1) @ w[:, None]


def some(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("theta", "value"), [(1.0, -1.16345140), (0.0, -math.log(4))])
def test_the_value_at_the_best_critic_is_the_jensen_shannon_divergence(theta: float, value: float) -> None:
    """T37: V(D*) = 2 JSD - log 4, and -log 4 between equals."""
    real = normal_batch()
    loss = GOODFELLOW.critic_loss(best_critic(theta), real, real + theta, rng())
    assert -loss.item() == pytest.approx(value, rel=1e-6)


def test_no_other_critic_of_its_kind_beats_the_density_ratio() -> None:
    """T37: D* = p / (p + q) is where the critic's loss is flat."""
    weights = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)  # log p - log q at theta = 1
    real = normal_batch()
    loss = GOODFELLOW.critic_loss(lambda x: weights[0] + weights[1] * x, real, real + 1.0, rng())
    (gradient,) = torch.autograd.grad(loss, weights)
    assert gradient.abs().max() < 1e-5


def test_the_minimax_generator_follows_the_jensen_shannon_divergence() -> None:
    """T38: with D* held fixed, the gradient of V with respect to theta is 2 d JSD."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    real = normal_batch()
    value = -GOODFELLOW.critic_loss(best_critic(1.0), real, real + theta, rng())
    assert torch.autograd.grad(value, theta)[0].item() == pytest.approx(0.39797287, rel=1e-6)


def test_the_non_saturating_generator_follows_kl_minus_twice_jensen_shannon() -> None:
    """T38: d [KL(q, p) - 2 JSD] (Arjovsky & Bottou, theorem 2.5)."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    loss = GOODFELLOW.generator_loss(best_critic(1.0), normal_batch() + theta)
    assert torch.autograd.grad(loss, theta)[0].item() == pytest.approx(0.60202713, rel=1e-6)


def test_the_critic_without_a_penalty_is_a_classifier() -> None:
    """T43: the game is binary cross-entropy with labels one for data and zero for fakes."""
    real, fake, critic = some(64, 3, seed=1), some(64, 3, seed=2), linear_critic(some(3, seed=3))
    one, zero = torch.ones(64, 1).double(), torch.zeros(64, 1).double()
    expected = binary_cross_entropy_with_logits(critic(real), one) + binary_cross_entropy_with_logits(
        critic(fake), zero
    )
    assert torch.allclose(GOODFELLOW.critic_loss(critic, real, fake, rng()), expected, rtol=1e-12)
    assert torch.allclose(GOODFELLOW.generator_loss(critic, fake), binary_cross_entropy_with_logits(critic(fake), one))


@pytest.mark.parametrize("shape", [(3,), (3, 2, 2)])
def test_the_penalties_of_a_linear_critic_are_known(shape: tuple[int, ...]) -> None:
    """T47: lambda (|w| - 1)^2 for the Wasserstein game, gamma / 2 |w|^2 for R1."""
    real, fake = some(16, *shape, seed=1), some(16, *shape, seed=2)
    w = some(math.prod(shape), seed=3)
    critic, norm = linear_critic(w), float(w.norm())
    distance = float((critic(real) - critic(fake)).mean())
    wasserstein = Wasserstein(penalty=10.0).critic_loss(critic, real, fake, rng())
    assert wasserstein.item() + distance == pytest.approx(10.0 * (norm - 1) ** 2, rel=1e-9)
    r1 = NonSaturating(gamma=3.0).critic_loss(critic, real, fake, rng()) - GOODFELLOW.critic_loss(
        critic, real, fake, rng()
    )
    assert r1.item() == pytest.approx(1.5 * norm**2, rel=1e-9)


def test_the_wasserstein_penalty_is_taken_between_data_and_fakes() -> None:
    seen: list[Tensor] = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.sum(1, keepdim=True)

    real, fake = torch.zeros(1000, 2), torch.ones(1000, 2)
    Wasserstein().critic_loss(critic, real, fake, rng())
    between = next(x for x in seen if not torch.equal(x, real) and not torch.equal(x, fake))
    assert torch.equal(between[:, 0], between[:, 1])  # one e for each row
    assert between.min() >= 0
    assert between.max() <= 1
    assert float(between.mean()) == pytest.approx(0.5, abs=0.05)


def test_a_penalty_reaches_the_weights_of_the_critic() -> None:
    w = some(3, seed=3).requires_grad_()
    real, fake = some(16, 3, seed=1), some(16, 3, seed=1)  # equal: only the penalty is left of the loss
    (gradient,) = torch.autograd.grad(Wasserstein(penalty=10.0).critic_loss(linear_critic(w), real, fake, rng()), w)
    assert torch.allclose(gradient, 20.0 * (w.norm() - 1) * w / w.norm())


def test_a_flat_critic_has_a_finite_gradient() -> None:
    w = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    loss = Wasserstein().critic_loss(linear_critic(w), some(16, 3, seed=1), some(16, 3, seed=2), rng())
    (gradient,) = torch.autograd.grad(loss, w)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("game", [NonSaturating(), Wasserstein()])
def test_the_generator_is_rewarded_for_higher_scores(game: AnyGame) -> None:
    fake = some(16, 1, seed=1)
    assert game.generator_loss(lambda x: x + 1, fake) < game.generator_loss(lambda x: x, fake)
