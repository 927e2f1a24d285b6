"""The importance-weighted bound, its error and the share of its draws that count."""

import math
from itertools import pairwise

import pytest
import torch
from torch import Tensor

from pushforward.models.variational.importance import (
    effective_share,
    importance_weighted_bound,
    jackknife_error,
    lower_bound,
    rounding,
    with_rounding,
)


def normals(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_the_bound_is_the_logarithm_of_the_mean_weight() -> None:
    """T12, and far from where exponentials live."""
    log_w = torch.tensor([[0.0], [math.log(3.0)]], dtype=torch.float64)
    assert float(importance_weighted_bound(log_w)) == pytest.approx(math.log(2))
    assert float(importance_weighted_bound(log_w - 5000)) == pytest.approx(math.log(2) - 5000)
    assert float(jackknife_error(log_w)) == pytest.approx(math.log(3) / 2)  # without either draw: log 3 or log 1
    assert float(jackknife_error(log_w - 5000)) == pytest.approx(math.log(3) / 2)


def test_the_gradient_is_the_normalized_weights() -> None:
    """T12."""
    log_w = normals(7, 3).requires_grad_()
    (gradient,) = torch.autograd.grad(importance_weighted_bound(log_w).sum(), log_w)
    assert gradient.numpy() == pytest.approx(log_w.detach().softmax(0).numpy(), rel=1e-12)


def test_the_error_is_the_jackknife_of_the_bounds_without_one_draw() -> None:
    log_w = 3 * normals(5, 4)
    without = torch.stack([importance_weighted_bound(log_w[[j for j in range(5) if j != i]]) for i in range(5)])
    expected = (4 / 5 * (without - without.mean(0)).square().sum(0)).sqrt()
    assert jackknife_error(log_w).numpy() == pytest.approx(expected.numpy(), rel=1e-12)


def test_the_error_of_nearly_equal_weights_is_that_of_the_delta_method() -> None:
    log_w = 1e-4 * normals(50, 3)
    w = log_w.exp()
    expected = w.std(0) / math.sqrt(50) / w.mean(0)
    assert jackknife_error(log_w).numpy() == pytest.approx(expected.numpy(), rel=1e-3)


def test_the_error_of_one_weight_that_outweighs_the_rest_is_its_lead() -> None:
    """The delta method would say 1."""
    log_w = torch.zeros(64, 1, dtype=torch.float64)
    log_w[0] = 500.0
    lead = 500 - math.log(63)
    assert float(jackknife_error(log_w)) == pytest.approx(63 / 64 * lead, rel=1e-3)
    assert float(effective_share(log_w)) == pytest.approx(1 / 64)


@pytest.mark.parametrize("k", [16, 64, 256])
@pytest.mark.parametrize("spread", [0.3, 1.0, 3.0, 8.0])
def test_errors_agree_with_the_spread_of_repeated_bounds(k: int, spread: float) -> None:
    """Also where one weight in k counts: there the delta method is too small by a factor of four."""
    log_w = spread * normals(k, 3000)
    actual = importance_weighted_bound(log_w).std()
    ratio = float(actual / jackknife_error(log_w).square().mean().sqrt())
    assert 0.8 < ratio < 1.25


@pytest.mark.parametrize("k", [16, 64, 256])
def test_errors_agree_with_the_spread_where_weights_have_no_mean(k: int) -> None:
    log_w = 2 * normals(k, 3000).square()
    ratio = float(importance_weighted_bound(log_w).std() / jackknife_error(log_w).square().mean().sqrt())
    assert 0.8 < ratio < 1.25


def test_the_effective_share_falls_from_one_to_one_draw() -> None:
    log_w = normals(16, 1)
    w = log_w.exp()
    assert float(effective_share(log_w)) == pytest.approx(float(w.sum() ** 2 / (16 * w.square().sum())))
    shares = [float(effective_share(spread * log_w - 700)) for spread in (0.0, 0.5, 1.0, 4.0, 1e3)]
    assert shares[0] == pytest.approx(1)
    assert all(a > b for a, b in pairwise(shares))
    assert shares[-1] == pytest.approx(1 / 16)


def test_weights_that_are_all_zero_have_an_unknown_error_and_no_nan() -> None:
    none, one = torch.full((4, 1), -torch.inf, dtype=torch.float64), torch.zeros(4, 1, dtype=torch.float64)
    one[1:] = -torch.inf
    for log_w, value in ((none, -math.inf), (one, -math.log(4))):
        scored = lower_bound(log_w, torch.float64)
        assert scored.std_error is not None
        assert (float(scored.value), float(scored.std_error)) == (pytest.approx(value), math.inf)
        assert float(scored.terms["effective_share"]) == 0.25


def test_a_row_tells_the_same_whatever_rounding_did_to_weights_far_out() -> None:
    """Log-weights about -1e18 lie on float32's grid, 7e10 apart: that some are a step apart tells nothing."""
    same = torch.full((64, 1), -1e18, dtype=torch.float32)
    apart = same.clone()
    apart[::3] = torch.nextafter(apart[::3], torch.tensor(0.0))
    one, other = (lower_bound(log_w.double(), torch.float32) for log_w in (same, apart))
    assert one.std_error is not None
    assert other.std_error is not None
    assert float(one.std_error) == pytest.approx(1e18 * 2**-20)
    assert float(other.std_error) == pytest.approx(float(one.std_error), rel=1e-2)
    assert float(one.terms["effective_share"]) == pytest.approx(1 / 64)
    assert float(other.terms["effective_share"]) == pytest.approx(1 / 64)


def test_rounding_leaves_an_error_near_the_data_as_it_is() -> None:
    error, value = torch.tensor([0.3], dtype=torch.float64), torch.tensor([-2000.0], dtype=torch.float64)
    assert float(rounding(value, torch.float32)) == pytest.approx(2000 * 2**-20)
    assert float(with_rounding(error, value, torch.float32)) == pytest.approx(0.3, rel=1e-4)


def test_one_draw_knows_no_error() -> None:
    assert lower_bound(normals(1, 3), torch.float64).std_error is None
    assert lower_bound(normals(1, 3), torch.float64).terms == {}
