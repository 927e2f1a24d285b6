"""The rows that train: a copy in memory, or their numbers among rows in a mapped file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from pushforward.models.data import Rows
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.spec.data_spec import DataSpec


@final
@dataclass(frozen=True)
class RowsOnDisk:
    """Rows that lie in a mapped file with others: read when they are asked for, some at a time."""

    all: Rows
    index: Numbers  # (N,) the numbers of these rows among all
    spec: DataSpec  # with constants

    def __len__(self) -> int:
        return len(self.index)

    def of(self, index: Numbers) -> Rows:
        """The rows with these numbers, in memory."""
        return held(self.spec, self.all.of(self.index[index]))


def held(spec: DataSpec, rows: Rows) -> Rows:
    """Rows of a source as networks see them: without constants, in the type of `spec`."""
    x = rows.x[:, spec.varying_elements] if spec.constants else rows.x
    return rows._replace(x=x if x.dtype == np.uint8 else spec.varying.hold(x))


def first_rows(rows: Rows | RowsOnDisk, n: int) -> Rows:
    """The first n rows, or all where there are fewer, in memory."""
    if isinstance(rows, RowsOnDisk):
        return rows.of(np.arange(min(n, len(rows))))
    return rows if len(rows.x) <= n else rows.of(np.arange(n))
