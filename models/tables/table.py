"""What a table is: its columns, and how its rows are rows of numbers.

A row is an array of cells, (C,) float64, one for each column that is modelled: see `models.tables.columns`. Networks
see two parts of it, `models.tables.coding`:

    choices   k_1, ..., k_Q: one for each category, and one for each number with cases besides a number: whether it is
              a number (0), missing, or which of its atoms
    numbers   u_1, ..., u_P: one for each number and time, absent where the choice says that there is none

Example:
    >>> from pushforward.models.tables.table import Table
    >>> flower = {"kind": "category", "name": "flower", "arrow_type": "string", "values": ["iris", "rose"]}
    >>> grams = {"kind": "number", "name": "grams", "arrow_type": "double", "low": 1, "high": 3, "missing": True}
    >>> grams["transform"] = {"knots": [1, 3], "images": [-1, 1]}
    >>> table = Table.model_validate({"columns": [flower, grams]})
    >>> [choice.n_cases for choice in table.choices], len(table.numbers)
    ([2, 2], 1)
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import log
from typing import Any, NamedTuple, Self, final

import numpy as np
from pydantic import Field, model_validator

from pushforward.models.config.config import Config
from pushforward.models.errors import InvalidInput
from pushforward.models.tables.columns import (
    MAX_CATEGORIES,
    OTHER,
    AnyColumn,
    Category,
    Modelled,
    Number,
    Numeric,
    Time,
)

MAX_COLUMNS = 1_000
FARTHEST = 1e30  # in network units, which are float32


class Choice(NamedTuple):
    """One discrete variable of a row."""

    cell: int  # of the column it belongs to
    n_cases: int


class Quantity(NamedTuple):
    """One continuous variable of a row."""

    cell: int
    column: Number | Time
    choice: int | None  # which says whether it is there; None where it always is


@final
class Measure(Config):
    """What the density of a row is with respect to, by columns."""

    numbers: tuple[str, ...]
    """Columns whose numbers have a density, with respect to lengths in their units; their missing cells are counted."""
    counted: tuple[str, ...]
    """Columns whose cells have a probability."""


@final
class Table(Config):
    """The columns of a table, in the order of the file."""

    columns: tuple[AnyColumn, ...] = Field(min_length=1, max_length=MAX_COLUMNS)
    """The columns, in the order of the file."""
    left_out: tuple[str, ...] = ()
    """Columns of the file that were dropped: rows may have them, and they are not read."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = [column.name for column in self.columns]
        if len(set(names)) != len(names):
            raise ValueError("columns have different names")
        if not self.modelled:
            raise ValueError("one column at least is a number, a time or a category")
        if sum(len(column.values) for column in self.modelled if isinstance(column, Category)) > MAX_CATEGORIES:
            raise ValueError(f"all categories together have at most {MAX_CATEGORIES} values")
        return self

    @cached_property
    def modelled(self) -> tuple[Modelled, ...]:
        """The columns that have a cell, in order."""
        return tuple(column for column in self.columns if isinstance(column, Numeric | Category))

    @cached_property
    def cell_of(self) -> dict[str, int]:
        """The cell of each column that has one, by name."""
        return {column.name: cell for cell, column in enumerate(self.modelled)}

    @property
    def n_cells(self) -> int:
        """Cells of a row, C."""
        return len(self.modelled)

    @cached_property
    def choices(self) -> tuple[Choice, ...]:
        """The discrete variables, in the order of their columns, Q."""
        return tuple(
            Choice(cell, column.n_cases)
            for cell, column in enumerate(self.modelled)
            if isinstance(column, Category) or column.n_cases > 1
        )

    @property
    def log_shares(self) -> tuple[float, ...]:
        """The logarithm of the share of each case of each choice, (sum of sizes,); 0 where they were not counted."""
        cases = (self.modelled[choice.cell] for choice in self.choices)
        return tuple(log(share) for column in cases for share in column.shares or (1.0,) * column.n_cases)

    @cached_property
    def numbers(self) -> tuple[Quantity, ...]:
        """The continuous variables, in the order of their columns, P."""
        choice_of = {choice.cell: i for i, choice in enumerate(self.choices)}
        return tuple(
            Quantity(cell, column, choice_of.get(cell))
            for cell, column in enumerate(self.modelled)
            if isinstance(column, Number | Time)
        )

    @cached_property
    def parts(self) -> tuple[tuple[int | None, int | None], ...]:
        """Which choice and which number each cell is, (C,); of the two there is one at least."""
        choice_of = {choice.cell: i for i, choice in enumerate(self.choices)}
        number_of = {number.cell: j for j, number in enumerate(self.numbers)}
        return tuple((choice_of.get(cell), number_of.get(cell)) for cell in range(self.n_cells))

    @cached_property
    def stand_in(self) -> tuple[float, ...]:
        """A row, (C,), whose cells stand where none are known yet."""
        return tuple(0.0 if isinstance(column, Category) else column.low for column in self.modelled)

    @cached_property
    def coders(self) -> dict[Any, Any]:
        """`models.tables.coding.Coder`s of this table, by device."""
        return {}

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for users of a model of this table, a sentence each."""
        merged = [repr(each.name) for each in self.modelled if isinstance(each, Category) and each.other]
        return (f"Values in few rows, and unseen ones, are {OTHER!r} in {', '.join(merged)}.",) if merged else ()

    @property
    def sizes(self) -> tuple[int, ...]:
        """The number of cases of each choice, (Q,)."""
        return tuple(choice.n_cases for choice in self.choices)

    @property
    def width(self) -> int:
        """Numbers of a row as networks see it: those of the numbers, then the one-hot codes of the choices."""
        return len(self.numbers) + sum(self.sizes)

    @property
    def has_steps(self) -> bool:
        """Whether numbers of a column lie on a grid, so that they have probabilities."""
        return any(number.column.step is not None for number in self.numbers)

    @property
    def measure(self) -> Measure:
        """Which columns have a density, and which a probability."""
        numbers = tuple(number.column.name for number in self.numbers if number.column.step is None)
        names = (column.name for column in self.modelled)
        return Measure(numbers=numbers, counted=tuple(name for name in names if name not in numbers))

    def check(self, x: np.ndarray, *, field: str = "x", first_row: int = 0) -> None:
        """Refuse rows of cells, (n, C), that are none of this table; the first has this number. Raises InvalidInput."""
        if x.ndim != 2 or x.shape[1] != self.n_cells or len(x) == 0:
            raise InvalidInput(
                f"has shape {list(x.shape)}; send at least one row of {self.n_cells} cells: [n, {self.n_cells}]",
                field=field,
            )
        for cell, column in enumerate(self.modelled):
            fault = _fault(column, x[:, cell])
            if fault is not None:
                raise InvalidInput(
                    f"column {column.name!r} {fault.message} in row {first_row + fault.row}", field=field
                )

    def check_given(self, x: np.ndarray, given: np.ndarray, *, field: str = "x") -> None:
        """Refuse rows of cells, (n, C), of which those that are given are none of this table. Raises InvalidInput."""
        fits = x.ndim == 2 and x.shape[1] == self.n_cells
        self.check(np.where(given, x, self.stand_in) if fits else x, field=field)


@dataclass(frozen=True)
class _Fault:
    row: int
    message: str


def _fault(column: Modelled, cells: np.ndarray) -> _Fault | None:
    """The first cell that does not fit the column."""
    empty = np.isnan(cells)
    if empty.any() and not column.missing:
        return _Fault(int(empty.argmax()), "had no missing cells in training, and is missing")
    present = cells[~empty]
    if isinstance(column, Category):
        bad = (present < 0) | (present >= len(column.values)) | (present != np.floor(present))
        words = f"holds an index of none of its {len(column.values)} values"
    else:
        reach = FARTHEST * min(1.0, column.high - column.low or 1.0)
        bad = ~(np.abs(present) <= reach)
        words = "is not finite, or too far from the numbers in training,"
        if not bad.any() and column.step is not None:
            grid = (present - column.low) / column.step
            bad = (np.abs(grid - np.round(grid)) > 1e-3) & ~np.isin(present, column.atoms)
            words = f"is not on the grid of {column.step:g} that its numbers in training lie on"
        if not bad.any() and column.transform.origin is not None:
            bad = (present <= column.transform.origin) & ~np.isin(present, column.atoms)
            words = f"is not above {column.transform.origin:g}, which its logarithm needs,"
    return _Fault(int(np.flatnonzero(~empty)[bad.argmax()]), words) if bad.any() else None
