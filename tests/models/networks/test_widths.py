"""Default widths of networks."""

import pytest

from pushforward.models.families.diffusion import Diffusion
from pushforward.models.families.flow_matching import FlowMatching
from pushforward.models.families.gan import GAN
from pushforward.models.networks import default_width
from pushforward.models.spec.data_spec import DataSpec


@pytest.mark.parametrize(
    ("shape", "width"),
    [
        ((2,), 128),
        ((1, 5, 5), 32),
        ((1, 8, 8), 32),
        ((3, 9, 16), 16),
        ((1, 28, 28), 8),
        ((3, 32, 32), 8),
        ((3, 64, 64), 8),
    ],
)
def test_channels_halve_where_pixels_grow_fourfold_down_to_8(shape: tuple[int, ...], width: int) -> None:
    assert default_width(DataSpec(shape=shape)) == width


@pytest.mark.parametrize("family", [Diffusion(), FlowMatching(), GAN()], ids=lambda f: f.family)
@pytest.mark.parametrize("shape", [(2,), (1, 8, 8), (1, 28, 28)], ids=str)
def test_a_width_left_out_is_that_of_the_shape(family: Diffusion | FlowMatching | GAN, shape: tuple[int, ...]) -> None:
    spec = DataSpec(shape=shape)
    told = family.model_copy(update={"width": default_width(spec)})
    sizes, expected = ([weight.shape for weight in of.build(spec).parameters()] for of in (family, told))
    assert sizes == expected
