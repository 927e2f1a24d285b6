"""Parquet and Arrow of requests, read by a child process that may take little memory and time.

    python -m pushforward.service.processes.table_reader MAX_ROWS < orders > answers

Some kilobytes of these formats may hold billions of rows, or a text of a megabyte a million times: compressed, in runs,
in dictionaries, in views. In the child they end in a refusal; what comes back are plain arrays of at most `MAX_BYTES`.
Bodies are read one after another. A child lives until it fails; then the next body starts another one. An order or an
answer is a byte that says what it is, eight of its length, the content.
"""

from __future__ import annotations

import asyncio
import resource
import signal
import struct
import subprocess
import sys
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast, final

from pushforward.models.data.tables.media_types import ARROW_FILE, ARROW_STREAM, PARQUET
from pushforward.models.data.tables.parsing import parse_arrow, parse_parquet
from pushforward.models.errors import InvalidInput
from pushforward.models.tables.records import MAX_REASON_CHARS
from pushforward.service.processes.spawn import tied_to_parent

if TYPE_CHECKING:
    import pyarrow

READ_S = 20
MAX_BYTES = 2**28  # of an answer
SPARE_BYTES = 2**31  # of addresses, above those of the libraries: for body, answer, and what lies between

HEAD = struct.Struct(">cQ")
PARSERS: dict[bytes, Callable[[bytes], pyarrow.Table]] = {b"P": parse_parquet, b"A": parse_arrow}
ORDERS = {PARQUET: b"P", ARROW_STREAM: b"A", ARROW_FILE: b"A"}  # by media type
ROWS, REFUSED = b"R", b"X"


@final
class TableReader:
    """The child, as a gateway sees it."""

    def __init__(self, max_rows: int) -> None:
        self._max_rows = max_rows
        self._turn = ThreadPoolExecutor(1, thread_name_prefix="table-reader")
        self._child: subprocess.Popen[bytes] | None = None
        self._end: Callable[[], object] | None = None  # of the child, also when this reader is gone

    async def plain(self, media_type: str, content: bytes) -> bytes:
        """The rows of a file of `ORDERS` as an Arrow stream. Raises InvalidInput: not within the limits."""
        order, loop = ORDERS[media_type], asyncio.get_running_loop()
        status, answered = await loop.run_in_executor(self._turn, self._answer, order, content)
        if status == REFUSED:
            raise InvalidInput(f"cannot be read as {media_type}: {answered.decode()}", field="records")
        return answered

    def _answer(self, order: bytes, content: bytes) -> tuple[bytes, bytes]:
        child = self._started()
        try:
            _write(cast(IO[bytes], child.stdin), order, content)
            return _read(cast(IO[bytes], child.stdout))
        except (EOFError, OSError):
            child.kill()
            child.wait()  # the next body finds that it ended
            return REFUSED, f"its reader ended, or took more than {READ_S} s; send fewer rows, or csv".encode()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None or self._child.poll() is not None:
            if self._end is not None:
                self._end()
            command = tied_to_parent([sys.executable, "-m", __name__, str(self._max_rows)])
            self._child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            self._end = weakref.finalize(self, _end, self._child)
        return self._child


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.communicate()


def _write(pipe: IO[bytes], kind: bytes, content: bytes) -> None:
    pipe.write(HEAD.pack(kind, len(content)))
    pipe.write(content)
    pipe.flush()


def _read(pipe: IO[bytes]) -> tuple[bytes, bytes]:
    """Raises EOFError."""
    head = pipe.read(HEAD.size)
    if len(head) < HEAD.size:
        raise EOFError
    kind, n_bytes = HEAD.unpack(head)
    content = pipe.read(n_bytes)
    if len(content) < n_bytes:
        raise EOFError
    return kind, content


def answer(kind: bytes, content: bytes, max_rows: int) -> tuple[bytes, bytes]:
    """Rows as a stream of plain arrays, or why they cannot be read."""
    import pyarrow as pa

    try:
        table = PARSERS[kind](content)
        if table.num_rows > max_rows:
            return REFUSED, f"it holds {table.num_rows} rows; send at most {max_rows}".encode()
        table = pa.table({name: _plain(table.column(name)) for name in table.column_names})
        if table.nbytes > MAX_BYTES:
            return REFUSED, f"it holds {table.nbytes} bytes; send at most {MAX_BYTES}".encode()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as stream:
            stream.write_table(table)
        return ROWS, sink.getvalue().to_pybytes()
    except MemoryError:
        return REFUSED, b"it takes more memory than a request may; send fewer rows"
    except (pa.ArrowException, ValueError, KeyError, OSError) as error:
        return REFUSED, str(error)[:MAX_REASON_CHARS].encode()


def _plain(column: Any) -> Any:
    """The same values, each in a place of its own."""
    import pyarrow as pa
    from pyarrow import compute

    while True:
        kind = column.type
        if pa.types.is_dictionary(kind):
            column = column.cast(kind.value_type)
        elif pa.types.is_run_end_encoded(kind):
            column = compute.run_end_decode(column)
        elif pa.types.is_string_view(kind):
            column = column.cast(pa.string())
        else:
            return column


def _addresses_bytes() -> int:
    """How many bytes of addresses this process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def main() -> None:
    """Answer orders until there are no more."""
    import pyarrow as pa

    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    if sys.platform == "linux":
        most = _addresses_bytes() + SPARE_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    max_rows = int(sys.argv[1])
    while True:
        try:
            kind, content = _read(sys.stdin.buffer)
        except EOFError:
            return
        signal.alarm(READ_S)  # ends this process, in whatever code it is
        answered = answer(kind, content, max_rows)
        signal.alarm(0)
        _write(sys.stdout.buffer, *answered)


if __name__ == "__main__":
    main()
