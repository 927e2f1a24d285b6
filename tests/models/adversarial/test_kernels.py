"""Kernels of two points against values computed by hand (float64)."""

import math

import pytest
import torch

from pushforward.models.adversarial.kernels import IMQ, RBF
from pushforward.models.geometry.distances import squared_distances

X = torch.tensor([[1.0, -2.0]], dtype=torch.float64)
Y = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
SQUARE = 0.25 + 9.0


def test_an_inverse_multiquadric_of_one_scale_for_a_prior_of_another_standard_deviation() -> None:
    """C = 2 D scale sigma^2; the default scales have one the inverse of another, which would hide a division."""
    c = 2 * 2 * 5.0 * 1.5**2
    assert float(IMQ(scales=(5.0,), sigma=1.5).matrix(X, Y)) == pytest.approx(c / (c + SQUARE), rel=1e-12)


def test_a_gaussian_kernel_of_another_length_scale() -> None:
    assert float(RBF(length=2.0).matrix(X, Y)) == pytest.approx(math.exp(-SQUARE / 8), rel=1e-12)


def test_no_squared_distance_is_negative_however_far_the_points() -> None:
    x = 1000 + torch.randn(50, 3, generator=torch.Generator().manual_seed(0))
    assert float(squared_distances(x, x).min()) == 0
