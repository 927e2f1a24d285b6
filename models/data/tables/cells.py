"""The cells of one column, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from pydantic import PositiveFloat

from pushforward.models.config.config import Config
from pushforward.models.data.tables.columns_of_files import TableColumns
from pushforward.models.errors import InvalidData
from pushforward.models.tables.transform import TransformName


@final
class ColumnChoice(Config):
    """What is said of a column in place of what its cells tell."""

    kind: Literal["number", "category", "time", "identifier", "drop"] | None = None
    """The kind; drop leaves the column out. Left out: told by its cells."""
    transform: TransformName | None = None
    """Of numbers and times: quantile, which makes any column about normal, standard, or log for positive numbers."""
    step: PositiveFloat | None = None
    """Of numbers: the distance of the grid that they lie on."""
    ordered: bool | None = None
    """Of categories: whether their order means something."""


@final
@dataclass(frozen=True)
class ColumnCells:
    """The cells of one column."""

    name: str
    array: Any  # pyarrow.Array, of one chunk
    arrow_type: str  # of a cell
    dictionary: Any | None  # pyarrow.DictionaryArray, as the column came
    n_rows: int
    n_missing: int
    chosen: ColumnChoice
    min_count: int = 1  # rows that a value of a category has, lest it be another's

    @property
    def has_missing(self) -> bool:
        """Whether cells are missing."""
        return self.n_missing > 0

    def refuse(self, message: str) -> InvalidData:
        """The refusal of the column."""
        return InvalidData(f"column {self.name!r} {message}", field=f"columns.{self.name}")


def column_cells(table: TableColumns, name: str, choice: ColumnChoice, min_count: int = 1) -> ColumnCells:
    """The cells of a column; NaN is missing."""
    import pyarrow as pa

    column = table.column(name).combine_chunks()
    array = pa.concat_arrays(column.chunks) if isinstance(column, pa.ChunkedArray) else column
    dictionary = None
    if pa.types.is_dictionary(array.type):
        dictionary = array
        array = array.dictionary_decode()
    if pa.types.is_floating(array.type):
        array = pa.array(array.to_numpy(zero_copy_only=False), from_pandas=True, type=array.type)  # NaN is missing
    return ColumnCells(name, array, str(array.type), dictionary, len(array), array.null_count, choice, min_count)
