"""The importance-weighted bound."""

import math

import pytest
import torch

from models.objectives.importance import importance_weighted_bound


def test_the_bound_is_the_logarithm_of_the_mean_weight() -> None:
    """T12, and far from where exponentials live."""
    log_w = torch.tensor([[0.0], [math.log(3.0)]], dtype=torch.float64)
    bound, std_error = importance_weighted_bound(log_w)
    assert float(bound) == pytest.approx(math.log(2))
    assert std_error is not None
    assert float(std_error) == pytest.approx(0.5)  # the mean of {1, 3} is 2 +- 1
    shifted, same = importance_weighted_bound(log_w - 5000)
    assert float(shifted) == pytest.approx(math.log(2) - 5000)
    assert same is not None
    assert float(same) == pytest.approx(0.5)


def test_the_gradient_is_the_normalized_weights() -> None:
    """T12."""
    log_w = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_()
    (gradient,) = torch.autograd.grad(importance_weighted_bound(log_w)[0].sum(), log_w)
    assert gradient.numpy() == pytest.approx(log_w.detach().softmax(0).numpy(), rel=1e-12)
