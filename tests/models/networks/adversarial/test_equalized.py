"""Equalized layers: N(0, 1) is stored, He's standard deviation is applied."""

import pytest
import torch
from torch import nn

from pushforward.models.networks.adversarial.equalized import equalized


@pytest.mark.parametrize(("layer", "fan_in"), [(nn.Linear(200, 100), 200), (nn.Conv2d(32, 64, 3), 288)])
def test_weights_have_the_standard_deviation_of_he_at_run_time(layer: nn.Linear | nn.Conv2d, fan_in: int) -> None:
    """T55: sqrt(2 / fan_in)."""
    layer = equalized(layer)
    (stored,) = [weight for name, weight in layer.named_parameters() if "original" in name]
    assert stored.std().item() == pytest.approx(1.0, rel=0.02)
    assert layer.weight.std().item() == pytest.approx((2 / fan_in) ** 0.5, rel=0.02)
    torch.testing.assert_close(layer.weight, stored * (2 / fan_in) ** 0.5)
    assert layer.bias is not None
    assert not layer.bias.any()


def test_an_equalized_layer_keeps_the_variance_of_rectified_features() -> None:
    x = torch.randn(4000, 300).relu() * 2**0.5  # mean square 1
    assert equalized(nn.Linear(300, 200))(x).square().mean().item() == pytest.approx(2.0, rel=0.05)


def test_a_spectral_norm_divides_the_weights_that_are_applied() -> None:
    layer = torch.nn.utils.parametrizations.spectral_norm(equalized(nn.Linear(30, 20)), n_power_iterations=50)
    assert torch.linalg.matrix_norm(layer(torch.eye(30)) - layer.bias, 2).item() == pytest.approx(1.0, rel=1e-3)
