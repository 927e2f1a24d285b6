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

Rows are read in pieces (`models.data.mapped.pieces`). With the means m_i and variances v_i of pieces of n_i of n rows,

    mean z = sum_i n_i / n m_i,      std^2 z = sum_i n_i / n (v_i + (m_i - mean z)^2).

References:
    | Algorithms for computing the sample variance (Chan, Golub & LeVeque, 1983), doi:10.1080/00031305.1983.10483115
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.mapped.pieces import Pieces
from pushforward.models.errors import InvalidData

CONSTANT_ULPS = 2
COARSE_ULPS = 32
SMALLEST, LARGEST = 1e-150, 1e150  # of scales; of values
FARTHEST = 1e9  # of a value from the middle, in scales
INTEGERS = 2.0**64  # those of 64 bits are smaller

Doubles = NDArray[np.float64]
Columns = Callable[[NDArray[Any]], NDArray[Any]]


class Fit(NamedTuple):
    """Shift and scale of D columns, and which are constant."""

    shift: Doubles  # (D,); of a constant its value
    scale: Doubles  # (D,); of a constant 1
    constant: NDArray[np.bool_]  # (D,)

    @property
    def constants(self) -> tuple[tuple[int, float], ...]:
        """The constant columns and their values."""
        return tuple((int(i), float(self.shift[i])) for i in np.flatnonzero(self.constant))


def fit(x: Pieces, training: Pieces, *, what: str, field: str) -> Fit:
    """Fit shift and scale to the training rows, and find constant columns in all rows.

    Arguments:
        what: what a refusal calls a column, "column {}", by its number.
        field: what it names as the field at fault.

    Raises:
        InvalidData: naming the column that is too large, too small, too coarse or that holds a value too far out.
    """
    low, high = (each.astype(np.float64) for each in x.range())
    _refuse_large(low, high, what, field)
    found = _fit(x, training, low, high, x.dtype)
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


def fit_counts(x: Pieces, training: Pieces) -> Fit:
    """The same of log(1 + x), of whole numbers x >= 0: nothing there is too large, too coarse or too far out."""
    logs, kept = (replace(each, columns=_logarithms(each.columns)) for each in (x, training))
    return _fit(logs, kept, *logs.range(), np.dtype(np.float64))


def _logarithms(columns: Columns) -> Columns:
    return lambda rows: np.log1p(columns(rows), dtype=np.float64)


def check_integers(x: Pieces, *, what: str, field: str) -> None:
    """Refuse columns of integers that float64 does not tell apart; `what` and `field` as for `fit`.

    Raises:
        InvalidData: naming the column.
    """
    if x.dtype.kind not in "iu" or x.dtype.itemsize < 8:
        return
    low, high = x.range()
    magnitude = np.maximum(np.abs(low.astype(np.float64)), np.abs(high.astype(np.float64)))
    for i in np.flatnonzero((low != high) & (magnitude > 2.0**53)):
        # Exact, modulo 2^64.
        above = (piece[:, [i]].astype(np.uint64) - low[i].astype(np.uint64) for piece in x)
        mean, std = (float(each[0]) for each in _mean_and_std(above))
        ulp = float(np.spacing(magnitude[i]))
        if std < COARSE_ULPS * ulp:
            raise _coarse(what.format(i), std, float(low[i]) + mean, np.dtype(np.float64), ulp, field)


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


def _fit(x: Pieces, training: Pieces, low: Doubles, high: Doubles, dtype: np.dtype[Any]) -> Fit:
    width, largest = high - low, np.maximum(np.abs(low), np.abs(high))
    ulp = _ulp(largest, dtype)
    of_integers = (ulp >= 1) & (largest < INTEGERS)
    constant = (width == 0) | ((width <= CONSTANT_ULPS * ulp) & ~of_integers)
    shift, scale = _moments(training)
    lost = ~constant & (scale == 0)  # all that varies was held out
    if lost.any():
        of_all = _moments(x)
        shift[lost], scale[lost] = (each[lost] for each in of_all)
    value = low.copy()
    for i in np.flatnonzero(constant & (low < high)):
        value[i] = _median(x, int(i))
    return Fit(np.where(constant, value, shift), np.where(constant, 1.0, scale), constant)


def _moments(x: Pieces) -> tuple[Doubles, Doubles]:
    """Mean and standard deviation of each column, (D,) each."""
    low, high = (each.astype(np.float64) for each in x.range())
    width = high - low
    mean, std = _mean_and_std((piece.astype(np.float64) - low) / np.where(width > 0, width, 1.0) for piece in x)
    return low + width * mean, width * std


def _mean_and_std(pieces: Iterable[NDArray[Any]]) -> tuple[Doubles, Doubles]:
    """Of each column of all pieces, (n, D) each."""
    moments = [(len(each), each.mean(0, dtype=np.float64), each.var(0, dtype=np.float64)) for each in pieces]
    n_rows, means, variances = (np.array(each) for each in zip(*moments, strict=True))
    shares = n_rows[:, None] / n_rows.sum()
    mean: Doubles = (shares * means).sum(0)
    std: Doubles = np.sqrt((shares * (variances + np.square(means - mean))).sum(0))
    return mean, std


def _median(x: Pieces, i: int) -> float:
    """The median of a column that takes few values."""
    counts = Counter[np.generic]()
    for piece in x:
        counts.update(dict(zip(*np.unique(piece[:, i], return_counts=True), strict=True)))
    values = np.sort(np.array(list(counts)))
    upto = np.cumsum([counts[value] for value in values])
    middle = (upto[-1] - 1) // 2, upto[-1] // 2
    return float(values[np.searchsorted(upto, middle, side="right")].mean())


def _ulp(magnitude: Doubles, dtype: np.dtype[Any]) -> Doubles:
    with np.errstate(over="ignore"):
        ulps: Doubles = np.spacing(magnitude.astype(_saved_in(dtype))).astype(np.float64)
    return ulps


def _saved_in(dtype: np.dtype[Any]) -> np.dtype[Any]:
    return dtype if dtype.kind == "f" and dtype.itemsize <= 4 else np.dtype(np.float64)
