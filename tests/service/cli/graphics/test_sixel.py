"""`cli.graphics.sixel`: pictures that a terminal of sixels shows as they are."""

import numpy as np
import pytest
from PIL import Image

from pushforward.service.cli.graphics.sixel import escapes
from tests.service.cli.graphics.terminals import pixels_of_sixels

PERCENT = 1.5  # of 255: a color is told in whole percents, and rounded


@pytest.mark.parametrize("size", [(1, 1), (6, 5), (7, 30), (18, 4), (20, 200)])
def test_a_picture_of_few_colors_keeps_them(size: tuple[int, int]) -> None:
    colors = np.random.default_rng(1).integers(0, 256, (17, 3), np.uint8)
    pixels = colors[np.random.default_rng(0).integers(0, 17, size)]
    assert np.abs(pixels_of_sixels(escapes(Image.fromarray(pixels))) - pixels).max() <= PERCENT


def test_all_256_grays_are_kept() -> None:
    grays = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
    assert np.abs(pixels_of_sixels(escapes(Image.fromarray(grays))) - grays).max() <= PERCENT


def test_of_more_colors_256_near_ones_are_shown() -> None:
    x, y = np.meshgrid(np.arange(40), np.arange(30))
    pixels = np.stack([6 * x, 8 * y, 255 - 6 * x], 2).astype(np.uint8)
    assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 256
    off = np.abs(pixels_of_sixels(escapes(Image.fromarray(pixels))) - pixels)
    assert off.mean() < 6


def test_a_run_of_one_color_is_a_count() -> None:
    assert len(escapes(Image.new("RGB", (2000, 6)))) < 60
