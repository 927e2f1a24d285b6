"""The gradients of the generator's losses are those of the divergences that the theorem names (float64)."""

import math

import pytest
import torch
from divergences import X, jsd, kl, log_normal
from non_saturating_gradient import LogDensity, derivative, of_the_divergences, of_the_losses, one_mode, two_modes


def test_both_gradients_are_known_at_one() -> None:
    """T38: .39797287 and .60202713."""
    found = of_the_losses(1.0, one_mode)
    assert found.minimax == pytest.approx(0.39797287, abs=1e-8)
    assert found.non_saturating == pytest.approx(0.60202713, abs=1e-8)


@pytest.mark.parametrize("log_p", [one_mode, two_modes])
@pytest.mark.parametrize("theta", [-4.0, -0.3, 0.0, 1.0, 2.5, 5.0])
def test_the_losses_have_the_gradients_of_the_divergences(theta: float, log_p: LogDensity) -> None:
    """T38: for any p, at any theta; the left-hand sides through samples, the right-hand sides through densities."""
    losses, divergences = of_the_losses(theta, log_p), of_the_divergences(theta, log_p)
    assert losses.minimax == pytest.approx(divergences.minimax, abs=1e-12)
    assert losses.non_saturating == pytest.approx(divergences.non_saturating, abs=1e-12)


def test_far_from_the_data_only_one_gradient_is_left() -> None:
    """T38: KL grows like theta^2 / 2, the JSD is log 2 already."""
    far = of_the_losses(6.0, one_mode)
    assert abs(far.minimax) < 0.05
    assert far.non_saturating == pytest.approx(6.0, abs=0.05)


def test_twice_the_divergence_is_taken_away_not_once_and_not_added() -> None:
    """T38: KL - JSD and KL + 2 JSD have other gradients."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    log_q = log_normal(X, theta)
    found = of_the_losses(1.0, one_mode).non_saturating
    for times in (-1.0, 2.0):
        other = derivative(kl(log_q, one_mode(X)) + times * jsd(one_mode(X), log_q), theta)
        assert abs(other - found) > 0.1


@pytest.mark.parametrize("log_p", [one_mode, two_modes])
@pytest.mark.parametrize("theta", [-4.0, 0.0, 1.0])
def test_what_is_descended_is_twice_the_divergence_of_the_mixture_from_the_data(
    theta: float, log_p: LogDensity
) -> None:
    """T38: KL(q, p) - 2 JSD(p, q) = 2 KL(m, p), which is not negative."""
    p, q = log_p(X), log_normal(X, theta)
    m = torch.logaddexp(p, q) - math.log(2)
    assert float(kl(q, p) - 2 * jsd(p, q)) == pytest.approx(2 * float(kl(m, p)), abs=1e-12)


def test_it_is_the_reverse_divergence() -> None:
    """T38: between equal spreads KL is symmetric; with two modes it is not."""
    theta = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    log_p, log_q = two_modes(X), log_normal(X, theta)
    forward = derivative(kl(log_p, log_q) - 2 * jsd(log_p, log_q), theta)
    assert abs(forward - of_the_losses(1.0, two_modes).non_saturating) > 0.1
