r"""Distances between rows, and the nearest training rows of other rows.

    Euclid   |x - y|                                                     in standard deviations of the training rows
    Gower    1/C sum_c d_c(x, y),  d_c in [0, 1] where both are training rows    of tables

For a number d_c = |u - u'| / (the range of u among training rows), u as networks see it; for a category, 0 where both
are the same and 1 where not. Of a number that may be missing or have an atom, d_c is 1 where only one of the two rows
has a number, or both have none for different reasons, and 0 where both have none for the same reason.

With e the one-hot choices, a the numbers divided by their range, 0 where there is none, and p whether there is one,

    C d(x, y) = sum_j |a_j - a'_j| - sum_j [a_j p_j (1 - p'_j) + ...] + sum_i (1 - e_i . e'_i),

where the second sum, of |a_j| of numbers that only one row has, takes back what the first has of them.

References:
    | A General Coefficient of Similarity and Some of Its Properties (Gower, 1971), doi:10.2307/2528823
"""

from __future__ import annotations

from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.tables.table import Table

Reals = NDArray[np.float64]
Places = NDArray[np.int64]

AT_ONCE = 2_000  # training rows


class Nearest(NamedTuple):
    """Distances from training rows, each row's own place among them left out."""

    first: Reals  # (n,) from the nearest one
    second: Reals  # (n,) from the next; infinite where there is none


@final
class Search:
    """The nearest training rows of several sides, each of which is searched once."""

    def __init__(self, training: Reals, table: Table | None = None) -> None:
        """Rows are those of this table where there is one.  training: (N, D)."""
        self.training, self._table = training, table
        self._scale = None if table is None else _scale(table, training)
        self._found = list[tuple[Reals, Places | None, Nearest]]()

    def of(self, rows: Reals, places: Places | None = None) -> Nearest:
        """Of rows, (n, D), which may be training rows at these places, (n,), -1 where they are none."""
        for known, where, found in self._found:
            if known is rows and where is places:
                return found
        found = self.among(rows, self.training, places)
        self._found.append((rows, places, found))
        return found

    def among(self, rows: Reals, others: Reals, places: Places | None = None) -> Nearest:
        """Of rows, (n, D), among these instead of the training rows, (N, D)."""
        near = np.full((len(rows), 2), np.inf)
        for first in range(0, len(others), AT_ONCE):
            distance = self._distances(rows, others[first : first + AT_ONCE])
            if places is not None:
                own = np.flatnonzero((places >= first) & (places < first + distance.shape[1]))
                distance[own, places[own] - first] = np.inf
            near = np.partition(np.concatenate([near, distance], 1), 1, axis=1)[:, :2]
        return Nearest(near[:, 0], near[:, 1])

    def _distances(self, x: Reals, y: Reals) -> Reals:
        """(n, m)."""
        if self._table is None or self._scale is None:
            return np.asarray(np.sqrt(squared_distances(x, y)))
        return gower(self._table, self._scale, x, y)


def gower(table: Table, scale: Reals, x: Reals, y: Reals) -> Reals:
    """Gower's distances of rows as networks see them, in any units of each column, (n, m).  x: (n, W), y: (m, W).

    scale: (P,), the range of each number in the same units.
    """
    from scipy.spatial.distance import cdist

    n_numbers = len(table.numbers)
    (a, e, p), (b, f, q) = (_parts(table, scale, rows) for rows in (x, y))
    total = len(table.choices) - e @ f.T
    if n_numbers:
        total += cdist(a, b, "cityblock") - np.abs(a) @ (1 - q).T - (1 - p) @ np.abs(b).T
    return np.asarray(np.maximum(total, 0.0) / table.n_cells)


def _parts(table: Table, scale: Reals, rows: Reals) -> tuple[Reals, Reals, Reals]:
    """Numbers divided by their range, 0 where there is none; one-hot choices; whether there is a number."""
    n_numbers = len(table.numbers)
    hot = (rows[:, n_numbers:] > 0).astype(np.float64)
    first = np.concatenate([[0], np.cumsum(table.sizes)]).astype(np.int64)
    there = np.ones((len(rows), n_numbers))
    for j, number in enumerate(table.numbers):
        if number.choice is not None:
            there[:, j] = hot[:, first[number.choice]]
    return np.where(there > 0, rows[:, :n_numbers] / scale, 0.0), hot, there


def _scale(table: Table, training: Reals) -> Reals:
    """The range of each number among training rows, (P,); 1 where there is none."""
    n_numbers = len(table.numbers)
    _, _, there = _parts(table, np.ones(n_numbers), training)
    values = np.where(there > 0, training[:, :n_numbers], np.nan)
    ranges = np.ones(n_numbers)
    for j in range(n_numbers):
        known = values[~np.isnan(values[:, j]), j]
        if len(known) and known.max() > known.min():
            ranges[j] = known.max() - known.min()
    return ranges


def squared_distances(x: Reals, y: Reals) -> Reals:
    """|x_i - y_j|^2, (n, m), by one matrix product about a common center."""
    center = y.mean(0)
    x, y = x - center, y - center
    square: Reals = x @ (-2 * y.T)
    square += (x**2).sum(1)[:, None]
    square += (y**2).sum(1)
    return np.maximum(square, 0.0, out=square)
