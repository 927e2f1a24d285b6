"""Rows as one PNG: images in a grid, points of the plane as a scatter. Pillow is imported when the first is drawn."""

from __future__ import annotations

from io import BytesIO
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray

from models.spec import DataSpec
from service.errors import NotAcceptable

MEDIA_TYPE = "image/png"

MIN_SIDE_PX = 256  # small pictures are enlarged by whole factors to about this
MAX_SIDE_PX = 8192
SCATTER_PX = 512
MARGIN = 0.05  # around a scatter, of its width
DOT_PX = 2  # half the side of a dot

Pixels = NDArray[np.uint8]


def png(x: np.ndarray, spec: DataSpec | None) -> bytes:
    """A picture of rows, (n, *shape) in data units. Raises NotAcceptable where they cannot be drawn."""
    if spec is not None and spec.is_image:
        return _encode(grid(_shades(x, spec)))
    if spec is not None and spec.shape == (2,):
        return _encode(scatter(x))
    raise NotAcceptable("only images of 1 or 3 channels and points of the plane are drawn; accept application/json")


def grid(images: Pixels) -> Pixels:
    """Images side by side, (n, C, H, W) to (rows * H, columns * W, C), enlarged where they are small."""
    n, channels, height, width = images.shape
    columns = ceil(sqrt(n))
    rows = ceil(n / columns)
    if max(rows * height, columns * width) > MAX_SIDE_PX:
        raise NotAcceptable(f"{n} images make a picture beyond {MAX_SIDE_PX} pixels; ask for fewer, or for npy")
    sheet = np.zeros((rows * columns, channels, height, width), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(rows, columns, channels, height, width).transpose(0, 3, 1, 4, 2)
    picture = sheet.reshape(rows * height, columns * width, channels)
    factor = max(1, MIN_SIDE_PX // max(picture.shape[:2]))
    return picture.repeat(factor, axis=0).repeat(factor, axis=1)


def scatter(points: np.ndarray) -> Pixels:
    """Points of the plane, (n, 2) to (side, side, 1), dark on white; both axes in the same scale, y upward."""
    points = points[np.isfinite(points).all(axis=1)]
    canvas = np.full((SCATTER_PX, SCATTER_PX, 1), 255, np.uint8)
    if len(points) == 0:
        return canvas
    low, high = points.min(0), points.max(0)
    span = float((high - low).max()) * (1 + 2 * MARGIN) or 1.0
    corner = (low + high) / 2 - span / 2
    column, row = np.floor((points - corner) / span * SCATTER_PX).astype(int).clip(0, SCATTER_PX - 1).T
    for dy in range(-DOT_PX, DOT_PX + 1):
        for dx in range(-DOT_PX, DOT_PX + 1):
            y, x = (SCATTER_PX - 1 - row + dy).clip(0, SCATTER_PX - 1), (column + dx).clip(0, SCATTER_PX - 1)
            canvas[y, x] = 30
    return canvas


def _shades(x: np.ndarray, spec: DataSpec) -> Pixels:
    """Data units to 0..255, by the data's range or, where it has none, by the rows' own."""
    finite = np.nan_to_num(x.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    low = finite.min() if spec.low is None else spec.low
    high = finite.max() if spec.high is None else spec.high
    return np.round((finite - low) / ((high - low) or 1.0) * 255).clip(0, 255).astype(np.uint8)


def _encode(picture: Pixels) -> bytes:
    from PIL import Image

    stream = BytesIO()
    Image.fromarray(picture.squeeze(-1) if picture.shape[-1] == 1 else picture).save(stream, "PNG")
    return stream.getvalue()
