"""Bytes of csv, parquet and Arrow files as tables.

The separator of a csv file is the one of `SEPARATORS` that its first lines have most evenly. Empty cells and the usual
words for nothing (NA, null, NaN) are missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pushforward.models.data.tables.media_types import ARROW_FILE, STARTS

if TYPE_CHECKING:
    import pyarrow

SEPARATORS = (",", ";", "\t", "|")
SNIFFED_BYTES = 64 * 2**10


def parse_arrow(content: bytes) -> pyarrow.Table:
    """An Arrow file or stream. Raises pyarrow's errors."""
    import pyarrow as pa

    source = pa.BufferReader(content)
    is_file = content.startswith(STARTS[ARROW_FILE])
    return validated((pa.ipc.open_file(source) if is_file else pa.ipc.open_stream(source)).read_all())


def parse_parquet(content: bytes) -> pyarrow.Table:
    """A parquet file. Raises pyarrow's errors."""
    import pyarrow as pa
    from pyarrow import parquet

    return validated(parquet.read_table(pa.BufferReader(content)))


def validated(table: pyarrow.Table) -> pyarrow.Table:
    """The same table. A reader takes lengths and offsets as they come; to use wrong ones would end the process.

    Raises pyarrow.ArrowInvalid.
    """
    table.validate(full=True)
    return table


def parse_csv(
    content: bytes | pyarrow.Buffer, types: dict[str, Any] | None = None, names: list[str] | None = None
) -> pyarrow.Table:
    """A csv file; `types` of columns by name, else by their cells. Raises pyarrow's errors.

    `names` of columns: there is no first line with them, and an empty line is a row.
    """
    import pyarrow as pa
    from pyarrow import csv

    # In one block: types are then those of all rows, not of the first ones.
    block_bytes = min(2**31 - 1, len(content) + 1)
    return csv.read_csv(
        pa.BufferReader(content),
        read_options=csv.ReadOptions(block_size=block_bytes, use_threads=False, column_names=names),
        parse_options=parse_options(content[: SNIFFED_BYTES + 1] if names is None else None),
        convert_options=convert_options(types),
    )


def parse_options(head: bytes | None) -> Any:
    """How the lines of a csv file that begins so are cut into cells; without a head, commas, and no line is skipped."""
    from pyarrow import csv

    if head is None:
        return csv.ParseOptions(delimiter=",", newlines_in_values=True, ignore_empty_lines=False)
    return csv.ParseOptions(delimiter=separator(head), newlines_in_values=True)


def convert_options(types: dict[str, Any] | None) -> Any:
    """How cells of csv become values."""
    from pyarrow import csv

    return csv.ConvertOptions(column_types=types, strings_can_be_null=True, quoted_strings_can_be_null=False)


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
