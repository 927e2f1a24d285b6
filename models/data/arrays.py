"""Arrays of a file as rows, labels and vectors: checked, in types that keep the precision of the file."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.fitting import check_integers
from pushforward.models.data.mapped.pieces import Pieces, as_one_column, as_they_are, spans
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import MAX_CLASSES, MIN_ROWS
from pushforward.models.errors import InvalidData
from pushforward.models.spec.row_checks import where_not_finite

Layout = Callable[[NDArray[Any]], NDArray[Any]]

MAX_CONDITION = 1024  # numbers of a condition
BOOLEAN = "save 0 and 1 as numbers, with astype(numpy.uint8)"
TEXT = "text", "save numbers: astype(numpy.float64) where it writes them, a code for each word where it does not"
TIMES = "times", "save numbers: astype(numpy.int64), less the first of them"
NO_NUMBERS = {
    "S": TEXT,
    "U": TEXT,
    "M": TIMES,
    "m": TIMES,
    "c": ("complex numbers", "save their real and imaginary parts as columns"),
    "V": ("records", "save a plain array, with numpy.lib.recfunctions.structured_to_unstructured"),
}


def as_rows(
    x: NDArray[Any], name: str, scratch: ScratchSpace = IN_MEMORY, layout: Layout = as_they_are
) -> NDArray[Any]:
    """Rows in a type that keeps what was saved: bytes, float32, float64; `layout` is of rows. Raises InvalidData."""
    if x.dtype != np.uint8:
        columns, what = (Pieces(x), "column {}") if x.ndim == 2 else (Pieces(x, columns=as_one_column), "the array")
        check_integers(columns, what=what, field="path")
    return _finite(x, f"{name!r}", "path", "x", scratch, layout)


def check_rows(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    """Refuse an array that does not hold rows of numbers, by shape and type. Raises InvalidData."""
    if dtype.kind == "b":
        raise InvalidData(f"{name!r} holds booleans; {BOOLEAN}, and give low 0, high 1, levels 2", field="path")
    if dtype.kind in NO_NUMBERS:
        held, remedy = NO_NUMBERS[dtype.kind]
        raise InvalidData(f"{name!r} holds {held} (dtype {dtype}); {remedy}", field="path")
    if dtype.kind not in "fiu" or len(shape) not in (2, 3, 4) or shape[0] < MIN_ROWS or 0 in shape:
        raise InvalidData(
            f"{name!r} holds {dtype} of shape {list(shape)}; give at least {MIN_ROWS} rows of numbers: (N, D), "
            "(N, H, W), (N, C, H, W) or (N, H, W, C)",
            field="path",
        )


def as_labels(y: NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    """Labels, (N,) int64. Raises InvalidData."""
    check_labels(y.shape, y.dtype, n, name)
    if y.min() < 0 or y.max() >= MAX_CLASSES:
        raise _no_labels(n, name, f"it holds {y.min()} to {y.max()}: number the classes from 0")
    return y.astype(np.int64)


def check_labels(shape: tuple[int, ...], dtype: np.dtype[Any], n: int, name: str) -> None:
    """Refuse an array that does not hold a label for each row, by shape and type. Raises InvalidData."""
    if dtype.kind not in "iu":
        raise _no_labels(n, name, f"it holds {dtype}: save whole numbers, with astype(numpy.int64)")
    if shape != (n,):
        raise _no_labels(n, name, f"it has shape {list(shape)}: one label for each row, (N,)")


def _no_labels(n: int, name: str, why: str) -> InvalidData:
    return InvalidData(
        f"`y` of {name!r} must be {n} labels 0, 1, 2, ..., below {MAX_CLASSES}; {why}", field="condition"
    )


def check_vectors(shape: tuple[int, ...], dtype: np.dtype[Any], n: int, name: str) -> None:
    """Refuse an array that does not hold a vector for each row, by shape and type. Raises InvalidData."""
    if dtype.kind == "b":
        raise InvalidData(f"`c` of {name!r} holds booleans; {BOOLEAN}", field="condition")
    if len(shape) != 2 or shape[0] != n or dtype.kind not in "fiu" or not 1 <= shape[1] <= MAX_CONDITION:
        raise InvalidData(
            f"`c` of {name!r} holds {dtype} of shape {list(shape)}; give {n} vectors of up to {MAX_CONDITION} numbers, "
            "(N, V)",
            field="condition",
        )


def as_vectors(c: NDArray[Any], n: int, name: str, scratch: ScratchSpace = IN_MEMORY) -> NDArray[Any]:
    """Vectors, (N, V), float32 or float64. Raises InvalidData, Hindered."""
    check_vectors(c.shape, c.dtype, n, name)
    check_integers(Pieces(c), what="`c` cannot be used: its column {}", field="condition")
    return _finite(c, f"`c` of {name!r}", "condition", "c", scratch)


def _finite(
    x: NDArray[Any], what: str, field: str, name: str, scratch: ScratchSpace, layout: Layout = as_they_are
) -> NDArray[Any]:
    """As float32 where saved as float32 or float16, as bytes where these, else as float64. Raises InvalidData."""
    small = x.dtype.kind == "f" and x.dtype.itemsize <= 4
    kind = x.dtype if x.dtype == np.uint8 else np.dtype(np.float32 if small else np.float64)
    made = layout(x)
    pieces = _checked(x, kind, what, field, layout)
    if x.dtype != kind or not made.flags.c_contiguous:
        return scratch.array(name, made.shape, kind, pieces)
    deque(pieces, maxlen=0)
    return made


def _checked(x: NDArray[Any], kind: np.dtype[Any], what: str, field: str, layout: Layout) -> Iterator[NDArray[Any]]:
    """The rows in this type and layout, in pieces. Raises InvalidData where a number is not finite."""
    for some in spans(len(x), prod(x.shape[1:])):
        with np.errstate(over="ignore"):
            piece = x[some].astype(kind, copy=False)
        if kind.kind == "f" and not np.isfinite(piece).all():
            later = Pieces(x, np.arange(some.stop, len(x)))
            with np.errstate(over="ignore"):
                n_later = sum(int((~np.isfinite(each.astype(kind))).sum()) for each in later)
            where = where_not_finite(piece, first_row=some.start, n_later=n_later)
            raise InvalidData(f"{what} holds values that are NaN or infinite; drop or fill them: {where}", field=field)
        yield layout(piece)
