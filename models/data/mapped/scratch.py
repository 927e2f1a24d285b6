"""Where the numbers of data lie: in memory, or in a file that is mapped.

    {folder}/{name}-{identity}.npy       the numbers of an array, whole: it is written beside its place, and renamed
            /.writing-*                  what is not whole; a later `Scratch` deletes it

Numbers that take more than a share of the memory are decoded once, piece by piece, into such a file. A mapped file
takes no memory of the process but pages that the system takes back at will. A later attempt at the same job finds the
file and uses it, if it is of the same source and of a file that has not changed since.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from hashlib import sha256
from math import prod
from pathlib import Path
from time import monotonic
from typing import Any, BinaryIO, Literal, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import Hindered, hindrance

SHARE = 0.25  # of the free memory, that the rows of a run may take: there is more than one copy of them for a while
SPARE_BYTES = 2**28  # of the disk, that are left to others
WRITING = ".writing-"
TOLD_S = 10.0  # between two log lines, at least: a child that is silent for long is taken for dead

Order = Literal["C", "F"]

_log = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Scratch:
    """Where the numbers of one data set are put."""

    folder: Path | None = None  # of files for what is too large; None: all is in memory
    most_bytes: float = float("inf")  # of an array in memory
    identity: str = ""  # of the data: the source, and the file as it is now

    def holds(self, n_bytes: int) -> bool:
        """Whether so many bytes are kept in memory."""
        return self.folder is None or n_bytes <= self.most_bytes

    def of(self, identity: str) -> Scratch:
        """The same place for the data of this identity."""
        return replace(self, identity=identity)

    def array(
        self, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], pieces: Iterable[NDArray[Any]]
    ) -> NDArray[Any]:
        """The array that these pieces make, one behind the other; they are not asked for where it is there already.

        Raises:
            Hindered: the disk is full.
            What `pieces` raise.
        """
        n_bytes = prod(shape) * dtype.itemsize
        if self.folder is None or n_bytes <= self.most_bytes:
            return _filled(np.empty(shape, dtype), pieces)
        told = f"{self.identity} {shape} {dtype.str}"
        place = self.folder / f"{name}-{sha256(told.encode()).hexdigest()[:32]}.npy"
        try:
            if not place.is_file():
                _write(place, shape, dtype, pieces)
            return mapped(place, shape, dtype, place.stat().st_size - n_bytes)
        except OSError as error:
            if reason := hindrance(error):
                raise Hindered(f"{reason}, and the data, decoded, take {n_bytes / 2**30:,.1f} GiB of it") from error
            raise


IN_MEMORY = Scratch()


def mapped(file: Path, shape: tuple[int, ...], dtype: np.dtype[Any], offset: int, order: Order = "C") -> NDArray[Any]:
    """The numbers of a file, read when they are looked at. Raises OSError."""
    return np.asarray(np.memmap(file, dtype, "r", offset, shape, order))


def identity_of(file: Path) -> str:
    """A file, or all files of a folder, as they are now: names, sizes, times. Raises OSError."""
    digest = sha256()
    for each in [file] if file.is_file() else sorted(file.rglob("*")):
        stat = each.stat()
        digest.update(f"{each.name} {stat.st_size} {stat.st_mtime_ns} {stat.st_ino}\n".encode())
    return digest.hexdigest()


def _filled(array: NDArray[Any], pieces: Iterable[NDArray[Any]]) -> NDArray[Any]:
    flat, at = array.reshape(-1), 0
    for piece in pieces:
        flat[at : at + piece.size] = piece.reshape(-1)
        at += piece.size
    return array


def _write(place: Path, shape: tuple[int, ...], dtype: np.dtype[Any], pieces: Iterable[NDArray[Any]]) -> None:
    """Write the array; there is no file, or a whole one. Raises OSError, Hindered."""
    place.parent.mkdir(parents=True, exist_ok=True)
    name = place.name.rpartition("-")[0]
    for outdated in (*place.parent.glob(f"{WRITING}{name}-*"), *place.parent.glob(f"{name}-*.npy")):
        outdated.unlink(missing_ok=True)
    _check_room(place.parent, prod(shape) * dtype.itemsize)
    descriptor, draft = tempfile.mkstemp(prefix=f"{WRITING}{name}-", dir=place.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_2_0(stream, header)
            _write_pieces(stream, prod(shape), dtype, pieces)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).rename(place)
    finally:
        Path(draft).unlink(missing_ok=True)


def _write_pieces(stream: BinaryIO, size: int, dtype: np.dtype[Any], pieces: Iterable[NDArray[Any]]) -> None:
    _log.info("decoding the data into a file: %.1f GiB", size * dtype.itemsize / 2**30)
    done, told_at = 0, monotonic()
    for piece in pieces:
        stream.write(np.ascontiguousarray(piece, dtype).data)
        done += piece.size
        if monotonic() - told_at > TOLD_S:
            told_at = monotonic()
            _log.info("decoding the data: %d%%", 100 * done // size)
    if done != size:
        raise ValueError(f"{done} numbers were decoded, and {size} expected")


def _check_room(folder: Path, n_bytes: int) -> None:
    """Raises Hindered where the disk has no room, before it is filled."""
    free_bytes = shutil.disk_usage(folder).free
    if n_bytes + SPARE_BYTES > free_bytes:
        raise Hindered(
            f"the data, decoded, take {n_bytes / 2**30:,.1f} GiB of the disk of the store, and "
            f"{free_bytes / 2**30:,.1f} GiB are free"
        )
