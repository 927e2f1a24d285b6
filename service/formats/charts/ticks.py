"""Where an axis has ticks, and how they are written: steps of 1, 2 or 5 times a power of ten.

The nice number nearest to a step is Heckbert's; the ticks stay within the range, which is not made longer.

References:
    | Nice numbers for graph labels (Heckbert, 1990), Graphics Gems, pages 61-63
"""

from __future__ import annotations

from math import ceil, floor, inf, log10
from typing import NamedTuple

import numpy as np

MOST = 6  # about so many ticks
MOST_DECADES = 7  # with a tick each
LEAST = 1e-300  # range of an axis with ticks
PLAIN = range(-4, 7)  # powers of ten that are written without an exponent


class Tick(NamedTuple):
    """A value and its text."""

    value: float
    text: str


def linear(low: float, high: float, *, whole: bool = False) -> list[Tick]:
    """Ticks from `low` to `high`; `whole`: at whole numbers only."""
    if not LEAST < high - low < inf:
        return []
    step = _nice((high - low) / (MOST - 1))
    if whole:
        step = max(1.0, step)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    values = [k * step for k in range(first, last + 1)]
    return [Tick(value, text) for value, text in zip(values, _texts(values, step), strict=True)]


def logarithmic(low: float, high: float) -> list[Tick]:
    """Ticks of a logarithmic axis: at powers of ten; where they are few, at their doubles and fives, too."""
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    every = ceil(len(powers) / MOST_DECADES)
    values = [10.0**power for power in powers if power % every == 0 and low <= 10.0**power <= high]
    if len(values) < 3:
        values = [m * 10.0**power for power in powers for m in (1, 2, 5) if low <= m * 10.0**power <= high]
    return [Tick(value, _text(value, value)) for value in values]


def _nice(x: float) -> float:
    """The number of 1, 2 or 5 times a power of ten that is nearest."""
    power = 10.0 ** floor(log10(x))
    for bound, nice in ((1.5, 1), (3, 2), (7, 5)):
        if x / power < bound:
            return nice * power
    return 10 * power


def _texts(values: list[float], step: float) -> list[str]:
    """The values in one form."""
    greatest = max(map(abs, values), default=0.0)
    return [_text(value, step, greatest) for value in values]


def _text(value: float, step: float, greatest: float | None = None) -> str:
    """A value, to the digits that tell it apart from those a step away."""
    if value == 0:
        return "0"
    greatest = abs(value) if greatest is None else greatest
    power, digit = floor(log10(greatest) + 1e-9), floor(log10(step) + 1e-9)
    if power in PLAIN and digit in PLAIN:
        return f"{value:,.{max(0, -digit)}f}"
    own = floor(np.log10(abs(value)) + 1e-9)
    mantissa, exponent = f"{value:.{max(0, own - digit)}e}".split("e")
    return f"{mantissa}e{int(exponent)}"
