"""LeakyReLU networks, for critics: He's initial weights keep the variance from layer to layer."""

import pytest
import torch

from pushforward.models.networks import decoder, encoder
from pushforward.models.spec.data_spec import DataSpec


@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (3, 17, 12)])
def test_leaky_networks_have_the_shapes_of_the_others(shape: tuple[int, ...]) -> None:
    spec = DataSpec(shape=shape)
    assert encoder(spec, 1, width=8, normalized=False, leaky=True)(torch.zeros(2, *shape)).shape == (2, 1)
    assert decoder(spec, 4, width=8, leaky=True)(torch.zeros(2, 4)).shape == (2, *shape)


def test_a_deep_leaky_critic_still_separates_its_inputs() -> None:
    def spread(*, leaky: bool) -> float:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            net = encoder(DataSpec(shape=(2,)), 1, width=128, depth=8, leaky=leaky)
            with torch.no_grad():
                return net(torch.randn(500, 2)).std().item()

    assert spread(leaky=True) > 0.3
    assert spread(leaky=False) < 0.03
