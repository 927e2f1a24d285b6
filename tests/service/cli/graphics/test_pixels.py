"""`cli.graphics.pixels`: PNGs of every kind as 8-bit RGB, within a size."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from pushforward.service.cli.graphics.pixels import fitted, opened


def png(image: Image.Image) -> bytes:
    stream = BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "P", "1"])
def test_a_picture_of_any_mode_is_opened_as_its_colors(mode: str) -> None:
    pixels = np.random.default_rng(0).integers(0, 2, (6, 5, 3), np.uint8) * 255
    image = Image.fromarray(pixels).convert(mode)
    assert np.array_equal(np.asarray(opened(png(image))), np.asarray(image.convert("RGB")))


def test_16_bits_keep_their_upper_8() -> None:
    deep = np.array([[0, 256, 65535]], np.uint16)
    assert np.asarray(opened(png(Image.fromarray(deep)))).tolist() == [[[0] * 3, [1] * 3, [255] * 3]]


def test_what_is_transparent_is_black() -> None:
    pixels = np.array([[[200, 100, 50, 255], [200, 100, 50, 0]]], np.uint8)
    assert np.asarray(opened(png(Image.fromarray(pixels)))).tolist() == [[[200, 100, 50], [0, 0, 0]]]


def test_a_picture_is_made_smaller_by_means_and_never_larger() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 4, 3), np.uint8)
    image = Image.fromarray(pixels)
    assert fitted(image, 4) is image
    assert fitted(image, 400, 400) is image
    halved = np.asarray(fitted(image, 2)).astype(float)
    means = pixels.reshape(4, 2, 2, 2, 3).mean((1, 3))
    assert np.abs(halved - means).max() <= 1
    assert fitted(image, 100, 2).size == (1, 2)
    assert fitted(Image.new("RGB", (1000, 1)), 10).size == (10, 1)
