"""What is refused of a column, and of what is said of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.tables.cells import ColumnCells
from pushforward.models.tables.columns import AnyColumn, Category, Number, Time

Reals = NDArray[np.float64]

OFF_GRID = 1e-3  # of a step, as a request may be
MAX_CHARS = 1_000  # of a text that a card keeps


def check_choice(cells: ColumnCells, column: AnyColumn) -> None:
    """Raises InvalidData where what is said of the column is of another kind."""
    chosen = cells.chosen
    if not isinstance(column, Category) and chosen.ordered is not None:
        raise cells.refuse(f"is of the kind {column.kind}, and ordered is of categories; leave it out")
    if not isinstance(column, Number) and chosen.step is not None:
        raise cells.refuse(f"is of the kind {column.kind}, and step is of numbers; leave it out")
    if not isinstance(column, Number | Time) and chosen.transform is not None:
        raise cells.refuse(f"is of the kind {column.kind}, and transform is of numbers and times; leave it out")


def check_grid(cells: ColumnCells, numbers: Reals, step: float) -> None:
    """Raises InvalidData where a number lies between the points of the grid that is said."""
    places = (numbers - numbers.min()) / step
    off = np.abs(places - np.round(places)) > OFF_GRID
    if off.any():
        raise cells.refuse(
            f"holds {numbers[off.argmax()]:.15g}, which is not on the grid of {step:g}; give another step"
        )


def check_length(cells: ColumnCells, values: Iterable[Any]) -> None:
    """Raises InvalidData where a text is too long for a card, as all that follows an open quote of a csv."""
    longest = max((len(value) for value in values if isinstance(value, str)), default=0)
    if longest > MAX_CHARS:
        raise cells.refuse(
            f"holds a text of {longest} characters, and {MAX_CHARS} are modelled at most; is a quote left open? "
            'Shorten it, or give {"kind": "drop"}'
        )
