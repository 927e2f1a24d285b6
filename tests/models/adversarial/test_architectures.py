"""Architectures of adversarial networks: shapes, heuristics, refusals."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from pushforward.models.adversarial.architectures import (
    DCGAN,
    Architecture,
    Convolutional,
    Perceptrons,
    Plain,
    Residual,
    Size,
)
from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec

ALL: list[Architecture] = [Plain(), Perceptrons(), DCGAN(), Residual()]
PLANE = DataSpec(shape=(2,))
SIZE = Size(4, 1)


def images(channels: int, height: int, width: int) -> DataSpec:
    return DataSpec(shape=(channels, height, width), low=0, high=1)


@pytest.mark.parametrize(
    "spec", [PLANE, images(1, 8, 8), images(3, 28, 20), images(1, 5, 5), images(4, 24, 40), images(3, 64, 64)]
)
@pytest.mark.parametrize("architecture", ALL, ids=lambda each: each.network)
def test_networks_have_the_shapes_of_the_data(architecture: Architecture, spec: DataSpec) -> None:
    if isinstance(architecture, Convolutional) and spec is PLANE:
        with pytest.raises(InvalidData, match="choose the network mlp") as refusal:
            architecture.check(spec)
        assert refusal.value.field == "run.family.network"
        return
    architecture.check(spec)
    generator = architecture.generator(spec, 3, SIZE, rows=2)
    assert generator(torch.zeros(4, 3)).shape == (4, 2 * spec.shape[0], *spec.shape[1:])
    critic = architecture.critic(spec, 5, SIZE, extra=2)
    assert critic(torch.zeros(4, spec.shape[0] + 2, *spec.shape[1:])).shape == (4, 5)


def test_dcgan_keeps_its_heuristics() -> None:
    """Strided convolutions, batch normalization without a bias before it, a leaky critic, weights of N(0, .02^2)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        generator, critic = (make(images(1, 28, 28), 16, Size(16, 1)) for make in (DCGAN().generator, DCGAN().critic))
    layers = list(generator.modules())
    for before, after in pairwise(layers):
        if isinstance(after, nn.BatchNorm2d):
            assert isinstance(before, nn.ConvTranspose2d)
            assert before.bias is None
    assert not any(isinstance(layer, nn.BatchNorm2d | nn.Linear | nn.MaxPool2d) for layer in critic.modules())
    assert [layer.negative_slope for layer in critic.modules() if isinstance(layer, nn.LeakyReLU)] == [0.2] * 3
    assert [layer.stride for layer in critic.modules() if isinstance(layer, nn.Conv2d)] == [(2, 2)] * 3 + [(1, 1)]
    for layer in (*generator.modules(), *critic.modules()):
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
            assert float(layer.weight.detach().std()) == pytest.approx(0.02, rel=0.1)


def test_a_served_row_of_dcgan_does_not_depend_on_others() -> None:
    generator = DCGAN().generator(images(1, 8, 8), 3, SIZE).eval()
    z = torch.randn(6, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]), rtol=1e-5, atol=1e-6)
