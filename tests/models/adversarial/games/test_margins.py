"""Least squares and hinge at their best critics (float64)."""

import pytest
import torch
from pydantic import ValidationError

from pushforward.models.adversarial.games import Hinge, LeastSquares
from tests.models.adversarial.gaussians import normal_batch, some


def test_the_least_squares_game_measures_pearsons_chi_square() -> None:
    """T44: with (a, b, c) = (-1, 1, 0), D* = (p - q) / (p + q), and 2 C = chi^2(p + q || 2 q) = .40810853."""
    game, x = LeastSquares(a=-1, b=1, c=0), normal_batch()
    best_real, best_fake = (torch.tanh((0.5 - z) / 2) for z in (x, x + 1.0))  # (p - q) / (p + q) by log p - log q
    twice_c = (best_real**2).mean() + (best_fake**2).mean()
    assert twice_c.item() == pytest.approx(0.40810853, rel=1e-6)
    none = torch.zeros(0, 1).double()
    generated = game.generator_loss(best_real, none) + game.generator_loss(best_fake, none)
    assert 2 * generated.item() == pytest.approx(twice_c.item(), rel=1e-12)


def test_the_best_least_squares_critic_weighs_the_labels_by_the_densities() -> None:
    game = LeastSquares(a=-1.0, b=3.0, c=0.0)
    p, q = 0.3, 0.7  # of one point
    score = torch.full((1, 1), (3.0 * p - 1.0 * q) / (p + q), dtype=torch.float64, requires_grad=True)
    loss = p * game.of_real(score).sum() + q * game.of_fake(score).sum()
    assert torch.autograd.grad(loss, score)[0].abs() < 1e-12


def test_the_best_hinge_critic_measures_the_total_variation() -> None:
    """At f = sign(p - q) the loss is 2 - 2 TV, and the generator's is the difference of means."""
    x = normal_batch()
    real, fake = (torch.sign(0.5 - z) for z in (x, x + 1.0))
    total_variation = 0.38292492  # of N(0, 1) and N(1, 1): 2 Phi(1/2) - 1
    assert Hinge().critic_loss(real, fake).item() == pytest.approx(2 - 2 * total_variation, rel=1e-5)


def test_rows_beyond_the_margin_do_not_move_the_hinge_critic() -> None:
    real = torch.tensor([[1.5], [0.5]], dtype=torch.float64, requires_grad=True)
    loss = Hinge().critic_loss(real, some(2, 1, seed=1).clamp_max(-2))
    assert torch.autograd.grad(loss, real)[0].flatten().tolist() == [0.0, -0.5]


def test_one_label_for_both_kinds_is_refused() -> None:
    with pytest.raises(ValidationError, match="a and b are equal"):
        LeastSquares(a=1.0, b=1.0)
