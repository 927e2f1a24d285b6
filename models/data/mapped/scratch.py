"""Where the numbers of data lie: in memory, or in a file that is mapped.

    {folder}/{name}-{identity}.npy       the numbers of an array, whole: it is written beside its place, and renamed
            /.writing-*                  what is not whole; a later `ScratchSpace` deletes it

Numbers that take more than a share of the memory are decoded once, piece by piece, into such a file. A mapped file
takes no memory of the process but pages that the system takes back at will. A later attempt at the same job finds the
file and uses it, if it is of the same source and of a file that has not changed since.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.mapped.pieces import TOLD_S
from pushforward.models.errors import Hindered, hindrance

SHARE = 0.25  # of the free memory, that the rows of a run may take: there is more than one copy of them for a while
SPARE_BYTES = 2**28  # of the disk, that are left to others
WRITING = ".writing-"

Order = Literal["C", "F"]
Chunk = bytes | memoryview

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class ScratchSpace:
    """Where the numbers of one data set are put."""

    folder: Path | None = None  # of files for what is too large; None: all is in memory
    most_bytes: float = float("inf")  # of an array in memory
    identity: str = ""  # of the data: the source, and the file as it is now

    def holds(self, n_bytes: int) -> bool:
        """Whether so many bytes are kept in memory."""
        return self.folder is None or n_bytes <= self.most_bytes

    def of(self, identity: str) -> ScratchSpace:
        """The same place for the data of this identity."""
        return replace(self, identity=identity)

    def beside(self, name: str) -> ScratchSpace:
        """A place for other data."""
        return self if self.folder is None else replace(self, folder=self.folder / name)

    def array(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], pieces: Iterable[NDArray[Any]]
    ) -> NDArray[Any]:
        """The array that these pieces make, one behind the other; they are not asked for where it is there already.

        Raises:
            Hindered: the disk is full.
            What `pieces` raise.
        """
        n_bytes = prod(shape) * dtype.itemsize
        if self.holds(n_bytes):
            return _filled(np.empty(shape, dtype), pieces)
        place = self._written(name, f"{shape} {dtype.str}", ".npy", n_bytes, _as_npy(shape, dtype, pieces))
        return mapped(place, shape, dtype, place.stat().st_size - n_bytes)

    def file(self, name: str, ending: str, chunks: Iterable[bytes]) -> Path:
        """A file of these bytes; they are not asked for where it is there already. Raises as `array` does."""
        return self._written(name, "", ending, 0, chunks)

    def drop(self, name: str) -> None:
        """Delete what has this name: it is not needed any more."""
        for file in [] if self.folder is None else self.folder.glob(f"{name}-*"):
            file.unlink(missing_ok=True)

    def _written(self, name: str, form: str, ending: str, n_bytes: int, chunks: Iterable[Chunk]) -> Path:
        if self.folder is None:
            raise TypeError("there is no folder for files")
        place = self.folder / f"{name}-{sha256(f'{self.identity} {form}'.encode()).hexdigest()[:32]}{ending}"
        try:
            if not place.is_file():
                self.folder.mkdir(parents=True, exist_ok=True)
                self.drop(name)  # of data that have changed
                self.drop(f"{WRITING}{name}")
                _check_room(self.folder, n_bytes)
                _write(place, WRITING + name, n_bytes, chunks)
        except OSError as error:
            if reason := hindrance(error):
                raise Hindered(f"the data are decoded into a file beside the models, and {reason}") from error
            raise
        return place


IN_MEMORY = ScratchSpace()


def mapped(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, order: Order = "C") -> NDArray[Any]:
    """The numbers of a file, read when they are looked at. Raises OSError."""
    return np.asarray(np.memmap(file, dtype, "r", offset, shape, order))


def identity_of(file: Path) -> str:
    """A file, or all files of a folder, as they are now: names, sizes, times. Raises OSError."""
    digest = sha256()
    for each in [file] if file.is_file() else sorted(file.rglob("*")):
        stat = each.lstat()
        digest.update(f"{each.relative_to(file)} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}\n".encode())
    return digest.hexdigest()


def _filled(array: NDArray[Any], pieces: Iterable[NDArray[Any]]) -> NDArray[Any]:
    flat, at = array.reshape(-1), 0
    for piece in pieces:
        flat[at : at + piece.size] = piece.reshape(-1)
        at += piece.size
    return array


def _as_npy(shape: tuple[int, ...], dtype: np.dtype[Any], pieces: Iterable[NDArray[Any]]) -> Iterator[Chunk]:
    head = BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_2_0(head, header)
    yield head.getvalue()
    size = 0
    for piece in pieces:
        size += piece.size
        yield np.ascontiguousarray(piece, dtype).data
    if size != prod(shape):
        raise ValueError(f"{size} numbers were decoded, and {prod(shape)} expected")


def _write(place: Path, prefix: str, n_bytes: int, chunks: Iterable[Chunk]) -> None:
    """Write a file; afterwards there is none, or a whole one. Raises OSError."""
    _log.info("the data are decoded into a file%s", f" of {n_bytes / 2**30:,.2f} GiB" if n_bytes else "")
    descriptor, draft = tempfile.mkstemp(prefix=f"{prefix}-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            told_at = monotonic()
            for chunk in chunks:
                stream.write(chunk)
                if monotonic() - told_at > TOLD_S:
                    told_at = monotonic()
                    _log.info("decoded %.2f GiB", stream.tell() / 2**30)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).rename(place)
    finally:
        Path(draft).unlink(missing_ok=True)


def _check_room(folder: Path, n_bytes: int) -> None:
    """Raises Hindered where the disk has no room, before it is filled."""
    free_bytes = shutil.disk_usage(folder).free
    if n_bytes + SPARE_BYTES > free_bytes:
        raise Hindered(
            f"the data, decoded, take {n_bytes / 2**30:,.1f} GiB of the disk of the store, and "
            f"{free_bytes / 2**30:,.1f} GiB are free"
        )
