"""Whether rows are of the kind that a model was trained on: their shape, range, levels and constants.

A number that was written, rounded to float32 and read again may be off by an ulp. What a model draws it also takes, so
borders, levels and constants are compared with a tolerance (`models.spec.precision`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.precision import ulps
from pushforward.models.spec.units import MAX_COUNT, Units

Constants = tuple[tuple[int, float], ...]  # elements that never vary, and their values

OFF_LEVEL = 1e-3  # of the distance between levels: what passes as on one
MOST_OFF_LEVEL = 0.25  # where the type of the numbers cannot tell levels apart
FARTHEST = 1e38  # in network units, which are float32


def check_rows(
    spec: Units, x: np.ndarray, constants: Constants, *, field: str, on_levels: bool, first_row: int = 0
) -> None:
    """Refuse rows that are not of this kind; see `DataSpec.check`. Raises InvalidInput."""
    if x.shape[1:] != spec.shape or len(x) == 0:
        raise InvalidInput(
            f"has shape {list(x.shape)}; send at least one row of shape {list(spec.shape)}: [n, "
            f"{', '.join(map(str, spec.shape))}]{_transpose(spec, x)}",
            field=field,
        )
    if not np.isfinite(x).all():
        raise InvalidInput(
            f"holds NaN or infinite values; every value must be finite: {where_not_finite(x)}", field=field
        )
    if spec.counts:
        _check_counts(x, field, on_levels=on_levels, first_row=first_row)
    else:
        _check_reach(spec, x, field)
    _check_constants(spec, x, constants, field)
    if spec.low is not None and spec.high is not None:
        _check_range(spec, x, field, spec.low, spec.high)
        if on_levels and spec.levels is not None:
            _check_levels(spec, x, field, spec.low, spec.high)


def where_not_finite(x: np.ndarray, *, first_row: int = 0, n_later: int = 0) -> str:
    """The first such value of some rows and where it stands, counted from 0, and how many more there are.

    `first_row` is the number of the first of these rows, and `n_later` how many such values are in rows after them.
    """
    bad = ~np.isfinite(x)
    at = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), x.shape))
    value = float(x[at])
    words = "NaN" if np.isnan(value) else "-infinity" if value < 0 else "infinity"
    n_more = int(bad.sum()) - 1 + n_later
    at = (at[0] + first_row, *at[1:]) if at else at
    where = f" in {place(at)}" if len(at) > 1 else f" at index {at[0]}" if at else ""
    return f"{words}{where}" + (f", and {n_more} more" if n_more else "")


def place(at: Sequence[int]) -> str:
    """`row 3`, `row 3, column 1` or `row 3, element [1, 0]`: an element of rows, counted from 0."""
    row, *element = at
    if not element:
        return f"row {row}"
    return f"row {row}, " + (f"column {element[0]}" if len(element) == 1 else f"element {element}")


def _transpose(spec: Units, x: np.ndarray) -> str:
    """Advice for images and series whose channels come last."""
    last = len(spec.shape) > 1 and x.shape[1:] == (*spec.shape[1:], spec.shape[0])
    return "; channels come first, so send numpy.moveaxis(x, -1, 1)" if last else ""


def _check_counts(x: np.ndarray, field: str, *, on_levels: bool, first_row: int) -> None:
    """Refuse what is no count; numbers between counts, as means are, where these have no probability."""
    counts = x.astype(np.float64)
    bad = (counts < 0) | (counts > MAX_COUNT)
    if on_levels:
        bad |= np.abs(counts - np.round(counts)) > OFF_LEVEL
    if bad.any():
        at = tuple(int(i) for i in np.unravel_index(int(bad.argmax()), x.shape))
        which = "whole numbers" if on_levels else "numbers"
        raise InvalidInput(
            f"holds {x[at]:.9g} in {place((at[0] + first_row, *at[1:]))}; counts are {which} from 0 to {MAX_COUNT}: "
            "send such",
            field=field,
        )


def _check_reach(spec: Units, x: np.ndarray, field: str) -> None:
    """Refuse what would be infinite in the type that data are held in, or that networks compute in."""
    largest = max(abs(float(x.min())), abs(float(x.max())))
    if spec.dtype == "float64" and (largest + max(map(abs, spec.shift))) / min(spec.scale) < FARTHEST:
        return
    if spec.dtype == "float32" and largest / min(1.0, *spec.scale) < FARTHEST:
        return
    x = x.astype(np.float64)
    shift, scale = spec.along_axes(spec.shift), spec.along_axes(spec.scale)
    with np.errstate(over="ignore"):
        reach = np.abs(x / scale - shift / scale)
    too_far = (reach > FARTHEST) | (np.abs(x) > FARTHEST if spec.dtype == "float32" else False)
    if too_far.any():
        raise InvalidInput(
            f"holds {x[too_far][0]:.6g}, so far from this model's data that it is not finite in float32, which "
            "networks compute in; send values in the data's own units",
            field=field,
        )


def _check_constants(spec: Units, x: np.ndarray, constants: Constants, field: str) -> None:
    for element, value in constants:
        off = np.abs(x[:, element].astype(np.float64) - value) > ulps(value, x.dtype, spec.dtype, np.float32)
        if off.any():
            raise InvalidInput(
                f"has {x[off, element][0]:.9g} in column {element}, which is {value:.9g} in all rows of the data: the "
                "model knows no other value of it; score rows that have it, or train on rows where it varies",
                field=field,
            )


def _check_range(spec: Units, x: np.ndarray, field: str, low: float, high: float) -> None:
    least, greatest = float(x.min()), float(x.max())
    tolerance = min(ulps(max(abs(low), abs(high)), x.dtype, spec.dtype), OFF_LEVEL * (high - low))
    if least < low - tolerance or greatest > high + tolerance:
        raise InvalidInput(
            f"has values in [{least:.9g}, {greatest:.9g}]; this model's data lie in [{low:.9g}, {high:.9g}]",
            field=field,
        )


def _check_levels(spec: Units, x: np.ndarray, field: str, low: float, high: float) -> None:
    rounding = ulps(max(abs(low), abs(high)), x.dtype, spec.dtype) / spec.bin_width
    offset = (x.astype(np.float64) - low) / spec.bin_width
    if np.abs(offset - np.round(offset)).max() > min(MOST_OFF_LEVEL, OFF_LEVEL + rounding):
        raise InvalidInput(
            f"has values between levels; round to the {spec.levels} levels {low:.9g}, {low + spec.bin_width:.9g}, ..., "
            f"{high:.9g} first",
            field=field,
        )
