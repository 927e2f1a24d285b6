"""Rows as one PNG: images in a grid, series as lines in a grid, points of the plane as a scatter.

Pillow is imported with the first picture.

Gray images of 16 bits, whose range is 0 to 65,535, keep their 16 bits; others have 8 bits for each channel.
"""

from __future__ import annotations

from io import BytesIO
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.errors import NotAcceptable

MEDIA_TYPE = "image/png"

TILE_PX = 48  # small images are enlarged by whole factors to about this
GAP_PX = 4  # between images
GAP_SHADE = 96  # of 255
MAX_SIDE_PX = 8192
SCATTER_PX = 512
MARGIN = 0.05  # around a scatter, of its width
LINES_PX = 96, 192  # height and width of a series
LIGHTEST = 160  # shade of the last channel's line; the first is black
INK = 0.5  # of one point; overlapping points are darker

GREATEST, GREATEST_16_BIT = 255, 65535

Pixels = NDArray[np.uint8] | NDArray[np.uint16]


def png(x: np.ndarray, spec: DataSpec | None) -> bytes:
    """A picture of rows, (n, *shape) in data units. Raises NotAcceptable where they cannot be drawn."""
    return encode(scatter(x) if spec is not None and spec.shape == (2,) else tiles(x, spec))


def tiles(x: np.ndarray, spec: DataSpec | None) -> Pixels:
    """Images or series, (n, *shape) in data units, in a grid. Raises NotAcceptable where they cannot be drawn."""
    if spec is not None and spec.is_image:
        return grid(shades(x, spec))
    if spec is not None and spec.is_series:
        return grid(lines(x))
    raise NotAcceptable(
        "only images of 1, 3 or 4 channels, series and points of the plane are drawn; accept application/json"
    )


def grid(images: Pixels, columns: int | None = None) -> Pixels:
    """Images side by side with a gap between, (n, C, H, W) to (height, width, C), enlarged where they are small.

    In a square unless `columns` are given.
    """
    n, channels, height, width = images.shape
    columns = columns or ceil(sqrt(n))
    rows = ceil(n / columns)
    factor = max(1, TILE_PX // max(height, width))
    cell = height * factor + GAP_PX, width * factor + GAP_PX
    if max(rows * cell[0], columns * cell[1]) > MAX_SIDE_PX:
        raise NotAcceptable(f"{n} images make a picture beyond {MAX_SIDE_PX} pixels; ask for fewer, or for npy")
    white = np.iinfo(images.dtype).max
    sheet = np.full((rows * columns, *cell, channels), white // GREATEST * GAP_SHADE, images.dtype)
    sheet[..., 3:] = white  # gaps are opaque
    sheet[n:] = 0
    enlarged = images.transpose(0, 2, 3, 1).repeat(factor, axis=1).repeat(factor, axis=2)
    sheet[:n, :-GAP_PX, :-GAP_PX] = enlarged
    picture = sheet.reshape(rows, columns, *cell, channels).transpose(0, 2, 1, 3, 4)
    return picture.reshape(rows * cell[0], columns * cell[1], channels)[:-GAP_PX, :-GAP_PX]


def lines(x: np.ndarray) -> Pixels:
    """Series, (n, C, L), as pictures of lines, (n, 1, height, width): each channel within its range in all rows."""
    from PIL import Image, ImageDraw

    height, width = LINES_PX
    n, channels, length = x.shape
    finite = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = finite.min((0, 2), keepdims=True), finite.max((0, 2), keepdims=True)
    share = (finite - low) / np.where(high > low, high - low, 1.0)
    down = GAP_PX + (1 - share) * (height - 1 - 2 * GAP_PX)
    right = np.linspace(0, width - 1, length)
    shades = np.linspace(0, LIGHTEST, channels).astype(int).tolist()
    pictures = np.empty((n, 1, height, width), np.uint8)
    for picture, series in zip(pictures, down, strict=True):
        canvas = Image.new("L", (width, height), GREATEST)
        for shade, line in zip(shades, series, strict=True):
            ImageDraw.Draw(canvas).line(np.stack([right, line], 1).ravel().tolist(), fill=shade)
        picture[0] = np.asarray(canvas)
    return pictures


def scatter(points: np.ndarray) -> Pixels:
    """Points of the plane, (n, 2) to (side, side, 1), dark on white; both axes in the same scale, y upward."""
    points = points[np.isfinite(points).all(axis=1)]
    count = np.zeros((SCATTER_PX, SCATTER_PX))
    if len(points) > 0:
        low, high = points.min(0), points.max(0)
        span = float((high - low).max()) * (1 + 2 * MARGIN) or 1.0
        corner = (low + high) / 2 - span / 2
        column, row = np.floor((points - corner) / span * SCATTER_PX).astype(int).clip(1, SCATTER_PX - 2).T
        for dy, dx in ((0, 0), (0, 1), (1, 0), (0, -1), (-1, 0)):
            np.add.at(count, (SCATTER_PX - 1 - row + dy, column + dx), 1)
    return np.round(255 * (1 - INK) ** count).astype(np.uint8)[..., None]


def shades(x: np.ndarray, spec: DataSpec) -> Pixels:
    """Data units to shades from 0, by the data's range or, without one, by the range of the rows."""
    finite = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low = finite.min() if spec.low is None else spec.low
    high = finite.max() if spec.high is None else spec.high
    deep = spec.shape[0] == 1 and (spec.low, spec.high) == (0, GREATEST_16_BIT)
    greatest = GREATEST_16_BIT if deep else GREATEST
    shades = np.round((finite - low) / ((high - low) or 1.0) * greatest).clip(0, greatest)
    return shades.astype(np.uint16) if deep else shades.astype(np.uint8)


def encode(picture: Pixels) -> bytes:
    """Pixels, (height, width, C), as a PNG."""
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(stream, "PNG")
    return stream.getvalue()
