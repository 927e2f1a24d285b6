"""Legends: what each mark of a panel is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushforward.service.formats.charts.marks import Bars, Line, Map, Mark, Points, Rug, Rule
from pushforward.service.formats.charts.scene import TEXT_PX, Box, Dots, Label, Stroke

KEY, GAP, LINE = 26.0, 18.0, 18.0  # width of a sample of a mark, and between two; height of a line
CHAR_PX = 6.6

Key = Stroke | Box | Dots | Label


def legend(marks: Sequence[Mark], left: float, top: float, right: float) -> tuple[list[Key], float]:
    """The shapes of a legend, in as many lines as it needs, and where it ends."""
    shapes: list[Key] = []
    x, y = left, top
    for mark in marks:
        if not mark.name:
            continue
        sample = 0.0 if isinstance(mark, Map) else KEY
        width = sample + CHAR_PX * len(mark.name)
        if x > left and x + width > right:
            x, y = left, y + LINE
        shapes += [*_sample(mark, x, y + TEXT_PX - 4), Label(x + sample, y + TEXT_PX, mark.name)]
        x += width + GAP
    return shapes, y + LINE if shapes else y


def _sample(mark: Mark, x: float, y: float) -> list[Key]:
    """A mark on its own, in the place of a sample."""
    middle = np.array([[x + 10, y]])
    match mark:
        case Line():
            across = Stroke(np.array([[x, y], [x + 20, y]]), mark.ink)
            return [across, Dots(middle, mark.ink, "disk", 2.5)] if mark.dots else [across]
        case Rule():
            return [Stroke(np.array([[x + 10, y - 7], [x + 10, y + 7]]), mark.ink)]
        case Bars():
            return [Box(x + 4, y - 6, 12, 12, mark.ink.color)]
        case Points():
            return [Dots(middle, mark.ink, mark.shape, max(mark.size, 2.5))]
        case Rug():
            return [Dots(middle, mark.ink, mark.shape, 4.5)]
        case Map():
            return []
