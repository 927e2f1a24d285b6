"""`service.formats.pictures`: pictures of a training, read back by Pillow."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.formats.pictures import BLUE, MOST_BYTES, SIDE_PX, Picture, cloud, heat, pairs, sheet

SQUARE = np.zeros(2), np.ones(2)
DIGITS = DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17)


def pixels(picture: Picture) -> np.ndarray:
    image = Image.open(BytesIO(picture.png))
    assert image.format == "PNG"
    assert image.size == (picture.width, picture.height)
    return np.asarray(image.convert("RGB"))


@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 64, 64), (4, 64, 64), (3, 64, 5)])
def test_the_worst_images_make_a_picture_of_few_bytes(shape: tuple[int, ...]) -> None:
    x = np.random.default_rng(0).integers(0, 256, (16, *shape))
    spec = DataSpec(shape=shape, low=0, high=255, levels=256)
    for picture in (sheet(x, spec), pairs(x[:8], x[8:], spec)):
        assert 0 < len(picture.png) <= MOST_BYTES
        pixels(picture)


def test_gray_images_of_16_bits_are_drawn() -> None:
    x = np.random.default_rng(0).integers(0, 65_536, (16, 1, 64, 64))
    picture = sheet(x, DataSpec(shape=(1, 64, 64), low=0, high=65_535))
    assert len(picture.png) <= MOST_BYTES


def test_images_that_are_not_finite_are_drawn() -> None:
    x = np.full((16, 1, 8, 8), np.nan)
    assert pixels(sheet(x, DIGITS)).max() < 255


def test_a_row_stands_above_what_became_of_it() -> None:
    x, back = np.full((8, 1, 8, 8), 16.0), np.zeros((8, 1, 8, 8))
    shown = pixels(pairs(x, back, DIGITS))
    assert shown.shape[0] < shown.shape[1]
    assert (shown[:40, :40] == 255).all()
    assert (shown[-40:, -40:] == 0).all()


def test_series_are_lines_that_share_a_scale() -> None:
    x = np.linspace(0, 1, 32)[None, None].repeat(8, 0)
    shown = pixels(pairs(x, 0 * x, DataSpec(shape=(1, 32))))
    assert shown.min() == 0
    assert shown.shape[1] <= 800


def test_a_point_stands_where_it_is_and_others_are_left_out() -> None:
    points = np.array([[0.0, 0.0], [np.nan, 0.5], [5.0, 0.5]])
    shown = pixels(cloud(points, np.empty((0, 2)), SQUARE))
    blue = np.argwhere((shown == BLUE).all(-1))
    assert len(blue) == 9
    assert (blue.min(0).tolist(), blue.max(0).tolist()) == ([SIDE_PX - 3, 0], [SIDE_PX - 1, 2])  # below, at the left


def test_samples_lie_over_held_out_points() -> None:
    point = np.array([[0.5, 0.5]])
    alone = pixels(cloud(point, np.empty((0, 2)), SQUARE))
    assert np.array_equal(pixels(cloud(point, point, SQUARE)), alone)


def test_a_density_is_bright_where_it_is_high_and_its_top_is_above() -> None:
    shares = np.zeros((64, 64))
    shares[0, -1] = 1.0
    shown = pixels(heat(shares)).astype(int).sum(-1)
    assert shown[0, -1] == shown.max()
    assert (shown == shown.max()).sum() == 25
