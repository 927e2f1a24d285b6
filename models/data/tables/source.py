"""Tables of csv, parquet and Arrow files, their columns as they are."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from pushforward.models.config.config import Config
from pushforward.models.data.files import reading
from pushforward.models.data.mapped.pieces import Numbers, spans
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Rows
from pushforward.models.data.tables.cells import ColumnChoice
from pushforward.models.data.tables.decoding import SomeColumns, stored_cells, stored_parts
from pushforward.models.data.tables.inference import Inferred, infer
from pushforward.models.data.tables.media_types import MEDIA_TYPES
from pushforward.models.data.tables.reading import MIN_ROWS, read
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.lazy import torch
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.conditions import AnyCondition
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.arrow import Cells, cells_by_column
from pushforward.models.tables.coding import coder
from pushforward.models.tables.columns import Number, Time
from pushforward.models.tables.split import SplitTable
from pushforward.models.tables.table import MAX_COLUMNS, Table
from pushforward.models.tables.transform import fitted

PATH_PATTERN = r"\.(csv|tsv|parquet|arrow|feather|arrows)$"
CONDITION = "condition.columns"  # the field at fault
PATH_FORM = "must end in .csv, .tsv, .parquet, .arrow, .arrows or .feather"


@final
class GivenColumns(Config):
    """Columns that a model is given, and the others under them."""

    columns: tuple[str, ...] = Field(min_length=1)
    """Names of numbers, times and categories."""


@final
class TableFile(FromFile):
    """A csv, parquet or Arrow file under the data root: numbers, categories, times, missing cells.

    The kinds of the columns are told by their types and their cells; `columns` says otherwise where they are wrong.
    """

    source: Literal["table"] = "table"
    path: str | None = Field(None, min_length=1, max_length=1024, pattern=PATH_PATTERN)
    """A .csv, .tsv, .parquet, .arrow or .feather file, relative to the data root; or give `dataset`."""
    columns: dict[str, ColumnChoice] = {}
    """What is said of some columns, by name: their kind, transform or step."""
    missing: Literal["model", "drop_rows", "refuse"] = "model"
    """What becomes of missing cells: modelled, their rows left out, or refused."""
    condition: GivenColumns | None = None  # type: ignore[assignment]
    """Columns that the model is given beside the others, which it models."""

    min_count: int = Field(1, ge=1, le=1_000_000)
    """Texts of a category that fewer rows have become `other`, as unseen ones do."""

    media_types: ClassVar[tuple[str, ...]] = MEDIA_TYPES

    @property
    def labels_are(self) -> None:
        return None

    @property
    def is_parsed(self) -> bool:
        return True

    def outline(self, root: Path) -> DataSpec:
        return self.outline_with_reasons(root)[0]

    def outline_with_reasons(self, root: Path) -> tuple[DataSpec, dict[str, str]]:
        file = self.file(root)
        inferred, table, columns = self._read(file, IN_MEMORY)
        with reading(file):
            deque(cells_by_column(table, columns, field="path"), maxlen=0)
        rows = self._parted(table, np.empty((0, table.n_cells)), IN_MEMORY)
        spec = self.spec(rows).model_copy(update={"n_rows": columns.num_rows, "condition": self.conditions(rows)})
        return spec, {each.column.name: each.reason for each in inferred}

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        file = self.file(root)
        _, table, columns = self._read(file, scratch)
        with reading(file):
            cells = stored_cells(table, columns, scratch)
        return self._parted(table, cells, scratch)

    def rows_like(self, root: Path, table: Table, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        """All rows as those of another table, whose columns the file has. Raises InvalidData."""
        file = self.file(root)
        read_in = read(file, self.file_name, scratch)
        names = [column.name for column in table.columns if column.name in read_in.column_names]
        with reading(file):
            try:
                cells = stored_cells(table, SomeColumns(read_in, names), scratch)
                for some in spans(len(cells), table.n_cells):
                    table.check(cells[some], field="path", first_row=some.start)
            except InvalidInput as error:
                raise InvalidData(f"{self.file_name!r} {error.message}", field="path") from error
        return Rows(cells, None, table=table)

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        if rows.table is None:
            raise TypeError("the rows are those of a table")
        table = rows.table if training is None else _fitted(rows.table, rows.x, training)
        return DataSpec(shape=(table.n_cells,), table=table)

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        if rows.given is None or training is None or rows.c is None:
            return rows.given
        return rows.given.model_copy(update={"table": _fitted(rows.given.table, rows.c, training)})

    def condition_values(self, rows: Rows) -> NDArray[Any]:
        return super().condition_values(rows) if rows.c is None else rows.c

    def notes(self, root: Path) -> tuple[str, ...]:
        return (f"Columns that were left out: {', '.join(self._dropped)}.",) if self._dropped else ()

    @property
    def _dropped(self) -> tuple[str, ...]:
        return tuple(name for name, choice in self.columns.items() if choice.kind == "drop")

    def _read(self, file: Path, scratch: ScratchSpace) -> tuple[list[Inferred], Table, SomeColumns]:
        if not file.is_file():
            raise InvalidData(f"{self.file_name!r} is not a file; give the path of a table", field="path")
        read_in = read(file, self.file_name, scratch)
        with reading(file):  # texts may not be UTF-8
            inferred = infer(read_in, self.columns, self.min_count)
        names = [each.column.name for each in inferred]
        rows = SomeColumns(read_in, names)
        if self.missing != "model":
            chosen = {name: self.columns[name] for name in self.columns if name in names}
            with reading(file):
                rows = self._without_missing(rows)
                inferred = infer(rows, chosen, self.min_count)
        if len(inferred) > MAX_COLUMNS:
            raise InvalidData(
                f"{self.file_name!r} has {len(inferred)} columns, and {MAX_COLUMNS} are modelled at most; drop some",
                field="columns",
            )
        try:
            table = Table(columns=tuple(each.column for each in inferred), left_out=self._dropped)
        except ValidationError as error:
            why = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InvalidData(f"cannot be modelled: {why}", field="columns") from error
        return inferred, table, rows

    def _parted(self, table: Table, cells: Cells, scratch: ScratchSpace) -> Rows:
        """Rows of the columns that are modelled, beside those that are given. Raises InvalidData."""
        if self.condition is None:
            return Rows(cells, None, table=table)
        kinds = {column.name: column.kind for column in table.columns}
        for name in self.condition.columns:
            if name not in kinds:
                there = ", ".join(map(repr, [*kinds][:20]))
                raise InvalidData(f"there is no column {name!r} in the table, which has {there}", field=CONDITION)
            if name not in table.cell_of:
                message = f"column {name!r} is of the kind {kinds[name]}, which tells nothing of a row; leave it out"
                raise InvalidData(message, field=CONDITION)
        if not table.cell_of.keys() - {*self.condition.columns}:
            raise InvalidData("leaves no column to be modelled; give fewer", field=CONDITION)
        split = SplitTable.of(table, self.condition.columns)
        x, c = stored_parts(split, cells, scratch)
        return Rows(x, None, c, table=split.modelled, given=Columns(table=split.given, places=split.places))

    def _without_missing(self, rows: SomeColumns) -> SomeColumns:
        """The rows without missing cells. Raises InvalidData."""
        whole = rows.without_missing()
        if self.missing == "refuse" and whole.num_rows < rows.num_rows:
            name = next(name for name in rows.column_names if rows.column(name).null_count)
            raise InvalidData(
                f"column {name!r} has {rows.column(name).null_count} missing cells; fill them, or give "
                "missing: model or drop_rows",
                field="missing",
            )
        if whole.num_rows < MIN_ROWS:
            raise InvalidData(f"only {whole.num_rows} rows have no missing cells; give missing: model", field="missing")
        return whole


def _fitted(table: Table, cells: Cells, training: Numbers) -> Table:
    """The table with the transforms that fit the rows of these numbers, and the shares of its cases among them."""
    columns = []
    for column in table.columns:
        cell = table.cell_of.get(column.name)
        if cell is None:
            columns.append(column)
            continue
        numbers = cells[:, cell][training]  # one column at a time
        column = column.model_copy(update={"shares": _shares(table, cell, numbers)})
        if isinstance(column, Number | Time):
            numbers = numbers[~np.isnan(numbers) & ~np.isin(numbers, column.atoms)]
            if len(np.unique(numbers)) > 1:
                column = column.model_copy(update={"transform": fitted(column.fitted_by, numbers)})
        columns.append(column)
    return Table(columns=tuple(columns), left_out=table.left_out)


def _shares(table: Table, cell: int, cells: Cells) -> tuple[float, ...]:
    """The share of each case of a column among its cells, (N,), half a cell added to each case."""
    k = coder(table, torch.device("cpu")).choice(torch.from_numpy(cells), cell).numpy()
    counts = np.bincount(k, minlength=table.modelled[cell].n_cases) + 0.5
    return tuple((counts / counts.sum()).tolist())
