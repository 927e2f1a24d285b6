"""`cli.graphics.blocks`: pictures as half blocks and as characters."""

import re

import numpy as np
import pytest
from PIL import Image

from pushforward.service.cli.graphics.blocks import characters, half_blocks
from tests.service.cli.graphics.terminals import pixels_of_blocks


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


def test_in_all_colors_half_blocks_are_the_pixels() -> None:
    pixels = picture(6, 9)
    pixels[2:4, 3:8] = 7  # of one color
    assert np.array_equal(pixels_of_blocks(half_blocks(Image.fromarray(pixels), 9, all_colors=True)), pixels)


def test_an_odd_row_leaves_the_background_of_the_terminal() -> None:
    shown = pixels_of_blocks(half_blocks(Image.fromarray(picture(5, 4)), 4, all_colors=True))
    assert np.array_equal(shown[:5], picture(5, 4))
    assert (shown[5] == -1).all()


def test_of_256_colors_the_nearest_is_shown() -> None:
    pixels = picture(8, 8)
    shown = pixels_of_blocks(half_blocks(Image.fromarray(pixels), 8, all_colors=False))
    assert np.abs(shown - pixels).max() <= 48  # half the widest step of the cube
    exact = np.array([[[95, 0, 255], [8, 8, 8]], [[238, 238, 238], [255, 255, 255]]], np.uint8)
    assert np.array_equal(pixels_of_blocks(half_blocks(Image.fromarray(exact), 2, all_colors=False)), exact)


@pytest.mark.parametrize("columns", [80, 40])
def test_a_line_is_no_wider_than_the_terminal_and_resets_its_colors(columns: int) -> None:
    image = Image.fromarray(picture(120, 200))
    for text in (half_blocks(image, columns, all_colors=True), half_blocks(image, columns, all_colors=False)):
        lines = text.splitlines()
        assert {len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in lines} == {columns}
        assert all(line.endswith("\x1b[0m") for line in lines)
        assert len(lines) == 120 * columns // 200 // 2


def test_without_colors_characters_are_the_denser_the_brighter() -> None:
    ramp = np.linspace(0, 255, 10).astype(np.uint8)
    image = Image.fromarray(np.broadcast_to(ramp[None, :, None], (4, 10, 3)).copy())
    assert characters(image, 10) == " .:-=+*#%@\n" * 2
    assert {len(line) for line in characters(Image.new("RGB", (99, 50), "white"), 40).splitlines()} == {40}
