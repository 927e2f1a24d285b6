r"""The shift and the scale of columns, by which data become network units.

With the least and the greatest value a, b of a column that trains, and z = (x - a) / (b - a) in [0, 1],

    shift = a + (b - a) mean z,      scale = (b - a) std z,

which neither overflows nor vanishes. Two things do not depend on the unit of a column, but on the units in the last
place (ulps) of its largest number, in the type it was saved in:

    constant    all rows are the same but for rounding: at most 2 ulps apart
    too coarse  scale is less than 32 ulps: what tells its rows apart was lost when it was saved

Neighboring whole numbers of up to 64 bits are counts, codes or times, and no rounding of one another: a column of such
is constant only where all are the same. Those of 64 bits are looked at before they become float64 (`check_integers`).

Everything that is made of data later, variances, squared distances and their sums over rows, is of the square of their
unit, so it has to be within [1e-150, 1e150]: squares reach from 1e-300 to 1e300, which leaves float64 (2e308) sums of
1e8 of them. No row may lie 1e9 scales from the middle, as one that is held out can: those that train cannot be further
away than the root of their number.

Shift and scale are of the training rows; which columns are constant is decided by all rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidData

CONSTANT_ULPS = 2
COARSE_ULPS = 32
SMALLEST, LARGEST = 1e-150, 1e150  # of scales; of values
FARTHEST = 1e9  # of a value from the middle, in scales
INTEGERS = 2.0**64  # those of 64 bits are smaller
VALUES_AT_ONCE = 2**22  # bounds the memory of float64 copies

Doubles = NDArray[np.float64]


class Fit(NamedTuple):
    """Shift and scale of D columns, and which are constant."""

    shift: Doubles  # (D,); of a constant its value
    scale: Doubles  # (D,); of a constant 1
    constant: NDArray[np.bool_]  # (D,)

    @property
    def constants(self) -> tuple[tuple[int, float], ...]:
        """The constant columns and their values."""
        return tuple((int(i), float(self.shift[i])) for i in np.flatnonzero(self.constant))


def fit(x: NDArray[Any], training: NDArray[Any], *, what: str, field: str) -> Fit:
    """Fit shift and scale to the training rows, and find constant columns in all rows, (N, D) each.

    Arguments:
        what: what a refusal calls a column, "column {}", by its number.
        field: what it names as the field at fault.

    Raises:
        InvalidData: naming the column that is too large, too small, too coarse or that holds a value too far out.
    """
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    _refuse_large(low, high, what, field)
    at_once = max(1, VALUES_AT_ONCE // len(x))
    starts = range(0, x.shape[1], at_once)
    parts = [_fit(*(each[..., i : i + at_once] for each in (x, training, low, high))) for i in starts]
    found = Fit(*(np.concatenate(each) for each in zip(*parts, strict=True)))
    ulp = _ulp(np.abs(found.shift) + found.scale, x.dtype)
    for i in np.flatnonzero(~found.constant & (found.scale < COARSE_ULPS * ulp)):
        raise _coarse(what.format(i), found.scale[i], found.shift[i], _saved_in(x.dtype), ulp[i], field)
    for i in np.flatnonzero(~found.constant & (found.scale < SMALLEST)):
        raise InvalidData(
            f"{what.format(i)} varies by {found.scale[i]:.3g}, whose square float64 does not hold; multiply it, so "
            f"that it varies by {SMALLEST:g} at least",
            field=field,
        )
    away = np.maximum(high - found.shift, found.shift - low)
    for i in np.flatnonzero(~found.constant & (away > FARTHEST * found.scale)):
        value = high[i] if high[i] - found.shift[i] == away[i] else low[i]
        raise InvalidData(
            f"{what.format(i)} holds values as far out as {value:.6g}, {away[i] / found.scale[i]:.1g} times its spread "
            f"({found.scale[i]:.3g}) from its middle; drop or clip such rows, or take logarithms",
            field=field,
        )
    return found


def fit_counts(x: NDArray[Any], training: NDArray[Any]) -> Fit:
    """The same of log(1 + x), of whole numbers x >= 0: nothing there is too large, too coarse or too far out."""
    at_once = max(1, VALUES_AT_ONCE // len(x))
    parts = []
    for i in range(0, x.shape[1], at_once):
        logs, kept = (np.log1p(each[:, i : i + at_once], dtype=np.float64) for each in (x, training))
        parts.append(_fit(logs, kept, logs.min(0), logs.max(0)))
    return Fit(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def check_integers(x: NDArray[Any], *, what: str, field: str) -> None:
    """Refuse columns, (N, D), of integers that float64 does not tell apart; `what` and `field` as for `fit`.

    Raises:
        InvalidData: naming the column.
    """
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8:
        return
    low, high = x.min(0), x.max(0)
    magnitude = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    for i in np.flatnonzero((low != high) & (magnitude > 2.0**53)):
        above = x[:, i].astype(np.uint64) - low[i].astype(np.uint64)  # exact, modulo 2^64
        spread, ulp = float(above.std(dtype=np.float64)), float(np.spacing(magnitude[i]))
        if spread < COARSE_ULPS * ulp:
            middle = float(low[i]) + float(above.mean(dtype=np.float64))
            raise _coarse(what.format(i), spread, middle, np.dtype(np.float64), ulp, field)


def _coarse(column: str, spread: float, middle: float, kind: np.dtype[Any], ulp: float, field: str) -> InvalidData:
    remedy = "save it as float64, or subtract" if kind.itemsize < 8 else "subtract"
    return InvalidData(
        f"{column} varies by {spread:.3g} about {middle:.9g}, where numbers of {kind} are {ulp:.3g} apart; {remedy} "
        "the middle of it before it is saved",
        field=field,
    )


def _refuse_large(low: Doubles, high: Doubles, what: str, field: str) -> None:
    """Refuse columns whose squares overflow; constant columns are never computed with."""
    largest = np.maximum(np.abs(low), np.abs(high))
    for i in np.flatnonzero((low < high) & (largest > LARGEST)):
        value = high[i] if high[i] == largest[i] else low[i]
        raise InvalidData(
            f"{what.format(i)} holds {value:.6g}, and sums of squares of numbers beyond {LARGEST:g} are not finite; "
            "divide it, or take logarithms",
            field=field,
        )


def _fit(x: NDArray[Any], training: NDArray[Any], low: Doubles, high: Doubles) -> Fit:
    width, largest = high - low, np.maximum(np.abs(low), np.abs(high))
    ulp = _ulp(largest, x.dtype)
    of_integers = (ulp >= 1) & (largest < INTEGERS)
    constant = (width == 0) | ((width <= CONSTANT_ULPS * ulp) & ~of_integers)
    shift, scale = _moments(training)
    lost = ~constant & (scale == 0)  # all that varies was held out
    if lost.any():
        shift[lost], scale[lost] = _moments(x[:, lost])
    value = np.median(x, axis=0).astype(np.float64) if (low < high)[constant].any() else low
    return Fit(np.where(constant, value, shift), np.where(constant, 1.0, scale), constant)


def _moments(x: NDArray[Any]) -> tuple[Doubles, Doubles]:
    low, high = x.min(0).astype(np.float64), x.max(0).astype(np.float64)
    width = high - low
    z = (x.astype(np.float64) - low) / np.where(width > 0, width, 1.0)
    return low + width * z.mean(0), width * z.std(0)


def _ulp(magnitude: Doubles, dtype: np.dtype[Any]) -> Doubles:
    with np.errstate(over="ignore"):
        ulps: Doubles = np.spacing(magnitude.astype(_saved_in(dtype))).astype(np.float64)
    return ulps


def _saved_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind == "f" and dtype.itemsize <= 4 else np.dtype(np.float64)
