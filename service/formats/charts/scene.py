"""Shapes in pixels, which both renderers draw: so an SVG and a PNG of a chart show the same."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.service.formats.charts.marks import Ink, Shape

Anchor = Literal["start", "middle", "end"]

INK, PALE = "#1a1d21", "#d9dde1"  # of text and frames; of lines of the grid
TEXT_PX = 12


class Stroke(NamedTuple):
    """A line through points."""

    points: NDArray[np.float64]  # (n, 2)
    ink: Ink
    width: float = 1.5


class Box(NamedTuple):
    """A filled rectangle."""

    x: float
    y: float
    width: float
    height: float
    color: str


class Dots(NamedTuple):
    """One shape at many points."""

    points: NDArray[np.float64]  # (n, 2)
    ink: Ink
    shape: Shape
    size: float


class Label(NamedTuple):
    """A line of text on its baseline."""

    x: float
    y: float
    text: str
    anchor: Anchor = "start"
    size: int = TEXT_PX


class Raster(NamedTuple):
    """A picture, its pixels as squares."""

    x: float
    y: float
    width: float
    height: float
    png: bytes


class Scene(NamedTuple):
    """Shapes, the hindmost first."""

    title: str
    width: float
    height: float
    shapes: tuple[Stroke | Box | Dots | Label | Raster, ...]
