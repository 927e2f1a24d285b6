"""Pictures as text: half blocks in colors, two pixels in a cell; or characters where there are no colors.

A cell is about twice as high as wide, so the two pixels of a half block, one above the other, are square.
Colors are set by SGR 38 and 48 (ITU-T T.416): `2;R;G;B`, or `5;N` of xterm's 256, a 6x6x6 cube and 24 grays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pushforward.service.cli.graphics.pixels import fitted

if TYPE_CHECKING:
    from PIL.Image import Image

Color: TypeAlias = "tuple[int, int, int]"

RESET = "\x1b[0m"
UPPER_HALF = "▀"
SHADES = " .:-=+*#%@"  # from dark to bright
LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
FIRST = 16  # of xterm's colors that no theme changes
PALETTE = np.array(
    [(r, g, b) for r in CUBE_LEVELS for g in CUBE_LEVELS for b in CUBE_LEVELS]
    + [(8 + 10 * step,) * 3 for step in range(24)]
)


def half_blocks(image: Image, columns: int, *, all_colors: bool) -> str:
    """Lines of at most so many cells; the nearest of 256 colors where a terminal has not `all_colors`."""
    pixels = np.asarray(fitted(image, columns)).astype(int)
    rows = [[(r, g, b) for r, g, b in row] for row in pixels.tolist()]
    if all_colors:
        return _text(rows, lambda color: "2;{};{};{}".format(*color))
    nearest = _nearest(pixels)
    return _text(rows, lambda color: f"5;{nearest[color]}")


def characters(image: Image, columns: int) -> str:
    """Lines of at most so many characters, bright where the picture is."""
    small = fitted(image, columns)
    flat = small.resize((small.width, max(1, round(small.height / 2))))
    luma = np.asarray(flat) @ LUMA / 255
    places = np.round(luma * (len(SHADES) - 1)).astype(int)
    return "".join("".join(SHADES[place] for place in row).rstrip() + "\n" for row in places.tolist())


def _nearest(rows: NDArray[np.int64]) -> dict[Color, int]:
    """The number of the nearest of 256 colors, for each color of a picture."""
    colors = np.unique(rows.reshape(-1, 3), axis=0)
    distance = ((colors[:, None] - PALETTE) ** 2).sum(-1)
    numbers = (FIRST + distance.argmin(1)).tolist()
    return {(r, g, b): number for (r, g, b), number in zip(colors.tolist(), numbers, strict=True)}


def _text(rows: list[list[Color]], code: Callable[[Color], str]) -> str:
    pairs = zip_longest(rows[::2], rows[1::2])
    return "".join("".join(_line(upper, lower, code)) + f"{RESET}\n" for upper, lower in pairs)


def _line(upper: list[Color], lower: list[Color] | None, code: Callable[[Color], str]) -> Iterator[str]:
    """Half blocks, whose colors are set where they change. Without a lower row the terminal's background is left."""
    before: tuple[Color | None, Color | None] = (None, None)
    for above, below in zip_longest(upper, lower or ()):
        if above != before[0]:
            yield f"\x1b[38;{code(above)}m"
        if below is not None and below != before[1]:
            yield f"\x1b[48;{code(below)}m"
        before = above, below
        yield UPPER_HALF
