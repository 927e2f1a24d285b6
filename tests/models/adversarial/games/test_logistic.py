"""Losses of classifiers at the best critic between two Gaussians, in closed form (float64)."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from pushforward.models.adversarial.divergences import GANDivergence
from pushforward.models.adversarial.games import FGAN, Minimax, NonSaturating, RelativisticAverage
from tests.models.adversarial.gaussians import best_scores, normal_batch, some


@pytest.mark.parametrize(("theta", "value"), [(1.0, -1.16345140), (0.0, -math.log(4))])
def test_the_value_at_the_best_critic_is_the_jensen_shannon_divergence(theta: float, value: float) -> None:
    """T37: V(D*) = 2 JSD - log 4, and -log 4 between equals."""
    real = normal_batch()
    loss = Minimax().critic_loss(best_scores(theta, real), best_scores(theta, real + theta))
    assert -loss.item() == pytest.approx(value, rel=1e-6)


def test_no_other_critic_of_its_kind_beats_the_density_ratio() -> None:
    """T37, T39: D* = p / (p + q) is where the critic's loss is flat."""
    weights = torch.tensor([0.5, -1.0], dtype=torch.float64, requires_grad=True)  # log p - log q at theta = 1
    real = normal_batch()
    loss = NonSaturating().critic_loss(*(weights[0] + weights[1] * x for x in (real, real + 1.0)))
    (gradient,) = torch.autograd.grad(loss, weights)
    assert gradient.abs().max() < 1e-5


def test_the_minimax_generator_follows_the_jensen_shannon_divergence() -> None:
    """T38: with D* held fixed, the gradient of V with respect to theta is 2 d JSD."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    value = Minimax().generator_loss(best_scores(1.0, normal_batch() + theta), torch.zeros(0, 1).double())
    assert torch.autograd.grad(value, theta)[0].item() == pytest.approx(0.39797287, rel=1e-6)


def test_the_non_saturating_generator_follows_kl_minus_twice_jensen_shannon() -> None:
    """T38: d [KL(q, p) - 2 JSD] (Arjovsky & Bottou, theorem 2.5)."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    loss = NonSaturating().generator_loss(best_scores(1.0, normal_batch() + theta), torch.zeros(0, 1).double())
    assert torch.autograd.grad(loss, theta)[0].item() == pytest.approx(0.60202713, rel=1e-6)


def test_the_critic_is_a_classifier() -> None:
    """T43: the game is binary cross-entropy with labels one for data and zero for fakes."""
    real, fake = some(64, 1, seed=1), some(64, 1, seed=2)
    one, zero = torch.ones_like(real), torch.zeros_like(fake)
    expected = binary_cross_entropy_with_logits(real, one) + binary_cross_entropy_with_logits(fake, zero)
    for game in (Minimax(), NonSaturating(), FGAN(divergence=GANDivergence())):
        assert torch.allclose(game.critic_loss(real, fake), expected, rtol=1e-12)
    generated = binary_cross_entropy_with_logits(fake, one)
    for other in (NonSaturating(), FGAN(divergence=GANDivergence())):
        assert torch.allclose(other.generator_loss(fake, real), generated, rtol=1e-12)


def test_the_relativistic_critic_compares_with_the_mean_of_the_other_kind() -> None:
    real, fake = some(7, 1, seed=1), some(7, 1, seed=2)
    game = RelativisticAverage()
    log_sigmoid = torch.nn.functional.logsigmoid
    expected = -log_sigmoid(real - fake.mean()).mean() - log_sigmoid(real.mean() - fake).mean()
    assert torch.allclose(game.critic_loss(real, fake), expected)
    assert torch.allclose(game.generator_loss(fake, real), game.critic_loss(fake, real))


def test_a_level_of_all_scores_is_nothing_to_the_relativistic_critic() -> None:
    real, fake = some(7, 1, seed=1), some(7, 1, seed=2)
    game = RelativisticAverage()
    assert torch.allclose(game.critic_loss(real, fake), game.critic_loss(real + 5, fake + 5))


def test_the_log_ratio_is_the_score() -> None:
    scores: Tensor = some(5, 1, seed=3)
    assert torch.equal(NonSaturating().log_ratio(scores), scores)
