"""A table of which some columns are given, and the others are modelled.

A row of the file is then two rows of cells: x, (N, C), which a model draws and scores, and g, (N, V), which it is told.
Both tables have their columns in the order of the file, so the place of each given column puts them together again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.tables.columns import Modelled
from pushforward.models.tables.table import Table

Scalar = TypeVar("Scalar", bound=np.generic)


@final
@dataclass(frozen=True)
class SplitTable:
    """The columns of a file in two tables."""

    modelled: Table
    given: Table
    places: tuple[int, ...]  # of the given columns among all columns of the file, from 0, in order

    @classmethod
    def of(cls, whole: Table, given: Sequence[str]) -> Self:
        """The table split at the columns of these names. Raises ValueError where a part has no column with cells."""
        places = tuple(place for place, column in enumerate(whole.columns) if column.name in given)
        others = tuple(column for column in whole.columns if column.name not in given)
        return cls(
            Table(columns=others, left_out=whole.left_out),
            Table(columns=tuple(whole.columns[place] for place in places)),
            places,
        )

    @cached_property
    def whole(self) -> Table:
        """All columns, in the order of the file."""
        columns = list(self.modelled.columns)
        for place, column in zip(self.places, self.given.columns, strict=True):
            columns.insert(place, column)
        return Table(columns=tuple(columns), left_out=self.modelled.left_out)

    def split(self, cells: NDArray[Scalar]) -> tuple[NDArray[Scalar], NDArray[Scalar]]:
        """The cells x, (N, C), and g, (N, V), of rows of the file; or what is said of each cell."""
        x, g = (np.ascontiguousarray(cells[..., self._cells_of(part.modelled)]) for part in (self.modelled, self.given))
        return x, g

    def joined(self, x: NDArray[Scalar], g: NDArray[Scalar]) -> NDArray[Scalar]:
        """The inverse of `split`."""
        cells = np.empty((len(x), self.whole.n_cells), x.dtype)
        for part, of_part in ((self.modelled, x), (self.given, g)):
            cells[:, self._cells_of(part.modelled)] = of_part
        return cells

    def _cells_of(self, columns: Sequence[Modelled]) -> list[int]:
        return [self.whole.cell_of[column.name] for column in columns]
