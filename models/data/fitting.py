r"""The middle and the spread of columns, by which data become network units.

With the least and the greatest value a, b of a column, and z = (x - a) / (b - a) in [0, 1],

    shift = a + (b - a) mean z,      scale = (b - a) std z,

which neither overflows nor vanishes whatever unit a column has; nothing here is compared with an absolute number. Two
things are decided by the units in the last place (ulps) of a column's largest number, in the type it was saved in:

    constant    a and b are the same but for rounding: at most 2 ulps apart
    too coarse  scale is less than 32 ulps: what tells its rows apart was lost when it was saved

Middle and spread are of the training rows; which columns are constant is decided by all rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidData

CONSTANT_ULPS = 2
COARSE_ULPS = 32
VALUES_AT_ONCE = 2**22  # bounds what float64 copies take

Doubles = NDArray[np.float64]


class Fit(NamedTuple):
    """Of D columns."""

    shift: Doubles  # (D,); of a constant its value
    scale: Doubles  # (D,); of a constant 1
    constant: NDArray[np.bool_]  # (D,)

    @property
    def constants(self) -> tuple[tuple[int, float], ...]:
        """The constant columns and their values."""
        return tuple((int(i), float(self.shift[i])) for i in np.flatnonzero(self.constant))


def fit(x: NDArray[Any], training: NDArray[Any], *, what: str, field: str) -> Fit:
    """Of the columns of all rows and of the training rows, (N, D) each.

    Arguments:
        what: what a refusal calls a column: "column".
        field: what it names as the field at fault.

    Raises:
        InvalidData: naming the column that is too coarse.
    """
    at_once = max(1, VALUES_AT_ONCE // len(x))
    parts = [_fit(x[:, i : i + at_once], training[:, i : i + at_once]) for i in range(0, x.shape[1], at_once)]
    found = Fit(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    ulp = _ulp(np.abs(found.shift) + found.scale, x.dtype)
    for i in np.flatnonzero(~found.constant & (found.scale < COARSE_ULPS * ulp)):
        kind = _saved_in(x.dtype)
        remedy = "save it as float64, or subtract" if kind == np.float32 else "subtract"
        raise InvalidData(
            f"{what} {i} varies by {found.scale[i]:.3g} about {found.shift[i]:.9g}, where numbers of {kind} are "
            f"{ulp[i]:.3g} apart; {remedy} the middle of it before it is saved",
            field=field,
        )
    return found


def _fit(x: NDArray[Any], training: NDArray[Any]) -> Fit:
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    width = high - low
    constant = width <= CONSTANT_ULPS * _ulp(np.maximum(np.abs(low), np.abs(high)), x.dtype)
    divisor = np.where(constant, 1.0, width)
    z = (training.astype(np.float64) - low) / divisor
    middle, spread = z.mean(0), z.std(0)
    lost = ~constant & (spread == 0)  # all that varies was held out
    if lost.any():
        z = (x[:, lost].astype(np.float64) - low[lost]) / divisor[lost]
        middle[lost], spread[lost] = z.mean(0), z.std(0)
    value = np.median(x, axis=0).astype(np.float64) if constant.any() else low
    return Fit(np.where(constant, value, low + width * middle), np.where(constant, 1.0, width * spread), constant)


def _ulp(magnitude: Doubles, dtype: np.dtype[Any]) -> Doubles:
    with np.errstate(over="ignore"):
        ulps: Doubles = np.spacing(magnitude.astype(_saved_in(dtype))).astype(np.float64)
    return ulps


def _saved_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind == "f" and dtype.itemsize <= 4 else np.dtype(np.float64)
