"""Curves as text: braille dots on a terminal, two across and four down in a cell; or one line of eight heights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 60, 6  # cells
DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])  # Unicode's bits of a braille cell
BRAILLE = 0x2800
HEIGHTS = "▁▂▃▄▅▆▇█"
LINE_WIDTH = 24
WARM_UP = 0.05  # share of the steps whose values may stand above the chart: first losses dwarf all others


def charts(losses: Mapping[str, Any], width: int) -> Iterator[str]:
    """A chart below the name of each curve, at most so wide."""
    for curve in losses["curves"]:
        yield from chart(curve, width)
        yield ""


def chart(curve: Mapping[str, Any], width: int) -> Iterator[str]:
    """The lines of one curve: its name and values, dots beside the axis of values, the axis of steps."""
    steps, values = finite(curve)
    yield told(curve)
    if len(values) < 2:
        return
    low, high = shown_range(steps, values)
    labels = [f"{high:.4g}", *[""] * (HEIGHT - 2), f"{low:.4g}"]
    wide = max(map(len, labels))
    columns = max(1, min(WIDTH, width - wide - 2))
    for label, cells in zip(labels, dots(steps, values, (low, high), columns), strict=True):
        yield f"{label:>{wide}} ┤{cells}".rstrip()
    first, last = f"step {steps[0]:,.0f}", f"{steps[-1]:,.0f}"
    yield " " * (wide + 2) + f"{first}{last:>{max(len(last) + 1, columns - len(first))}}"


def line(curve: Mapping[str, Any]) -> str:
    """A curve in one line: heights, and its first and last value."""
    steps, values = finite(curve)
    if len(values) < 2:
        return told(curve)
    low, high = shown_range(steps, values)
    at = np.linspace(steps[0], steps[-1], LINE_WIDTH)
    shares = (np.interp(at, steps, values).clip(low, high) - low) / (high - low or 1.0)
    return "".join(HEIGHTS[place] for place in np.round(shares * (len(HEIGHTS) - 1)).astype(int)) + f"  {told(curve)}"


def told(curve: Mapping[str, Any]) -> str:
    """`nll_nats  2.05 → 1.21`, and the best of a curve of held-out rows."""
    values, best = curve["values"], curve["best_step"]
    if not values:
        return f"{curve['name']}  no values"
    ends = f"{curve['name']}  {float(values[0]):.4g} → {float(values[-1]):.4g}"
    if best is None or best not in curve["steps"]:
        return ends
    return f"{ends}, best {float(values[curve['steps'].index(best)]):.4g} at step {best:,}"


def rows(losses: Mapping[str, Any]) -> list[list[str]]:
    """(curve, step, value), for a pipe."""
    return [
        [curve["name"], str(step), f"{float(value):.6g}"]
        for curve in losses["curves"]
        for step, value in zip(curve["steps"], curve["values"], strict=True)
    ]


def finite(curve: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Steps and values, without those that are not finite."""
    pairs = [(step, float(value)) for step, value in zip(curve["steps"], curve["values"], strict=True)]
    kept = np.array([pair for pair in pairs if isfinite(pair[1])], np.float64).reshape(-1, 2)
    return kept[:, 0], kept[:, 1]


def shown_range(steps: NDArray[np.float64], values: NDArray[np.float64]) -> tuple[float, float]:
    """The values from the end of the warm-up on."""
    later = values[steps >= WARM_UP * steps[-1]]
    return float(later.min()), float(later.max())


def dots(
    steps: NDArray[np.float64], values: NDArray[np.float64], span: tuple[float, float], columns: int
) -> Iterator[str]:
    """`HEIGHT` lines of so many braille cells: in each column of dots the curve from there to the next one."""
    low, high = span
    across, down = 2 * columns, 4 * HEIGHT
    at = np.interp(np.linspace(steps[0], steps[-1], across + 1), steps, values).clip(low, high)
    places = np.round((high - at) / (high - low or 1.0) * (down - 1)).astype(int)
    grid = np.zeros((down, across), bool)
    for x, (here, there) in enumerate(pairwise(places)):
        grid[min(here, there) : max(here, there) + 1, x] = True
    cells = grid.reshape(HEIGHT, 4, columns, 2)
    codes = BRAILLE + np.einsum("hycx,yx->hc", cells, DOTS)
    yield from (_text(row) for row in codes.tolist())


def _text(codes: Sequence[int]) -> str:
    return "".join(map(chr, codes)).replace(chr(BRAILLE), " ")
