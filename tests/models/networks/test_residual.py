"""Residual encoders and decoders read images and series of every size, row by row."""

from __future__ import annotations

import pytest
import torch

from pushforward.models.errors import InvalidData
from pushforward.models.families.ae import AE
from pushforward.models.families.vae import VAE
from pushforward.models.families.wae import WAE
from pushforward.models.networks import decoder, encoder
from pushforward.models.spec.data_spec import DataSpec

SHAPES = [(1, 8, 8), (3, 13, 20), (4, 64, 48), (1, 28, 28), (2, 8), (1, 70)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_encoder_and_a_decoder_have_the_shapes_that_are_asked_for(shape: tuple[int, ...]) -> None:
    spec = DataSpec(shape=shape)
    z = encoder(spec, 5, width=4, backbone="residual")(torch.randn(3, *shape))
    assert z.shape == (3, 5)
    y = decoder(spec, 5, width=4, params_per_element=2, backbone="residual")(z)
    assert y.shape == (3, 2 * shape[0], *shape[1:])


@pytest.mark.parametrize("shape", SHAPES[:2], ids=str)
def test_a_row_is_encoded_as_by_itself(shape: tuple[int, ...]) -> None:
    net, x = encoder(DataSpec(shape=shape), 5, width=4, backbone="residual").double(), torch.randn(3, *shape).double()
    torch.testing.assert_close(net(x), torch.cat([net(row[None]) for row in x]))


@pytest.mark.parametrize("family", [VAE(network="residual"), WAE(network="residual"), AE(network="residual")])
def test_they_are_the_networks_of_a_family_that_names_them(family: VAE | WAE | AE) -> None:
    nets = family.build(DataSpec(shape=(1, 8, 8)))
    assert {type(nets[name]).__name__ for name in ("encoder", "decoder")} == {"ResidualEncoder", "ResidualGenerator"}
    with pytest.raises(InvalidData, match="read images and series") as refusal:
        family.check(DataSpec(shape=(2,)))
    assert refusal.value.field == "run.family.network"
