"""Tables of files: csv, parquet and Arrow. A file that is large is read a column at a time."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from pushforward.models.data.files import opened, reading
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.tables.columns_of_files import ArrowColumns, CsvColumns, ParquetColumns, TableColumns
from pushforward.models.data.tables.media_types import ARROW_FILE, ARROW_STREAM, PARQUET, STARTS
from pushforward.models.data.tables.parsing import SNIFFED_BYTES, parse_arrow, parse_csv, parse_parquet
from pushforward.models.errors import InvalidData

MAX_FILE_BYTES = 2**32
MAX_CSV_BYTES = 2**30  # of those without a place for their cells
AT_ONCE_BYTES = 2**28  # of a file that is read whole
GROWTH = 4  # a file in memory may be so many times its size
MAX_ROWS = 10**8
MIN_ROWS = 10
NO_PYARROW = "tables need pyarrow; install pushforward[table]"


def read(file: Path, name: str, scratch: ScratchSpace = IN_MEMORY) -> TableColumns:
    """The table of a file, its columns as they are; `name` is the file's for messages.

    Raises InvalidData, Hindered; of a large file its columns do, when they are read, or pyarrow's errors.
    """
    n_bytes = file.stat().st_size
    if n_bytes > MAX_FILE_BYTES:
        raise InvalidData(f"{name!r} has {n_bytes} bytes; give at most {MAX_FILE_BYTES}", field="path")
    try:
        with reading(file):
            return _checked(_parsed(file, name, n_bytes, scratch), repr(name))
    except MemoryError as error:  # of a file whose lengths are wrong, mostly
        raise InvalidData(
            f"{name!r} asks for more memory than there is; write it again, or give a smaller one", field="path"
        ) from error


def _checked(table: TableColumns, name: str) -> TableColumns:
    """A table whose columns have names of their own. Raises InvalidData."""
    names = table.column_names
    twice = next((each for i, each in enumerate(names) if each in names[:i]), None)
    if twice is not None:
        raise InvalidData(f"{name} has two columns {twice!r}; give each a name of its own", field="path")
    unnamed = next((i for i, each in enumerate(names) if not each.strip()), None)
    if unnamed is not None:
        raise InvalidData(f"column {unnamed} of {name} has no name; give it one in the first line", field="path")
    if not MIN_ROWS <= table.num_rows <= MAX_ROWS:
        raise InvalidData(f"{name} has {table.num_rows} rows; give {MIN_ROWS} to {MAX_ROWS}", field="path")
    return table


def _parsed(file: Path, name: str, n_bytes: int, scratch: ScratchSpace) -> TableColumns:
    """The table of a file in the format that its first bytes tell; csv has none of its own."""
    if find_spec("pyarrow") is None:
        raise InvalidData(NO_PYARROW, field="source")
    with opened(file) as stream:
        head = stream.read(SNIFFED_BYTES)
        is_large = n_bytes > AT_ONCE_BYTES or not scratch.holds(GROWTH * n_bytes)
        content = head if is_large else head + stream.read()
    if head.startswith(STARTS[PARQUET]):
        return ParquetColumns(file) if is_large else parse_parquet(content)
    if head.startswith((STARTS[ARROW_FILE], STARTS[ARROW_STREAM])):
        is_stream = not head.startswith(STARTS[ARROW_FILE])
        return ArrowColumns(file, is_stream=is_stream) if is_large else parse_arrow(content)
    if b"\0" in head:
        raise InvalidData("is no table in csv, parquet or Arrow; write it again", field="path")
    if is_large and scratch.folder is not None:
        return CsvColumns(file, scratch)
    if n_bytes > MAX_CSV_BYTES:
        raise InvalidData(
            f"{name!r} has {n_bytes} bytes of csv; give at most {MAX_CSV_BYTES}, or write it as parquet", field="path"
        )
    table: TableColumns = parse_csv(file.read_bytes() if is_large else content)
    return table
