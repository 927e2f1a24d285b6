"""Scenes as PNG: drawn large and reduced, so that lines are smooth. Pillow is imported with the first one."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from itertools import cycle, pairwise
from math import ceil, hypot
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pushforward.service.formats.charts.scene import INK, Box, Dots, Label, Raster, Scene, Stroke

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageDraw import ImageDraw as Pen

PIXELS = 2  # of the picture, for a pixel of the scene: sharp on dense screens
SMOOTH = 2  # times larger while it is drawn
SCALE = PIXELS * SMOOTH
COLORS = 256
ANCHORS = {"start": "ls", "middle": "ms", "end": "rs"}


def png(scene: Scene) -> bytes:
    """A scene as a PNG, twice as wide and as high in pixels."""
    from PIL import Image, ImageDraw

    size = ceil(scene.width) * SCALE, ceil(scene.height) * SCALE
    image = Image.new("RGB", size, "#ffffff")
    pen = ImageDraw.Draw(image)
    for shape in scene.shapes:
        _draw(shape, image, pen)
    stream = BytesIO()
    image.reduce(SMOOTH).save(stream, "PNG")
    return stream.getvalue()


def _draw(shape: Stroke | Box | Dots | Label | Raster, image: PillowImage, pen: Pen) -> None:
    from PIL import Image, ImageFont

    match shape:
        case Stroke():
            width = round(shape.width * SCALE)
            for part in _dashed(shape.points * SCALE, [length * SCALE for length in shape.ink.dash]):
                pen.line(part, fill=shape.ink.color, width=width, joint="curve")
        case Box():
            left, top, right, bottom = shape.x, shape.y, shape.x + shape.width, shape.y + shape.height
            corner = max(left, right - 1 / SCALE) * SCALE, max(top, bottom - 1 / SCALE) * SCALE
            pen.rectangle((left * SCALE, top * SCALE, *corner), fill=shape.color)
        case Dots():
            for x, y in (shape.points * SCALE).tolist():
                _dot(shape, x, y, pen)
        case Label():
            font = ImageFont.load_default(shape.size * SCALE)
            pen.text((shape.x * SCALE, shape.y * SCALE), shape.text, INK, font, anchor=ANCHORS[shape.anchor])
        case Raster():
            picture = Image.open(BytesIO(shape.png)).convert("RGB")
            size = round(shape.width * SCALE), round(shape.height * SCALE)
            at = round(shape.x * SCALE), round(shape.y * SCALE)
            image.paste(picture.resize(size, Image.Resampling.NEAREST), at)


def _dot(dots: Dots, x: float, y: float, pen: Pen) -> None:
    r, color = dots.size * SCALE, dots.ink.color
    match dots.shape:
        case "disk":
            pen.ellipse((x - r, y - r, x + r, y + r), fill=color)
        case "ring":
            pen.ellipse((x - r, y - r, x + r, y + r), outline=color, width=round(1.5 * SCALE))
        case "triangle":
            pen.polygon([(x, y - r), (x + r, y + r), (x - r, y + r)], fill=color)
        case "stroke":
            pen.line((x, y - r, x, y + r), fill=color, width=SCALE)


def _dashed(points: NDArray[np.float64], dash: list[float]) -> Iterator[list[tuple[float, float]]]:
    """The parts of a line that are drawn: on for the first length, off for the second, and so on."""
    corners = [(float(x), float(y)) for x, y in points]
    if not dash:
        yield corners
        return
    lengths, is_on = cycle(dash), True
    left, part = next(lengths), corners[:1]
    for (x1, y1), (x2, y2) in pairwise(corners):
        length, done = hypot(x2 - x1, y2 - y1), 0.0
        while length - done >= left:
            done += left
            corner = x1 + (x2 - x1) * done / length, y1 + (y2 - y1) * done / length
            if is_on:
                yield [*part, corner]
            part, is_on, left = [corner], not is_on, next(lengths)
        left -= length - done
        part.append((x2, y2))
    if is_on and len(part) > 1:
        yield part
