"""Convolutional nets cover the sizes they promise, row by row."""

import pytest
import torch

from pushforward.models.networks import Nets, decoder, encoder
from pushforward.models.networks.builders import CHANNELS, UNITS
from pushforward.models.spec.data_spec import DataSpec


@pytest.mark.parametrize(
    "shape", [(1, 5, 5), (1, 8, 8), (3, 17, 12), (1, 28, 28), (3, 32, 32), (1, 5, 32), (4, 24, 40), (3, 64, 64)]
)
@pytest.mark.parametrize("width", [1, 6, 16])
def test_images_of_every_size_and_width_go_in_and_come_out(shape: tuple[int, ...], width: int) -> None:
    spec = DataSpec(shape=shape)
    nets = Nets(spec, encoder=encoder(spec, 5, width=width), decoder=decoder(spec, 4, width=width))
    assert nets["encoder"](torch.zeros(2, *shape)).shape == (2, 5)
    assert nets["decoder"](torch.zeros(2, 4)).shape == (2, *shape)


@pytest.mark.parametrize(("shape", "width"), [((1, 8, 8), CHANNELS), ((64,), UNITS)])
def test_a_default_width_depends_on_the_kind_of_data(shape: tuple[int, ...], width: int) -> None:
    spec = DataSpec(shape=shape)
    for net in (encoder, decoder):
        weights = net(spec, 3, width=None).state_dict(), net(spec, 3, width=width).state_dict()
        assert [w.shape for w in weights[0].values()] == [w.shape for w in weights[1].values()]


def test_a_row_does_not_see_its_batch_mates() -> None:
    spec = DataSpec(shape=(1, 8, 8))
    net = encoder(spec, 3, width=8).double()
    x = torch.randn(5, 1, 8, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(net(x)[2:3], net(x[2:3]), atol=1e-12)
