"""`service.processes.table_reader`: files of rows are read, and what takes too much is refused."""

from __future__ import annotations

import io
import os
import signal
import struct
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pytest
from pyarrow import parquet

from pushforward.models.data.tables.media_types import ARROW_STREAM, PARQUET
from pushforward.models.errors import InvalidInput
from pushforward.service.processes.table_reader import TableReader

File = tuple[str, bytes]  # media type and content

MAX_ROWS = 10_000
MEGABYTE = "x" * 2**20
FEW = pa.table({"n": [1, None, 3], "text": ["a", "b", None]})


@pytest.fixture(scope="module")
def reader() -> TableReader:
    return TableReader(MAX_ROWS)


def parquet_of(table: pa.Table) -> File:
    sink = io.BytesIO()
    parquet.write_table(table, sink, compression="zstd")
    return PARQUET, sink.getvalue()


def arrow_of(table: pa.Table) -> File:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as stream:
        stream.write_table(table)
    return ARROW_STREAM, sink.getvalue()


async def read(reader: TableReader, file: File) -> pa.Table:
    return pa.ipc.open_stream(await reader.plain(*file)).read_all()


@pytest.mark.parametrize("make", [parquet_of, arrow_of])
async def test_rows_come_back_as_they_are(reader: TableReader, make: Callable[[pa.Table], File]) -> None:
    assert (await read(reader, make(FEW))).equals(FEW)


async def test_values_in_dictionaries_runs_and_views_come_back_plain(reader: TableReader) -> None:
    texts = pa.array(["a", "b", None, "a"])
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([3, 4], pa.int32()), pa.array([7, 8]))
    coded = pa.table({"d": texts.dictionary_encode(), "v": texts.cast(pa.string_view()), "r": runs})
    plain = await read(reader, arrow_of(coded))
    assert plain.equals(pa.table({"d": texts, "v": texts, "r": [7, 7, 7, 8]}))


def views_of_one_text() -> pa.Table:
    view = struct.pack("<i4sii", len(MEGABYTE), MEGABYTE[:4].encode(), 0, 0)
    buffers = [None, pa.py_buffer(view * MAX_ROWS), pa.py_buffer(MEGABYTE.encode())]
    return pa.table({"t": pa.Array.from_buffers(pa.string_view(), MAX_ROWS, buffers)})


def one_dictionary() -> pa.Table:
    index = pa.array(np.zeros(MAX_ROWS, np.int32))
    return pa.table({"t": pa.DictionaryArray.from_arrays(index, [MEGABYTE])})


def one_run() -> pa.Table:
    return pa.table({"t": pa.RunEndEncodedArray.from_arrays(pa.array([MAX_ROWS], pa.int32()), pa.array([MEGABYTE]))})


BOMBS: dict[str, Callable[[], File]] = {
    "many rows of parquet": lambda: parquet_of(pa.table({"n": np.zeros(20_000_000)})),
    "many rows of Arrow": lambda: arrow_of(pa.table({"n": np.zeros(20_000_000)})),
    "a billion nothings": lambda: arrow_of(pa.table({"n": pa.nulls(10**9)})),
    "a dictionary of one text": lambda: arrow_of(one_dictionary()),
    "a run of one text": lambda: arrow_of(one_run()),
    "views of one text": lambda: arrow_of(views_of_one_text()),
}


@pytest.mark.parametrize("bomb", BOMBS)
async def test_what_takes_too_much_is_refused_and_the_next_is_read(reader: TableReader, bomb: str) -> None:
    rows = BOMBS[bomb]()
    assert len(rows[1]) < 2**23
    before = psutil.Process().memory_info().rss
    with pytest.raises(InvalidInput, match=r"cannot be read as .*; send") as refusal:
        await reader.plain(*rows)
    assert refusal.value.field == "records"
    assert psutil.Process().memory_info().rss - before < 2**25
    assert (await read(reader, parquet_of(FEW))).equals(FEW)


def children() -> set[psutil.Process]:
    return set(psutil.Process().children())


async def test_a_reader_that_ended_is_replaced() -> None:
    others, reader = children(), TableReader(MAX_ROWS)
    await read(reader, arrow_of(FEW))
    [child] = children() - others
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert (await read(reader, arrow_of(FEW))).equals(FEW)


async def test_a_reader_ends_with_its_gateway() -> None:
    others, reader = children(), TableReader(MAX_ROWS)
    await read(reader, arrow_of(FEW))
    assert len(children() - others) == 1
    del reader
    assert children() <= others


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 9, b"\xff\xff\xff\xff" * 4])
async def test_what_is_no_file_is_refused(reader: TableReader, content: bytes) -> None:
    for media_type in (PARQUET, ARROW_STREAM):
        with pytest.raises(InvalidInput, match="cannot be read as"):
            await reader.plain(media_type, content)


async def test_readers_that_ended_are_forgotten() -> None:
    others, reader = children(), TableReader(MAX_ROWS)
    ended = list[weakref.ref[Any]]()
    for _ in range(3):
        await read(reader, arrow_of(FEW))
        ended.append(weakref.ref(reader._child))
        [child] = children() - others
        child.kill()
        child.wait()
    await read(reader, arrow_of(FEW))
    assert [each() for each in ended] == [None] * 3
