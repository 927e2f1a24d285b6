"""Columns of a table, of rows as networks see them: what metrics of tables compare."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pushforward.models.evaluation.metrics.metric import Labels, Reals
from pushforward.models.lazy import torch
from pushforward.models.tables.coding import decode_row
from pushforward.models.tables.columns import Category
from pushforward.models.tables.table import Table


class Cells(NamedTuple):
    """The cells of a column: numbers as networks see them, cases, or both."""

    column: str
    numbers: Reals | None  # (n,) NaN where there is none; None of a category
    cases: Labels | None  # (n,) of the choice; None of a number that is always there
    n_cases: int  # 1 without a choice
    missing: int | None  # the case of a missing cell; None where none may be

    @property
    def present(self) -> Reals:
        """The numbers that are there. Raises TypeError of a category."""
        if self.numbers is None:
            raise TypeError(f"the column {self.column!r} has no numbers")
        return self.numbers[~np.isnan(self.numbers)]

    @property
    def category(self) -> Labels | None:
        """The values of a category, (n,); None of numbers."""
        return self.cases if self.numbers is None else None

    @property
    def missing_share(self) -> float:
        """The share of missing cells."""
        return 0.0 if self.cases is None or self.missing is None else float((self.cases == self.missing).mean())


def columns(table: Table, v: Reals) -> list[Cells]:
    """The columns of rows, (n, W)."""
    cases, found = _cases(table, v), list[Cells]()
    for column, (choice, number) in zip(table.modelled, table.parts, strict=True):
        case = None if choice is None else cases[choice]
        numbers = None
        if number is not None:
            numbers = v[:, number] if case is None else np.where(case == 0, v[:, number], np.nan)
        absent = len(column.values) if isinstance(column, Category) else 1
        found.append(Cells(column.name, numbers, case, column.n_cases, absent if column.missing else None))
    return found


def cells(table: Table, v: Reals) -> Reals:
    """Cells in their own units, (n, C), of rows, (n, W)."""
    return np.asarray(decode_row(table, torch.from_numpy(v)).numpy(), np.float64)


def _cases(table: Table, v: Reals) -> list[Labels]:
    """The case of each choice, (n,) each."""
    borders = np.cumsum(table.sizes)[:-1]
    blocks = np.split(v[:, len(table.numbers) :], borders, axis=1) if table.sizes else []
    return [block.argmax(1) for block in blocks]
