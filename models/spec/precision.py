r"""The type that data are held in: float32 where it tells rows apart finely enough, else float64.

Networks compute in float32 on u = (x - shift) / scale. A number x that is held in float32 is off by up to 2^-24 |x|,
which is 2^-24 (|shift| + scale) / scale in network units for x about a spread from the middle. Where that is at most
2^-18 (the middle is at most 63 spreads from zero) float32 does: the rounding is below what networks' own arithmetic
adds. Where it is more, or where scale^2 would leave float32's range, data are held in float64. Only `held_in` chooses
the type.

Between float32 and the numbers that a user wrote lies a rounding, so borders and levels are compared with a tolerance
of some units in the last place (ulps) of the coarser type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

Held = Literal["float32", "float64"]

FINEST = 2.0**-18  # of a spread: the rounding that float32 may add to data
SMALLEST, LARGEST = 1e-18, 1e18  # of a scale in float32, whose squares reach from 1e-38 to 3e38
ULPS = 4  # that a number may be off by, having been rounded on its way


def held_in(shift: Iterable[float], scale: Iterable[float], constants: Iterable[float] = ()) -> Held:
    """The type for data with these middles and spreads, one of each or one for each element."""
    middle, spread = np.abs(np.asarray(tuple(shift), np.float64)), np.asarray(tuple(scale), np.float64)
    within = (spread >= SMALLEST) & (spread <= LARGEST) & (2.0**-24 * (middle + spread) <= FINEST * spread)
    return "float32" if within.all() and all(map(_same_in_float32, constants)) else "float64"


def ulps(magnitude: float, *types: Any) -> float:
    """`ULPS` units in the last place of a number of this size, in the coarsest of some types of numpy."""
    floats = [np.dtype(kind) for kind in types if np.dtype(kind).kind == "f"]
    coarsest = np.float32 if any(kind.itemsize <= 4 for kind in floats) else np.float64
    with np.errstate(over="ignore"):
        return ULPS * float(np.spacing(coarsest(abs(magnitude))))


def _same_in_float32(value: float) -> bool:
    """Whether float32 holds a number, or at least writes it with the same digits."""
    with np.errstate(over="ignore"):
        held = np.float32(value)
    return float(held) == value or float(str(held)) == value
