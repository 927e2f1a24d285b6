"""The datasets on the disk: `models.data.uploads.datasets` says where.

    {data_root}/.datasets/arriving/{random}    an upload on its way, locked by the process that receives it
    {data_root}/.datasets/lock                 held shared by who relies on what there is, alone by who changes it

An upload becomes a dataset by two renames: that of its bytes to their digest, and that of a record to the name. Whoever
dies in between leaves bytes without a name, or a file in `arriving` that is not locked; both are swept.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence, Set
from contextlib import asynccontextmanager, contextmanager, suppress
from hashlib import sha256
from io import FileIO
from pathlib import Path
from typing import BinaryIO, final

from pushforward.models.data.files import NO_ROOT
from pushforward.models.data.uploads.datasets import FOLDER, Dataset, blobs, names, read_record, record_file
from pushforward.models.errors import Hindered, InvalidData, in_words
from pushforward.models.storage.durable import sync
from pushforward.service.domain.errors import Unavailable
from pushforward.service.stores.disk_files import pieces_of
from pushforward.service.stores.file_lock import is_locked_now, locked

LOCK = "lock"
WHAT = "the datasets"  # in messages of the lock


@final
class DiskArrival:
    """`ports.Arrival`. Writes in threads, one at a time: a file is not closed while one of them writes."""

    def __init__(self, root: Path, file: Path, stream: FileIO) -> None:
        self.n_bytes = 0
        self._root, self._file, self._stream = root, file, stream
        self._digest = sha256()
        self._writing = threading.Lock()

    @property
    def sha256(self) -> str:
        return self._digest.hexdigest()

    async def write(self, data: bytes) -> None:
        await asyncio.to_thread(self._write, data)

    async def finish(self) -> None:
        await asyncio.to_thread(self._finish)

    async def keep(self, dataset: Dataset) -> None:
        await asyncio.to_thread(self._keep, dataset)

    async def discard(self) -> None:
        """Close the file, and delete it unless it was kept."""
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(None, self._discard))

    def _write(self, data: bytes) -> None:
        with _unavailable(), self._writing:
            left = memoryview(data)
            while left:
                left = left[self._stream.write(left) :]
            self._digest.update(data)
            self.n_bytes += len(data)

    def _finish(self) -> None:
        with _unavailable(), self._writing:
            os.fsync(self._stream.fileno())

    def _keep(self, dataset: Dataset) -> None:
        folder, record = blobs(self._root), record_file(self._root, dataset.name)
        with _unavailable():
            self._file.rename(folder / dataset.sha256)
            sync(folder)
            draft = self._file.with_name(f"{self._file.name}.json")
            draft.write_text(dataset.model_dump_json())
            sync(draft)
            draft.replace(record)
            sync(record.parent)

    def _discard(self) -> None:
        with self._writing:
            self._file.unlink(missing_ok=True)
            self._stream.close()


@final
class DiskDatasets:
    """`ports.Datasets`. Reads and writes in threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._folder = root / FOLDER
        self._arriving = self._folder / "arriving"

    @asynccontextmanager
    async def arrival(self) -> AsyncIterator[DiskArrival]:
        async with self._locked(alone=False):  # a sweep takes a file that is not locked for a leftover
            arrival = await asyncio.to_thread(self._begin)
        try:
            yield arrival
        finally:
            await arrival.discard()

    @asynccontextmanager
    async def changing(self) -> AsyncIterator[None]:
        async with self._locked(alone=True):
            yield

    @asynccontextmanager
    async def relying(self) -> AsyncIterator[None]:
        try:
            lock = await asyncio.to_thread((self._folder / LOCK).open, "rb")
        except OSError:  # nothing was ever uploaded
            yield
            return
        async with locked(lock, WHAT, alone=False):
            yield

    async def used_bytes(self) -> int:
        return await asyncio.to_thread(lambda: _size_bytes(blobs(self._root)) + _size_bytes(self._arriving))

    async def all(self) -> Sequence[Dataset]:
        return await asyncio.to_thread(self._all)

    async def get(self, name: str) -> Dataset | None:
        return await asyncio.to_thread(self._get, name)

    async def remove(self, name: str) -> None:
        await asyncio.to_thread(self._remove, [record_file(self._root, name)])

    async def unnamed(self) -> Set[str]:
        return await asyncio.to_thread(self._unnamed)

    async def drop(self, digests: Set[str]) -> None:
        await asyncio.to_thread(self._remove, [blobs(self._root) / digest for digest in digests])

    async def sweep_arrivals(self) -> None:
        await asyncio.to_thread(self._sweep_arrivals)

    def read(self, dataset: Dataset, start: int, stop: int) -> AsyncGenerator[bytes]:
        return pieces_of(blobs(self._root) / dataset.sha256, start, stop, f"the dataset {dataset.reference}")

    @asynccontextmanager
    async def _locked(self, *, alone: bool) -> AsyncIterator[None]:
        async with locked(await asyncio.to_thread(self._lock_file), WHAT, alone=alone):
            yield

    def _lock_file(self) -> BinaryIO:
        """The open file of the lock, and the folders beside it. Raises Unavailable."""
        with _unavailable():
            if not self._root.is_dir():
                raise Unavailable(NO_ROOT, retry_after_s=30.0)
            for folder in (self._folder, blobs(self._root), names(self._root), self._arriving):
                folder.mkdir(exist_ok=True)
            return (self._folder / LOCK).open("ab")

    def _begin(self) -> DiskArrival:
        file = self._arriving / secrets.token_hex(8)
        with _unavailable():
            stream = file.open("xb", buffering=0)
            is_locked_now(stream, alone=True)
        return DiskArrival(self._root, file, stream)

    def _all(self) -> list[Dataset]:
        found = sorted(file.stem for file in _files(names(self._root)) if file.suffix == ".json")
        return [dataset for name in found if (dataset := self._get(name)) is not None]

    def _get(self, name: str) -> Dataset | None:
        try:
            return read_record(self._root, name)
        except (Hindered, InvalidData) as error:
            raise Unavailable(error.message, retry_after_s=30.0) from error

    def _remove(self, files: Sequence[Path]) -> None:
        with _unavailable():
            for file in files:
                file.unlink(missing_ok=True)
                sync(file.parent)

    def _unnamed(self) -> Set[str]:
        named = {dataset.sha256 for dataset in self._all()}
        return {file.name for file in _files(blobs(self._root))} - named

    def _sweep_arrivals(self) -> None:
        with _unavailable():
            for file in _files(self._arriving):
                with file.open("rb") as stream:
                    if is_locked_now(stream, alone=True):
                        file.unlink()


def _files(folder: Path) -> list[Path]:
    return [*folder.iterdir()] if folder.is_dir() else []


def _size_bytes(folder: Path) -> int:
    """Of all files in a folder."""
    n_bytes = 0
    for file in _files(folder):
        with suppress(FileNotFoundError):  # deleted meanwhile
            n_bytes += file.stat().st_size
    return n_bytes


@contextmanager
def _unavailable() -> Iterator[None]:
    """A fault of the disk as a refusal. Raises Unavailable."""
    try:
        yield
    except OSError as error:
        raise Unavailable(f"the datasets cannot be kept: {in_words(error)}", retry_after_s=30.0) from error
