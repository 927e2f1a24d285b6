"""Convolutions along one axis cover series of 8 to 1,024 steps, row by row."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from pushforward.models.adversarial.architectures import DCGAN, Architecture, Plain, Progressive, Residual, Size
from pushforward.models.errors import InvalidData
from pushforward.models.networks import concat_condition, decoder, denoising_network, encoder, velocity_network
from pushforward.models.networks.builders import CHANNELS, default_width
from pushforward.models.networks.conv import crop, halvings, pad
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.requirements import Backbone, convolves

LENGTHS = [*range(8, 71), 1024]


def at_random(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("length", LENGTHS)
def test_series_of_every_length_go_in_and_come_out(length: int) -> None:
    spec = DataSpec(shape=(2, length))
    assert encoder(spec, 5, width=2)(torch.zeros(3, 2, length)).shape == (3, 5)
    assert decoder(spec, 4, width=2)(torch.zeros(3, 4)).shape == (3, 2, length)
    for net in (denoising_network(spec, width=8, depth=1), velocity_network(spec, width=8, depth=1)):
        assert net(torch.zeros(3, 2, length), torch.zeros(3)).shape == (3, 2, length)


@pytest.mark.parametrize("architecture", [Plain(), DCGAN(), Residual()], ids=lambda each: each.network)
@pytest.mark.parametrize("length", [8, 9, 33, 70, 200])
def test_architectures_of_games_take_series(architecture: Architecture, length: int) -> None:
    spec, size = DataSpec(shape=(2, length)), Size(width=4, depth=1)
    architecture.check(spec)
    rows = architecture.generator(spec, 3, size)(at_random(4, 3).float())
    assert rows.shape == (4, 2, length)
    assert architecture.critic(spec, 1, size)(rows).shape == (4, 1)
    assert architecture.translator(spec, size, extra=2)(torch.zeros(4, 4, length)).shape == (4, 2, length)


def test_growing_networks_refuse_series() -> None:
    with pytest.raises(InvalidData, match="choose the network plain, dcgan or residual") as error:
        Progressive().check(DataSpec(shape=(1, 64)))
    assert error.value.field == "run.family.network"


@pytest.mark.parametrize("length", LENGTHS)
def test_padding_repeats_the_ends_and_cropping_takes_it_off(length: int) -> None:
    shape, side = (2, length), 4 * 2 ** halvings((2, length))
    x = at_random(3, *shape)
    padded = pad(x, side)
    assert length <= side < 2 * max(length, 8)
    assert padded.shape == (3, 2, side)
    assert torch.equal(crop(padded, shape), x)
    before = (side - length) // 2
    assert torch.equal(padded[:, :, :before], x[:, :, :1].expand(-1, -1, before))
    assert torch.equal(padded[:, :, before + length :], x[:, :, -1:].expand(-1, -1, side - before - length))


@pytest.mark.parametrize("length", [8, 37])
def test_a_series_does_not_see_its_batch_mates(length: int) -> None:
    spec, x = DataSpec(shape=(2, length)), at_random(5, 2, length)
    body = encoder(spec, 3, width=8).double()
    assert torch.allclose(body(x)[2:3], body(x[2:3]), atol=1e-12)
    net = denoising_network(spec, width=8, depth=1).double()
    for weights in net.parameters():
        torch.nn.init.normal_(weights, 0.0, 0.1, generator=torch.Generator().manual_seed(1))
    log_snr = at_random(5)
    assert torch.allclose(net(x, log_snr)[2:3], net(x[2:3], log_snr[2:3]), atol=1e-12)
    assert not torch.allclose(net(x, log_snr), net(x.flip(2), log_snr).flip(2))  # and it knows before from after


def test_all_steps_of_the_input_reach_the_code_and_all_of_the_output_depend_on_it() -> None:
    spec = DataSpec(shape=(2, 70))
    x = at_random(1, 2, 70).requires_grad_()
    (gradient,) = torch.autograd.grad(encoder(spec, 1, width=8).double()(x).sum(), x)
    assert (gradient != 0).all()
    net = decoder(spec, 4, width=8).double()
    assert (net(at_random(1, 4)) != net(2 * at_random(1, 4))).all()


def test_a_condition_is_planes_behind_the_channels_of_a_series() -> None:
    x, c = at_random(3, 2, 8), at_random(3, 4)
    joint = concat_condition(x, c)
    assert torch.equal(joint[:, :2], x)
    assert torch.equal(joint[:, 2:], c[:, :, None].expand(-1, -1, 8))
    spec = DataSpec(shape=(2, 8))
    for backbone in get_args(Backbone):
        assert encoder(spec, 1, width=4, condition_size=4, backbone=backbone).double()(joint).shape == (3, 1)


@pytest.mark.parametrize(
    ("shape", "width"),
    [((1, 8), 32), ((3, 128), 32), ((1, 129), 16), ((1, 512), 16), ((1, 1024), 8), ((1, 8, 8), CHANNELS),
     ((1, 16, 16), 16), ((1, 32, 32), 8), ((1, 64, 64), 8)],
)  # fmt: skip
def test_default_channels_are_fewer_for_longer_rows(shape: tuple[int, ...], width: int) -> None:
    assert default_width(DataSpec(shape=shape)) == width


@pytest.mark.parametrize("length", [2, 7, 1025])
def test_series_too_short_or_too_long_are_refused_with_the_remedy(length: int) -> None:
    with pytest.raises(InvalidData, match=rf"series have {length} steps; this family reads 8 to 1024; cut") as error:
        convolves(DataSpec(shape=(1, length)))
    assert error.value.field == "run.data"
