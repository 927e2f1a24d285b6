"""The best discriminator, its value, and what is misprinted about them (float64)."""

import math

import pytest
import torch
from divergences import X, integral, jsd, log_mixture, log_normal
from optimal_discriminator import LOG_4, best_score, best_value, value
from torch.nn.functional import logsigmoid

P = log_normal(X)
PAIRS = [
    (P, log_normal(X, 1.0)),
    (P, log_normal(X, -2.0, 0.5)),
    (log_mixture(X, (0.3, 0.7), (-2.0, 2.0), 0.5), log_normal(X, 0.0, 2.0)),
]


def test_the_value_at_the_best_discriminator_is_known() -> None:
    """T37: V(D*) = -1.16345140 between N(0, 1) and N(1, 1)."""
    assert best_value(1.0) == pytest.approx(-1.16345140, abs=1e-8)


@pytest.mark.parametrize(("log_p", "log_q"), PAIRS)
def test_the_value_is_twice_the_divergence_less_log_4(log_p: torch.Tensor, log_q: torch.Tensor) -> None:
    """T37: V(D*) = 2 JSD - log 4."""
    at_best = value(best_score(log_p, log_q), log_p, log_q)
    assert float(at_best) == pytest.approx(2 * float(jsd(log_p, log_q)) - LOG_4, abs=1e-12)


def test_equals_are_worth_minus_log_4_and_their_discriminator_guesses() -> None:
    """T37: D* = 1/2."""
    assert best_value(0.0) == pytest.approx(-math.log(4), abs=1e-12)
    assert (best_score(P, P).sigmoid() == 0.5).all()


@pytest.mark.parametrize(("log_p", "log_q"), PAIRS)
def test_the_best_discriminator_is_the_share_of_the_data(log_p: torch.Tensor, log_q: torch.Tensor) -> None:
    """T37: D* = p / (p + q)."""
    p, q = log_p.exp(), log_q.exp()
    there = p + q > 1e-12
    d = best_score(log_p, log_q).sigmoid()
    assert torch.allclose(d[there], (p / (p + q))[there], rtol=1e-12)


@pytest.mark.parametrize(("log_p", "log_q"), PAIRS)
def test_no_other_discriminator_is_worth_more(log_p: torch.Tensor, log_q: torch.Tensor) -> None:
    """T37: V is flat at D*, and lower for each change of it."""
    f = best_score(log_p, log_q).requires_grad_()
    (slope,) = torch.autograd.grad(value(f, log_p, log_q), f)
    assert slope.abs().max() < 1e-14
    f = f.detach()
    rng = torch.Generator().manual_seed(0)
    for _ in range(20):
        other = f + 0.1 * torch.randn(X.shape, generator=rng, dtype=torch.float64)
        assert value(other, log_p, log_q) < value(f, log_p, log_q)


def test_the_identity_with_one_divergence_and_plus_log_2_is_false() -> None:
    """Printed: log D* + log(1 - D*) = JS + log 2. It holds at no x, nor for the expectation."""
    log_q = log_normal(X, 1.0)
    f = best_score(P, log_q)
    printed = float(jsd(P, log_q)) + math.log(2)
    assert (logsigmoid(f) + logsigmoid(-f) <= -LOG_4).all()  # D (1 - D) is at most 1/4
    assert printed > 0 > best_value(1.0)
    assert best_value(1.0) == pytest.approx(2 * float(jsd(P, log_q)) - 2 * math.log(2), abs=1e-12)


def test_the_second_expectation_is_over_the_generator() -> None:
    """Printed: p_data in both. Then V(D*) would not be 2 JSD - log 4."""
    log_q = log_normal(X, 1.0)
    f = best_score(P, log_q)
    printed = float(integral(P.exp() * (logsigmoid(f) + logsigmoid(-f))))
    assert abs(printed - best_value(1.0)) > 0.3


def test_as_an_f_divergence_the_game_does_not_have_the_zero_of_one() -> None:
    """Printed: f(1) = 0 for each f. For the GAN's f(1) = -log 4, and D_f(p, p) = -log 4."""

    def f(u: torch.Tensor) -> torch.Tensor:
        return u * u.log() - (u + 1) * (u + 1).log()

    assert float(f(torch.ones((), dtype=torch.float64))) == pytest.approx(-LOG_4, abs=1e-15)
    log_q = log_normal(X, 1.0)
    seen = X.abs() < 12
    d_f = integral(torch.where(seen, log_q.exp() * f((P - log_q).exp()), 0.0))
    assert float(d_f) == pytest.approx(best_value(1.0), abs=1e-10)
