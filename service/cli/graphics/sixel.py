"""Pictures as sixels: bands of six rows, in each band the columns of one color after another.

VT330/VT340 Programmer Reference Manual, volume 2, chapter 14. A sixel is a column of six pixels, the top one its
lowest bit, written as the character 63 places on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

COLORS = 256
BAND = 6  # rows
BITS = 2 ** np.arange(BAND)
SHORT = 3  # a run of more sixels is written as a count


def escapes(image: Image) -> str:
    """Show a picture at the cursor, in its own colors where they are few."""
    places, palette = _paletted(image)
    height, width = places.shape
    colors = "".join(
        f"#{color};2;{r};{g};{b}"  # in percent
        for color, (r, g, b) in enumerate(np.round(palette / 255 * 100).astype(int).tolist())
    )
    bands = "-".join(_band(places[first : first + BAND]) for first in range(0, height, BAND))
    return f'\x1bP0;0;0q"1;1;{width};{height}{colors}{bands}\x1b\\'


def _paletted(image: Image) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each pixel's color, (height, width), and the colors, (n, 3): its own, or 256 for more."""
    if image.getcolors(COLORS) is None:
        image = image.quantize(COLORS).convert("RGB")
    colors, places = np.unique(np.asarray(image).reshape(-1, 3), axis=0, return_inverse=True)
    return places.reshape(image.height, image.width), colors.astype(np.int64)


def _band(rows: NDArray[np.int64]) -> str:
    """Each color's sixels from the left; `$` goes back there."""
    bits = BITS[: len(rows), None]
    return "$".join(f"#{color}" + "".join(_runs(((rows == color) * bits).sum(0))) for color in np.unique(rows).tolist())


def _runs(sixels: NDArray[np.int64]) -> Iterator[str]:
    starts = np.flatnonzero(np.diff(sixels, prepend=-1))
    lengths = np.diff(starts, append=len(sixels))
    for start, length in zip(starts.tolist(), lengths.tolist(), strict=True):
        character = chr(63 + int(sixels[start]))
        yield f"!{length}{character}" if length > SHORT else character * length
