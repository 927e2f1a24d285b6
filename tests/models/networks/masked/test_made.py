"""Masked networks see the elements before each element, all of them and no others."""

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from pushforward.models.networks import MADE, GatedPixelCNN
from pushforward.models.networks.masked.made import ranks
from pushforward.models.spec.data_spec import Shape

P = 2
CASES = [
    pytest.param(partial(MADE, width=40, depth=2), (7,), id="made-vector"),
    pytest.param(partial(MADE, width=60, depth=3), (3, 2, 2), id="made-color"),
    pytest.param(partial(GatedPixelCNN, width=8, depth=4), (1, 5, 6), id="pixelcnn-gray"),
    pytest.param(partial(GatedPixelCNN, width=18, depth=3), (3, 3, 4), id="pixelcnn-color"),
    pytest.param(partial(GatedPixelCNN, width=8, depth=6), (1, 4, 9), id="pixelcnn-wide"),
]


def sees(net: nn.Module, shape: Shape) -> Tensor:
    """Whether the parameters of one element move with another, (D, D) bool: over some random images."""
    net = net.double()
    D = ranks(shape).numel()
    seen = torch.zeros(D, D, dtype=torch.bool)
    for u in torch.randn(8, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64):
        jacobian = torch.autograd.functional.jacobian(lambda at: net(at[None])[0].reshape(P, D), u).view(P, D, D)
        seen |= (jacobian != 0).any(0)
    return seen


@pytest.mark.parametrize(("network", "shape"), CASES)
def test_the_parameters_of_an_element_see_exactly_the_elements_before_it(
    network: Callable[[Shape, int], nn.Module], shape: Shape
) -> None:
    """T21: no later element, and, with layers enough, no blind spot."""
    rank = ranks(shape).flatten()
    assert torch.equal(sees(network(shape, P), shape), rank[:, None] > rank)


def test_with_too_few_layers_fewer_elements_are_seen_but_none_ahead() -> None:
    rank = ranks((1, 4, 9)).flatten()
    seen = sees(GatedPixelCNN((1, 4, 9), P, width=8, depth=2), (1, 4, 9))
    before = rank[:, None] > rank
    assert (seen <= before).all()
    assert seen.sum() < before.sum()


def test_images_go_by_row_column_and_channel() -> None:
    assert ranks((3, 2, 2))[:, 0, 0].tolist() == [0, 1, 2]
    assert ranks((3, 2, 2))[0].tolist() == [[0, 3], [6, 9]]
    assert ranks((4,)).tolist() == [0, 1, 2, 3]


each_network = pytest.mark.parametrize(
    "network", [partial(MADE, width=32), partial(GatedPixelCNN, width=8)], ids=["made", "pixelcnn"]
)


@each_network
def test_every_element_sees_the_condition(network: Callable[..., nn.Module]) -> None:
    net = network((1, 3, 3), P, depth=2, condition_size=4)
    u = torch.randn(1, 1, 3, 3, generator=torch.Generator().manual_seed(1))
    told = net(u.expand(4, -1, -1, -1), torch.eye(4))
    assert ((told[0] - told[1]).abs().amax(0) > 0).all()


@each_network
def test_a_row_does_not_see_its_batch_mates(network: Callable[..., nn.Module]) -> None:
    net, u = network((1, 3, 3), P, depth=2), torch.randn(4, 1, 3, 3, generator=torch.Generator().manual_seed(2))
    together = net(u)
    assert together.shape == (4, P, 1, 3, 3)
    torch.testing.assert_close(together[2:3], net(u[2:3]))
