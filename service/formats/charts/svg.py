"""Scenes as SVG."""

from __future__ import annotations

from base64 import b64encode
from html import escape

import numpy as np
from numpy.typing import NDArray

from pushforward.service.formats.charts.marks import Ink
from pushforward.service.formats.charts.scene import INK, Box, Dots, Label, Raster, Scene, Stroke

MEDIA_TYPE = "image/svg+xml"
FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"


def svg(scene: Scene) -> bytes:
    """A scene as a document of its own: dark on white, its title for those who do not see it."""
    width, height = _n(scene.width), _n(scene.height)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}" role="img" font-family="{FONT}" fill="{INK}">',
            f"<title>{escape(scene.title)}</title>",
            f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
            *map(_element, scene.shapes),
            "</svg>\n",
        ]
    ).encode()


def _element(shape: Stroke | Box | Dots | Label | Raster) -> str:
    match shape:
        case Stroke():
            path = "L".join(f"{_n(x)} {_n(y)}" for x, y in shape.points.tolist())
            return f'<path d="M{path}" {_line(shape.ink, shape.width)} stroke-linejoin="round"/>'
        case Box():
            return f'<rect {_place(shape)} fill="{shape.color}"/>'
        case Dots():
            return _dots(shape)
        case Label():
            at = f'x="{_n(shape.x)}" y="{_n(shape.y)}" font-size="{shape.size}" text-anchor="{shape.anchor}"'
            return f"<text {at}>{escape(shape.text)}</text>"
        case Raster():
            data = b64encode(shape.png).decode()
            return (
                f'<image {_place(shape)} preserveAspectRatio="none" style="image-rendering:pixelated" '
                f'href="data:image/png;base64,{data}"/>'
            )


def _dots(dots: Dots) -> str:
    """All points as one path."""
    r, color = dots.size, dots.ink.color
    match dots.shape:
        case "disk":
            path = _each(dots.points, "h0")
            return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="{_n(2 * r)}" stroke-linecap="round"/>'
        case "ring":
            arc = f"{_n(r)} {_n(r)} 0 1 0"
            path = _each(dots.points, f"m{_n(-r)} 0a{arc} {_n(2 * r)} 0a{arc} {_n(-2 * r)} 0")
            return f'<path d="{path}" {_line(Ink(color), 1.5)}/>'
        case "triangle":
            path = _each(dots.points, f"m0 {_n(-r)}l{_n(r)} {_n(2 * r)}h{_n(-2 * r)}z")
            return f'<path d="{path}" fill="{color}"/>'
        case "stroke":
            return f'<path d="{_each(dots.points, f"m0 {_n(-r)}v{_n(2 * r)}")}" {_line(Ink(color), 1.0)}/>'


def _each(points: NDArray[np.float64], mark: str) -> str:
    return "".join(f"M{_n(x)} {_n(y)}{mark}" for x, y in points.tolist())


def _line(ink: Ink, width: float) -> str:
    dash = f' stroke-dasharray="{" ".join(map(_n, ink.dash))}"' if ink.dash else ""
    return f'fill="none" stroke="{ink.color}" stroke-width="{_n(width)}"{dash}'


def _place(shape: Box | Raster) -> str:
    return f'x="{_n(shape.x)}" y="{_n(shape.y)}" width="{_n(shape.width)}" height="{_n(shape.height)}"'


def _n(number: float) -> str:
    """A number of pixels, to a tenth."""
    return f"{number:.1f}".removesuffix(".0")
