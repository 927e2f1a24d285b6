"""Rows in pieces of bounded size, wherever they lie.

What is computed of rows, statistics, checks, a digest, is computed of pieces of at most `VALUES_AT_ONCE` numbers, one
after another. The pieces are the same for rows in memory and for rows in a mapped file, so what is computed is, too.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from time import monotonic
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]  # of rows
VALUES_AT_ONCE = 2**22
TOLD_S = 10.0  # between two log lines, at least

_log = logging.getLogger(__name__)


def spans(n_rows: int, row_values: int) -> Iterator[slice]:
    """The pieces of so many rows of so many values each."""
    at_once, told_at = max(1, VALUES_AT_ONCE // max(1, row_values)), monotonic()
    for start in range(0, n_rows, at_once):
        if monotonic() - told_at > TOLD_S:  # a child that is silent for long is taken for dead
            told_at = monotonic()
            _log.info("reading the data: %d%% of a pass", 100 * start // n_rows)
        yield slice(start, min(start + at_once, n_rows))


def as_they_are(x: NDArray[Any]) -> NDArray[Any]:
    """The same numbers."""
    return x


def as_one_column(x: NDArray[Any]) -> NDArray[Any]:
    """All numbers of rows, (n, *shape), as one column, (n D, 1)."""
    return x.reshape(-1, 1)


@final
@dataclass(frozen=True)
class Pieces:
    """Some rows of an array, (N, *shape), as columns."""

    x: NDArray[Any]
    index: Numbers | None = None  # the numbers of the rows; all where None
    columns: Callable[[NDArray[Any]], NDArray[Any]] = as_they_are  # of rows, (n, *shape): (m, D)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """The pieces, (m, D) each. Those of more than one are in the order of the file, which disks like."""
        if self.index is None:
            yield from (self.columns(self.x[some]) for some in self._spans(len(self.x)))
            return
        some_spans = list(self._spans(len(self.index)))
        index = np.sort(self.index) if len(some_spans) > 1 else self.index
        yield from (self.columns(self.x[index[some]]) for some in some_spans)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The type of the numbers."""
        return self.x.dtype

    def first(self, n: int) -> Pieces:
        """The first n rows."""
        return self.of(np.arange(min(n, len(self.x))) if self.index is None else self.index[:n])

    def varies(self) -> NDArray[np.bool_]:
        """Which elements of a row are not the same in all rows, (*shape)."""
        first: NDArray[Any] | None = None
        varies = np.zeros((), bool)
        for piece in self:
            first = piece[0] if first is None else first
            varies = varies | (piece != first).any(0)
        return varies

    def of(self, index: Numbers | None) -> Pieces:
        """Others of the rows."""
        return Pieces(self.x, index, self.columns)

    def range(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """The least and the greatest value of each column, (D,) each."""
        lows, highs = zip(*((piece.min(0), piece.max(0)) for piece in self), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    def _spans(self, n_rows: int) -> Iterator[slice]:
        return spans(n_rows, prod(self.x.shape[1:]))
