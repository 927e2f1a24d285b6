"""Pictures of a training as PNGs of few bytes: rows in a grid, rows above others, samples over rows, a density."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.formats.png import TILE_PX, Pixels, encode, grid, lines, shades

MEDIA_TYPE = "image/png"
MOST_BYTES = 24_000
# Images, of those there are, and how much smaller each is drawn: the first that is small enough as a PNG.
TRIES = ((1.0, 1), (0.5, 1), (1.0, 2), (0.5, 2), (0.25, 1), (0.25, 2), (1.0, 4), (0.25, 4))
PAIRS_PX = 800  # side by side

SIDE_PX = 320  # of the plane
DOT_PX = 3
WHITE, GRAY, BLUE = (255, 255, 255), (196, 196, 196), (31, 84, 184)
ANCHORS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # of viridis, evenly spaced

Bounds: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.float64]]"  # the lowest and the highest point, (2,) each


class Picture(NamedTuple):
    """A PNG."""

    png: bytes
    width: int
    height: int


def sheet(x: np.ndarray, spec: DataSpec) -> Picture:
    """Images or series, (n, *shape) in data units, in a grid."""
    return _fitted(_drawn((x,), spec))


def pairs(x: np.ndarray, below: np.ndarray, spec: DataSpec) -> Picture:
    """Images or series above others, (n, *shape) each in data units."""
    return _fitted(_drawn((x, below), spec))


def cloud(points: np.ndarray, around: np.ndarray, frame: Bounds) -> Picture:
    """Points of the plane, (n, 2), in blue over others in gray; those outside the frame are left out."""
    canvas = np.zeros((SIDE_PX, SIDE_PX), np.uint8)
    for color, each in enumerate((around, points), 1):
        column, row = _pixels(each, frame).T
        for dy in range(DOT_PX):
            for dx in range(DOT_PX):
                canvas[row + dy, column + dx] = color
    return _in_colors(canvas, (WHITE, GRAY, BLUE))


def heat(shares: np.ndarray) -> Picture:
    """A density, (n, n) from 0 to 1, the top first: dark where it is 0, bright where it is 1."""
    levels = _levels(shares)
    n_px = max(1, SIDE_PX // len(levels))
    canvas = levels.repeat(n_px, 0).repeat(n_px, 1)
    return _in_colors(canvas, [tuple(color) for color in _palette().tolist()])


def heat_colors(shares: np.ndarray) -> NDArray[np.uint8]:
    """The colors of a density, (h, w) from 0 to 1: (h, w, 3)."""
    return _palette()[_levels(shares)]


def _levels(shares: np.ndarray) -> NDArray[np.uint8]:
    """Square roots, so that tails show."""
    levels: NDArray[np.uint8] = np.round(255 * np.sqrt(shares.clip(0, 1))).astype(np.uint8)
    return levels


def _palette() -> NDArray[np.uint8]:
    """The colors of the levels, (256, 3)."""
    ends = np.linspace(0, 255, len(ANCHORS))
    colors = [np.interp(np.arange(256), ends, channel) for channel in zip(*ANCHORS, strict=True)]
    return np.stack(colors, 1).round().astype(np.uint8)


def _drawn(sets: Sequence[np.ndarray], spec: DataSpec) -> list[Pixels]:
    """Each set as images, (n, C, H, W), in the same shades."""
    together = np.concatenate(sets)
    images = lines(together) if spec.is_series else shades(together, spec)
    n = len(sets[0])
    return [images[i * n : (i + 1) * n] for i in range(len(sets))]


def _fitted(sets: Sequence[Pixels]) -> Picture:
    """Sets above one another; smaller or fewer images where they take too many bytes."""
    for share, factor in TRIES:
        picture = _composed([_smaller(each[: max(1, round(share * len(each)))], factor) for each in sets])
        if len(picture.png) <= MOST_BYTES:
            break
    return picture


def _composed(sets: Sequence[Pixels]) -> Picture:
    if len(sets) == 1:
        canvas = grid(sets[0])
    else:
        n = max(1, min(len(sets[0]), PAIRS_PX // max(TILE_PX, sets[0].shape[3])))
        rows: list[Any] = [each[first : first + n] for first in range(0, len(sets[0]), n) for each in sets]
        canvas = grid(np.concatenate(rows), columns=n)
    return Picture(encode(canvas), canvas.shape[1], canvas.shape[0])


def _smaller(images: Pixels, factor: int) -> Pixels:
    """Each pixel the mean of factor x factor of them."""
    n, channels, height, width = images.shape
    if factor == 1 or min(height, width) < factor:
        return images
    h, w = height // factor, width // factor
    blocks = images[:, :, : h * factor, : w * factor].reshape(n, channels, h, factor, w, factor)
    means: NDArray[np.float64] = blocks.mean((3, 5)).round()
    return means.astype(np.uint16) if images.dtype == np.uint16 else means.astype(np.uint8)


def _pixels(points: np.ndarray, frame: Bounds) -> NDArray[np.int64]:
    """Column and row of the points within the frame, (m, 2)."""
    low, high = frame
    share = (points.astype(np.float64) - low) / (high - low)
    within = share[((share >= 0) & (share < 1)).all(1)]  # not so where a number is not finite
    place = np.floor(within * (SIDE_PX - DOT_PX)).astype(np.int64)
    return np.stack([place[:, 0], SIDE_PX - DOT_PX - place[:, 1]], 1)


def _in_colors(canvas: NDArray[np.uint8], palette: Sequence[tuple[int, ...]]) -> Picture:
    from PIL import Image

    image = Image.fromarray(canvas)
    image.putpalette([value for color in palette for value in color])
    stream = BytesIO()
    image.save(stream, "PNG")
    return Picture(stream.getvalue(), canvas.shape[1], canvas.shape[0])
