"""Tables of files: csv, parquet and Arrow.

A csv file has its names in its first line; its separator is the one of `SEPARATORS` that its first lines have most
evenly. Empty cells and the usual words for nothing (NA, null, NaN) are missing.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pushforward.models.data.files import reading
from pushforward.models.data.tables.media_types import ARROW_FILE, ARROW_STREAM, PARQUET, STARTS
from pushforward.models.errors import InvalidData

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = (",", ";", "\t", "|")
SNIFFED_BYTES = 64 * 2**10
MAX_FILE_BYTES = 2**30
MAX_ROWS = 10_000_000
MIN_ROWS = 10
NO_PYARROW = "tables need pyarrow; install pushforward[table]"


def read(file: Path, name: str) -> pyarrow.Table:
    """The table of a file, its columns as they are; `name` is the file's for messages. Raises InvalidData, Hindered."""
    n_bytes = file.stat().st_size
    if n_bytes > MAX_FILE_BYTES:
        raise InvalidData(f"{name!r} has {n_bytes} bytes; give at most {MAX_FILE_BYTES}", field="path")
    try:
        with reading(file):
            return _checked(_parsed(file.read_bytes()), repr(name))
    except MemoryError as error:  # of a file whose lengths are wrong, mostly
        raise InvalidData(
            f"{name!r} asks for more memory than there is; write it again, or give a smaller one", field="path"
        ) from error


def _checked(table: pyarrow.Table, name: str) -> pyarrow.Table:
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


def _parsed(content: bytes) -> pyarrow.Table:
    """The table of a file in the format that its first bytes tell; csv has none of its own."""
    if find_spec("pyarrow") is None:
        raise InvalidData(NO_PYARROW, field="source")
    if content.startswith(STARTS[PARQUET]):
        return parse_parquet(content)
    if content.startswith((STARTS[ARROW_FILE], STARTS[ARROW_STREAM])):
        return parse_arrow(content)
    if b"\0" in content[:SNIFFED_BYTES]:
        raise InvalidData("is no table in csv, parquet or Arrow; write it again", field="path")
    return parse_csv(content)


def parse_arrow(content: bytes) -> pyarrow.Table:
    """An Arrow file or stream. Raises pyarrow's errors."""
    import pyarrow as pa

    source = pa.BufferReader(content)
    is_file = content.startswith(STARTS[ARROW_FILE])
    return _validated((pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)).read_all())


def parse_parquet(content: bytes) -> pyarrow.Table:
    """A parquet file. Raises pyarrow's errors."""
    import pyarrow as pa
    from pyarrow import parquet

    return _validated(parquet.read_table(pa.BufferReader(content)))


def _validated(table: pyarrow.Table) -> pyarrow.Table:
    """The same table. A reader takes lengths and offsets as they come; to use wrong ones would end the process.

    Raises pyarrow.ArrowInvalid.
    """
    table.validate(full=True)
    return table


def parse_csv(content: bytes, types: dict[str, Any] | None = None) -> pyarrow.Table:
    """A csv file; `types` of columns by name, else by their cells. Raises pyarrow's errors."""
    import pyarrow as pa
    from pyarrow import csv

    return csv.read_csv(
        pa.BufferReader(content),
        # In one block: types are then those of all rows, not of the first ones.
        read_options=csv.ReadOptions(block_size=min(2**31 - 1, len(content) + 1), use_threads=False),
        parse_options=csv.ParseOptions(delimiter=separator(content), newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False
        ),
    )


def separator(content: bytes) -> str:
    """The separator that the first lines have equally often and most; a comma where none does."""
    lines = [line for line in content[:SNIFFED_BYTES].decode("utf-8", "replace").splitlines()[:50] if line]
    if content[SNIFFED_BYTES:] and len(lines) > 1:
        lines.pop()  # it may be cut
    best, most = ",", 0.0
    for each in SEPARATORS:
        counts = [_unquoted(line).count(each) for line in lines]
        if not counts or counts[0] == 0:
            continue
        agreeing = sum(count == counts[0] for count in counts) / len(counts)
        if counts[0] * agreeing**4 > most:
            best, most = each, counts[0] * agreeing**4
    return best


def _unquoted(line: str) -> str:
    """A line without what stands in quotes."""
    return "".join(line.split('"')[::2])
