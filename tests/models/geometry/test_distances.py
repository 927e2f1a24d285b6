"""Distances, where they are taken by a matrix product."""

import torch
from torch import Tensor

from pushforward.models.geometry.distances import distances, smooth_distances


def points(n: int, size: int, seed: int, at: float = 0.0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    return at + torch.randn(n, size, generator=rng, dtype=torch.float64)


def test_smooth_distances_are_the_distances_however_far_from_the_origin() -> None:
    for at in (0.0, 1e4):
        x, y = points(8, 3, 1, at), points(5, 3, 2, at)
        torch.testing.assert_close(smooth_distances(x, y), distances(x, y), rtol=1e-9, atol=0.0)


def test_in_single_precision_they_lose_little() -> None:
    x, y = points(256, 64, 1, 5.0), points(200, 64, 2, 5.0)
    torch.testing.assert_close(smooth_distances(x.float(), y.float()).double(), distances(x, y), rtol=1e-5, atol=0.0)


def test_smooth_distances_have_two_derivatives() -> None:
    x, y = points(4, 3, 1).requires_grad_(), points(5, 3, 2).requires_grad_()
    assert torch.autograd.gradcheck(smooth_distances, (x, y))
    assert torch.autograd.gradgradcheck(smooth_distances, (x, y))


def test_between_equal_points_all_derivatives_are_zero() -> None:
    x = points(16, 3, 1).float().requires_grad_()
    d = smooth_distances(x, x)
    assert d.diagonal().tolist() == [0.0] * 16
    (slope,) = torch.autograd.grad(d.diagonal().sum(), x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope.square().sum(), x)
    assert slope.abs().max() == curvature.abs().max() == 0
