"""From a chart to shapes in pixels: titles, legends, frames, ticks, and the marks between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np

from pushforward.service.formats.charts.keys import legend
from pushforward.service.formats.charts.marks import Bars, Chart, Ink, Line, Map, Mark, Panel, Points, Reals, Rug, Rule
from pushforward.service.formats.charts.scene import INK, PALE, TEXT_PX, Box, Dots, Label, Raster, Scene, Stroke
from pushforward.service.formats.charts.ticks import Tick, linear, logarithmic
from pushforward.service.formats.png import encode

AnyShape = Stroke | Box | Dots | Label | Raster

WIDTH, MARGIN, LINE = 640.0, 14.0, 18.0
CHAR_PX = 6.6  # of a digit
TICK = 4.0
RUG = 16.0  # height of the strip of a rug
HEIGHT, LOW_HEIGHT = 270.0, 150.0  # of one panel, and of each of several
SIDE = 420.0  # of a panel with one scale, at most
ELONGATED = 4.0  # a panel that would be so much longer than wide has a scale for each axis


@final
@dataclass(frozen=True)
class PanelPlace:
    """Where a panel lies."""

    panel: Panel
    left: float
    top: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.top + self.height

    def right_of(self, x: Reals) -> Reals:
        """Pixels of values of the lower axis."""
        return self.left + self.width * self.panel.x.share(x)

    def down_of(self, y: Reals) -> Reals:
        """Pixels of values of the axis at the left."""
        return self.bottom - self.height * self.panel.y.share(y)

    def at(self, x: Reals, y: Reals) -> Reals:
        """Pixels of points, (n, 2)."""
        return np.stack([self.right_of(x), self.down_of(y)], 1)


def scene(chart: Chart) -> Scene:
    """The shapes of a chart."""
    shapes: list[AnyShape] = [Label(MARGIN, MARGIN + TEXT_PX, chart.title, size=TEXT_PX + 2)]
    ups = [_ticks(panel)[1] for panel in chart.panels]
    left = MARGIN + 2 * TICK + CHAR_PX * max((len(tick.text) for ticks in ups for tick in ticks), default=1)
    down, right = MARGIN + 2 * LINE, WIDTH
    for i, panel in enumerate(chart.panels):
        key, down = legend(panel.marks, MARGIN, down, WIDTH - MARGIN)
        shapes += [*key, Label(MARGIN, down + TEXT_PX, panel.y.name)]
        down += LINE + TEXT_PX / 2
        width, height = _size(panel, WIDTH - MARGIN - left, LOW_HEIGHT if len(chart.panels) > 1 else HEIGHT)
        place = PanelPlace(panel, left, down, width, height)
        shapes += _framed(place)
        down = place.bottom + _rugs(panel) * RUG + 2 * TICK + TEXT_PX
        if i == len(chart.panels) - 1 or panel.x.name != chart.panels[i + 1].x.name:
            down += LINE
            shapes.append(Label(place.left + place.width / 2, down, panel.x.name, "middle"))
        down += MARGIN
    return Scene(chart.title, right, down, tuple(shapes))


def _size(panel: Panel, most: float, height: float) -> tuple[float, float]:
    if not panel.same_scale:
        return most, height
    across, up = panel.x.high - panel.x.low, panel.y.high - panel.y.low
    if max(across, up) > ELONGATED * min(across, up):
        return most, height
    px = min(most / across, SIDE / up)
    return across * px, up * px


def _rugs(panel: Panel) -> int:
    return sum(isinstance(mark, Rug) for mark in panel.marks)


def _framed(place: PanelPlace) -> Iterator[AnyShape]:
    """A panel: its marks over the lines of the grid, its frame and its ticks."""
    across, up = _ticks(place.panel)
    rights, downs = (
        to(np.array([tick.value for tick in ticks], np.float64)).tolist()
        for to, ticks in ((place.right_of, across), (place.down_of, up))
    )
    if not any(isinstance(mark, Map) for mark in place.panel.marks):
        for down in downs:
            yield _straight(place.left, down, place.left + place.width, down, PALE)
    rugs = 0
    for mark in place.panel.marks:
        yield from _drawn(mark, place, rugs)
        rugs += isinstance(mark, Rug)
    yield _straight(place.left, place.top, place.left, place.bottom)
    yield _straight(place.left, place.bottom, place.left + place.width, place.bottom)
    for down, tick in zip(downs, up, strict=True):
        yield _straight(place.left - TICK, down, place.left, down)
        yield Label(place.left - 2 * TICK, down + TEXT_PX / 3, tick.text, "end")
    foot = place.bottom + rugs * RUG
    for right, tick in zip(rights, across, strict=True):
        yield _straight(right, foot, right, foot + TICK)
        yield Label(right, foot + TICK + TEXT_PX, tick.text, "middle")


def _ticks(panel: Panel) -> tuple[list[Tick], list[Tick]]:
    """The ticks of the lower axis, and of that at the left."""
    across, up = (
        logarithmic(axis.low, axis.high) if axis.logarithmic else linear(axis.low, axis.high, whole=axis.whole)
        for axis in (panel.x, panel.y)
    )
    return across, up


def _drawn(mark: Mark, place: PanelPlace, rugs: int) -> Iterator[AnyShape]:
    """The shapes of a mark; `rugs` lie under the panel already."""
    match mark:
        case Line():
            points = place.at(mark.x, mark.y)
            yield from (Stroke(part, mark.ink) for part in _unbroken(points) if len(part) > 1 or not mark.dots)
            if mark.dots:
                yield Dots(_finite(points), mark.ink, "disk", 2.5)
        case Points():
            yield Dots(_finite(place.at(mark.x, mark.y)), mark.ink, mark.shape, mark.size)
        case Bars():
            yield from _bars(mark, place)
        case Rug():
            down = place.bottom + (rugs + 0.5) * RUG
            x = mark.x[(mark.x >= place.panel.x.low) & (mark.x <= place.panel.x.high)]
            yield Dots(np.stack([place.right_of(x), np.full(len(x), down)], 1), mark.ink, mark.shape, 4.5)
        case Rule():
            right = float(place.right_of(np.array([mark.x]))[0])
            if place.left <= right <= place.left + place.width:
                yield Stroke(np.array([[right, place.top], [right, place.bottom]]), mark.ink)
        case Map():
            yield Raster(place.left, place.top, place.width, place.height, encode(mark.pixels))


def _bars(mark: Bars, place: PanelPlace) -> Iterator[AnyShape]:
    rights, tops = place.right_of(mark.edges), place.down_of(mark.heights)
    for left, right, top in zip(rights[:-1].tolist(), rights[1:].tolist(), tops.tolist(), strict=True):
        if top < place.bottom:
            gap = min(1.0, (right - left) / 4)
            yield Box(left, top, right - left - gap, place.bottom - top, mark.ink.color)


def _unbroken(points: Reals) -> Iterator[Reals]:
    """The runs of points that are finite; one point is a line of no length."""
    there = np.isfinite(points).all(1)
    borders = np.flatnonzero(np.diff(there)) + 1
    for part, known in zip(np.split(points, borders), np.split(there, borders), strict=True):
        if len(part) and known[0]:
            yield part


def _finite(points: Reals) -> Reals:
    return points[np.isfinite(points).all(1)]


def _straight(x1: float, y1: float, x2: float, y2: float, color: str = INK) -> Stroke:
    return Stroke(np.array([[x1, y1], [x2, y2]]), Ink(color), 1.0)
