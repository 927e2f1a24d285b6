"""The columns of a file that is too large to be read whole, one at a time.

Parquet and Arrow files lie by columns already. Of a csv file the cells are first written, as the bytes that they are,
into an Arrow stream in `scratch`; the type of a column is then told by all of its cells, as it is in memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, final

from pushforward.models.data.files import opened
from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.data.tables.parsing import SNIFFED_BYTES, convert_options, parse_csv, parse_options, validated

if TYPE_CHECKING:
    pass

BLOCK_BYTES = 2**20  # of a csv file; a line is shorter


class TableColumns(Protocol):
    """What is read of a table: `pyarrow.Table` is one."""

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    @property
    def num_rows(self) -> int:
        """How many rows there are."""

    def column(self, name: str) -> Any:
        """A column, `pyarrow.ChunkedArray`."""


class FileColumns(ABC):
    """The columns of a file."""

    @property
    @abstractmethod
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""

    @property
    @abstractmethod
    def num_rows(self) -> int:
        """How many rows there are."""

    @abstractmethod
    def column(self, name: str) -> Any:
        """A column, read now. Raises pyarrow's errors."""


@final
class ParquetColumns(FileColumns):
    """The columns of a parquet file."""

    def __init__(self, file: Path) -> None:
        from pyarrow import parquet

        self._file = parquet.ParquetFile(file)

    @property
    def column_names(self) -> list[str]:
        return list(self._file.schema_arrow.names)

    @property
    def num_rows(self) -> int:
        return int(self._file.metadata.num_rows)

    def column(self, name: str) -> Any:
        return validated(self._file.read([name])).column(name)


@final
class ArrowColumns(FileColumns):
    """The columns of an Arrow file or stream."""

    def __init__(self, file: Path, *, is_stream: bool) -> None:
        self._file, self._is_stream = file, is_stream
        with self._opened(None) as reader:
            self._names = list(reader.schema.names)
        with self._opened([0] if self._names else None) as reader:
            self._n_rows = sum(len(batch) for batch in self._batches(reader))

    @property
    def column_names(self) -> list[str]:
        return self._names

    @property
    def num_rows(self) -> int:
        return self._n_rows

    def column(self, name: str) -> Any:
        import pyarrow as pa

        with self._opened([self._names.index(name)]) as reader:
            return validated(pa.Table.from_batches(self._batches(reader), reader.schema)).column(0)

    def _opened(self, columns: list[int] | None) -> Any:
        import pyarrow as pa

        options = pa.ipc.IpcReadOptions(included_fields=columns)
        source = pa.memory_map(str(self._file))
        return (pa.ipc.open_stream if self._is_stream else pa.ipc.open_file)(source, options=options)

    def _batches(self, reader: Any) -> Iterator[Any]:
        if self._is_stream:
            yield from reader
        else:
            yield from (reader.get_batch(i) for i in range(reader.num_record_batches))


@final
class CsvColumns(FileColumns):
    """The columns of a csv file."""

    def __init__(self, file: Path, scratch: ScratchSpace) -> None:
        self._cells = ArrowColumns(scratch.file("cells", ".arrows", _messages(file)), is_stream=True)

    @property
    def column_names(self) -> list[str]:
        return self._cells.column_names

    @property
    def num_rows(self) -> int:
        return self._cells.num_rows

    def column(self, name: str) -> Any:
        import pyarrow as pa
        from pyarrow import csv

        pa.default_memory_pool().release_unused()  # it keeps what the column before took
        sink = pa.BufferOutputStream()
        csv.write_csv(pa.table({name: self._cells.column(name)}), sink, csv.WriteOptions(include_header=False))
        return parse_csv(sink.getvalue(), names=[name]).column(0)


def _messages(file: Path) -> Iterator[bytes]:
    """The cells of a csv file as an Arrow stream: its schema, a message for each block. Raises pyarrow's errors."""
    import pyarrow as pa
    from pyarrow import csv

    with opened(file) as stream:
        head = stream.read(SNIFFED_BYTES)

    def blocks(types: dict[str, Any] | None) -> Any:
        return csv.open_csv(
            str(file),
            read_options=csv.ReadOptions(block_size=BLOCK_BYTES, use_threads=False),
            parse_options=parse_options(head),
            convert_options=convert_options(types),
        )

    with blocks(None) as reader:
        names = reader.schema.names
    with blocks(dict.fromkeys(names, pa.binary())) as reader:
        yield reader.schema.serialize().to_pybytes()
        for batch in reader:
            yield batch.serialize().to_pybytes()
