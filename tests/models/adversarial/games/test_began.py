"""The controller of boundary equilibrium (float64)."""

import torch

from pushforward.models.adversarial.games import BEGAN


def errors(value: float) -> torch.Tensor:
    return torch.full((4, 1), value, dtype=torch.float64)


K = torch.tensor(0.25, dtype=torch.float64)


def test_k_moves_by_the_imbalance_and_is_clipped() -> None:
    """T51: k <- clip(k + rate (gamma L(x) - L(G)), 0, 1)."""
    game = BEGAN(gamma=0.5, rate=0.1)
    assert torch.allclose(game.next_k(K, errors(2.0), errors(0.4)), K + 0.1 * (0.5 * 2.0 - 0.4))
    assert game.next_k(K, errors(0.0), errors(9.0)) == 0
    assert game.next_k(K, errors(90.0), errors(0.0)) == 1


def test_k_stands_still_only_where_the_errors_have_their_ratio() -> None:
    """T51: at gamma L(x) = L(G)."""
    game = BEGAN(gamma=0.5)
    assert game.next_k(K, errors(2.0), errors(1.0)) == K
    assert game.next_k(K, errors(2.0), errors(1.1)) < K


def test_the_measure_of_convergence() -> None:
    """T51: M = L(x) + |gamma L(x) - L(G)|."""
    assert BEGAN(gamma=0.5).convergence(errors(2.0), errors(3.0)) == 2.0 + 2.0


def test_the_critic_forgives_fakes_by_k() -> None:
    game = BEGAN()
    assert game.controlled_loss(errors(2.0), errors(3.0), K) == 2.0 - 0.25 * 3.0
    assert game.critic_loss(errors(2.0), errors(3.0)) == -1.0
    assert game.generator_loss(errors(3.0), errors(2.0)) == 3.0
