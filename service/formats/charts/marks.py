"""What a chart is: plain data, in the units of its axes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

Reals: TypeAlias = "NDArray[np.float64]"
Shape = Literal["disk", "ring", "triangle", "stroke"]

LOGARITHMIC = 100.0, 10.0  # positive values whose ends, and whose middle nine tenths, are so many times apart
MIDDLE = (0.05, 0.95)
GREATEST, SAME = 1e300, 1e-13  # value that is shown; difference of values that are shown as one, of the larger one
PADDING = 0.04  # of a range, beyond its ends


class Ink(NamedTuple):
    """A color and, so that no color stands alone, how a line of it is dashed."""

    color: str
    dash: tuple[float, ...] = ()  # on, off, ...


# Told apart with any vision (Okabe & Ito, Color Universal Design, 2008), and dark enough on white.
INKS = (
    Ink("#0072b2"),
    Ink("#b34a00", (7, 3)),
    Ink("#00785a", (2, 3)),
    Ink("#000000", (9, 3, 2, 3)),
    Ink("#a13a78", (4, 2)),
    Ink("#5b6570", (1, 2)),
)
GRAY = Ink("#8a939c")


@dataclass(frozen=True)
class Axis:
    """A range of values, and what they are."""

    name: str
    low: float
    high: float
    logarithmic: bool = False
    whole: bool = False  # whether only whole numbers have ticks

    @classmethod
    def over(cls, name: str, values: Reals, *, may_be_logarithmic: bool = False, whole: bool = False) -> Axis:
        """An axis with room for all values that are finite; logarithmic where that helps."""
        finite = values[np.isfinite(values)].astype(np.float64).clip(-GREATEST, GREATEST)
        low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
        if may_be_logarithmic and low > SAME and _spans_decades(finite):
            room = (high / low) ** PADDING
            return cls(name, low / room, high * room, logarithmic=True)
        if high - low <= SAME * max(abs(low), abs(high), SAME):
            half = max(0.5, abs(low) * 0.1)
            return cls(name, low - half, high + half, whole=whole)
        room = PADDING * (high - low)
        return cls(name, low - room, high + room, whole=whole)

    def share(self, values: Reals) -> Reals:
        """Where values lie, 0 at the lower end and 1 at the upper one."""
        if not self.logarithmic:
            return (values - self.low) / (self.high - self.low)
        low, high = np.log10(self.low), np.log10(self.high)
        found: Reals = (np.log10(np.where(values > 0, values, np.nan)) - low) / (high - low)
        return found


def _spans_decades(positive: Reals) -> bool:
    """Whether a linear axis would show many of the values as one; a few far ones are no reason."""
    lower, upper = np.quantile(positive, MIDDLE)
    ends, middle = LOGARITHMIC
    return bool(positive.max() >= ends * positive.min() and upper >= middle * lower)


@final
@dataclass(frozen=True)
class Line:
    """A line through points; it breaks where a value is not finite."""

    x: Reals
    y: Reals
    name: str
    ink: Ink
    dots: bool = False  # at its points


@final
@dataclass(frozen=True)
class Points:
    """Points on their own."""

    x: Reals
    y: Reals
    name: str
    ink: Ink
    shape: Shape = "disk"
    size: float = 3.0  # px


@final
@dataclass(frozen=True)
class Bars:
    """Bars that stand on zero, side by side."""

    edges: Reals  # (b + 1,)
    heights: Reals  # (b,)
    name: str
    ink: Ink


@final
@dataclass(frozen=True)
class Rug:
    """Values as marks below the axis."""

    x: Reals
    name: str
    ink: Ink
    shape: Shape = "stroke"


@final
@dataclass(frozen=True)
class Rule:
    """A line across the panel at a value of its lower axis."""

    x: float
    name: str
    ink: Ink


@final
@dataclass(frozen=True)
class Map:
    """A picture that fills the panel."""

    pixels: NDArray[np.uint8]  # (height, width, 3), the top first
    name: str


Mark = Line | Points | Bars | Rug | Rule | Map


@dataclass(frozen=True)
class Panel:
    """Marks between two axes."""

    x: Axis
    y: Axis
    marks: tuple[Mark, ...]
    same_scale: bool = False  # whether a unit is as long on both axes


@dataclass(frozen=True)
class Chart:
    """Panels above one another."""

    title: str
    panels: tuple[Panel, ...]
