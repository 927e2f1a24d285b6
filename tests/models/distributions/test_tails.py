"""Compressed tails against autograd, quadrature and the tail of Student's t."""

from math import log, sqrt

import pytest
import torch

from pushforward.models.distributions.gaussians import standard_log_prob
from pushforward.models.distributions.tails import LIMIT, NU, B, compress_tails, expand_tails

FAR = torch.tensor([0.0, 0.4, 2.9, 3.0, 3.0 + 1e-9, 3.5, 5.0, 88.0, 1e6], dtype=torch.float64)
BOTH_SIDES = torch.cat([FAR, -FAR])[:, None]


def log_density(u: torch.Tensor) -> torch.Tensor:
    v, log_slope = compress_tails(u)
    return standard_log_prob(v) + log_slope


def test_expanding_inverts_compressing() -> None:
    torch.testing.assert_close(expand_tails(compress_tails(BOTH_SIDES)[0]), BOTH_SIDES, rtol=1e-12, atol=0)


def test_single_precision_is_enough_far_out() -> None:
    u = BOTH_SIDES.float()
    torch.testing.assert_close(expand_tails(compress_tails(u)[0]), u, rtol=2e-5, atol=0)


def test_the_slope_is_that_of_autograd() -> None:
    u = BOTH_SIDES.clone().requires_grad_()
    (slope,) = torch.autograd.grad(compress_tails(u)[0].sum(), u)
    torch.testing.assert_close(slope[:, 0].log(), compress_tails(u)[1].detach(), rtol=1e-10, atol=1e-12)


def test_elements_within_three_deviations_do_not_move() -> None:
    u = torch.linspace(-B, B, 101, dtype=torch.float64)[:, None]
    v, log_slope = compress_tails(u)
    assert torch.equal(v, u)
    assert float(log_slope.abs().max()) == 0.0


def test_the_density_of_an_expanded_normal_integrates_to_one() -> None:
    """Within 2,000: the share beyond is below 1e-6."""
    u = torch.linspace(-2000, 2000, 2_000_001, dtype=torch.float64)[:, None]
    assert float(torch.trapezoid(log_density(u).exp(), u[:, 0])) == pytest.approx(1.0, abs=1e-6)


def test_far_out_the_density_falls_as_student_s_t_does() -> None:
    """Its logarithm by -(nu + 1) log 10 where u is ten times as large, but for a slowly changing factor 1 / v."""
    u = torch.tensor([[1e5], [1e6]], dtype=torch.float64)
    near, far = log_density(u)
    v = compress_tails(u)[0][:, 0]
    assert float(far - near) == pytest.approx(-(NU + 1) * log(10) + float(v[0].log() - v[1].log()), abs=1e-3)


def test_codes_far_beyond_every_draw_give_finite_numbers() -> None:
    edge = sqrt(B**2 + 2 * NU * LIMIT)
    assert bool(torch.isfinite(expand_tails(torch.tensor([[edge], [1e4], [-1e4]]))).all())


def test_gradients_are_finite_everywhere() -> None:
    u = BOTH_SIDES.float().requires_grad_()
    (gradient,) = torch.autograd.grad(log_density(u).sum(), u)
    assert bool(torch.isfinite(gradient).all())
