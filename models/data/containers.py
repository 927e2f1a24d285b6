"""Containers of arrays, `.npy` and `.npz`, read within bounds that hold before anything is read.

Nothing that a file says of itself is trusted: a header is at most `MAX_HEADER_BYTES` long, the list of an archive's
members at most `MAX_DIRECTORY_BYTES`, a member inflates to at most `MAX_RATIO` times its size and to no more numbers
than its own header promises. So headers cost some kilobytes and milliseconds whatever the file, and arrays no more
memory than `scratch` keeps there, and no more of the disk than `models.data.source.MAX_BYTES` each. An `.npy` that is
larger is mapped where it lies.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.files import Metered, bounded, opened, reading
from pushforward.models.data.mapped.scratch import IN_MEMORY, Order, ScratchSpace, mapped
from pushforward.models.data.source import MAX_BYTES_AT_ONCE
from pushforward.models.errors import InvalidData

Header = tuple[tuple[int, ...], np.dtype[Any], bool]  # shape, type, whether columns come first

MAX_HEADER_BYTES = 10_000  # numpy's own limit, which it checks after reading
MAX_DIRECTORY_BYTES = 2**18  # some thousand members
PIECE_BYTES = 2**20  # read at once
MAX_RATIO = 200  # of an archive's member to its compressed size
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # what numpy writes; others inflate without a bound


def array_headers(file: Path, wanted: set[str]) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of the wanted arrays by name, `x` for that of an `.npy`. Raises InvalidData."""
    with reading(file), _members(file, wanted) as members:
        return {name: _header(stream, size, file)[:2] for name, stream, size in members}


def read_labels(file: Path) -> NDArray[Any]:
    """The labels `y` of an archive that has them, in memory. Raises InvalidData."""
    shape, dtype = array_headers(file, {"y"})["y"]
    if prod(shape) * dtype.itemsize > MAX_BYTES_AT_ONCE:
        raise InvalidData(f"`y` of {file.name!r} has more than {MAX_BYTES_AT_ONCE:,} bytes; save smaller numbers",
                          field="condition")  # fmt: skip
    return read_arrays(file, {"y"})["y"]


def read_arrays(file: Path, wanted: set[str], scratch: ScratchSpace = IN_MEMORY) -> dict[str, NDArray[Any]]:
    """The wanted arrays that are there, by name; what is large is mapped. Raises InvalidData, Hindered."""
    arrays: dict[str, NDArray[Any]] = {}
    with reading(file), _members(file, wanted) as members:
        for name, stream, size in members:
            shape, dtype, columns_first = _header(stream, size, file)
            order: Order = "F" if columns_first else "C"
            n_bytes = prod(shape) * dtype.itemsize
            if not scratch.holds(n_bytes) and not isinstance(stream, zipfile.ZipExtFile):
                arrays[name] = mapped(file, shape, dtype, size - n_bytes, order)
                continue
            flat = scratch.array(f"saved_{name}", (prod(shape),), dtype, _numbers(stream, dtype, n_bytes, file))
            arrays[name] = flat.reshape(shape, order=order)
    return arrays


@contextmanager
def _members(file: Path, wanted: set[str]) -> Iterator[Iterator[tuple[str, BinaryIO, int]]]:
    """The wanted arrays of a file: name, stream, and stated size in bytes."""
    with opened(file) as stream:
        size = file.stat().st_size
        if _is_plain(stream, file):
            yield iter([("x", stream, size)])
            return
        metered = Metered(stream, MAX_DIRECTORY_BYTES, file)
        with zipfile.ZipFile(cast(BinaryIO, metered)) as archive:
            metered.allow(2 * size + MAX_DIRECTORY_BYTES)
            yield _archived(archive, wanted, file)


def _is_plain(stream: BinaryIO, file: Path) -> bool:
    """Whether it is one array, and not an archive: by its name, or by its first bytes where that does not tell."""
    if file.suffix in (".npy", ".npz"):
        return file.suffix == ".npy"
    is_archive = stream.read(2) == b"PK"
    stream.seek(0)
    return not is_archive


def _archived(archive: zipfile.ZipFile, wanted: set[str], file: Path) -> Iterator[tuple[str, BinaryIO, int]]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    if "x" not in members:
        raise InvalidData(f"{file.name!r} has no array `x`, only {sorted(members)[:10]}", field="path")
    for name in sorted(members.keys() & wanted):
        info = members[name]
        if info.compress_type not in KINDS:
            raise InvalidData(f"{file.name!r} is compressed, and not by deflate; save it plain", field="path")
        if info.file_size > MAX_RATIO * max(1, info.compress_size):
            raise InvalidData(f"{file.name!r} is compressed {MAX_RATIO}-fold; save it plain", field="path")
        with archive.open(info) as stream:
            yield name, cast(BinaryIO, stream), info.file_size


def _header(stream: BinaryIO, size: int, file: Path) -> Header:
    """The header, if the bytes that follow are as many as it states, and not too many."""
    version = np.lib.format.read_magic(stream)
    n_length = 2 if version == (1, 0) else 4
    length = stream.read(n_length)
    n = int.from_bytes(length, "little")
    if n > MAX_HEADER_BYTES:
        raise InvalidData(
            f"{file.name!r} has a header of {n} bytes; at most {MAX_HEADER_BYTES} are read, save plain numbers",
            field="path",
        )
    text = BytesIO(length + stream.read(n))
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, columns_first, dtype = read(text)
    if dtype.hasobject:
        raise InvalidData(
            f"{file.name!r} holds pickled objects (dtype {dtype}), as arrays of numbers with gaps or words among "
            "them do; save plain numbers, with astype(numpy.float64)",
            field="path",
        )
    promised = prod(shape) * dtype.itemsize
    bounded(promised, file)
    there = size - (8 + n_length + n)
    if there != promised or min(shape, default=0) < 0:
        raise InvalidData(f"{file.name!r} is torn: {promised} bytes promised, {there} there; save again", field="path")
    return shape, dtype, columns_first


def _numbers(stream: BinaryIO, dtype: np.dtype[Any], n_bytes: int, file: Path) -> Iterator[NDArray[Any]]:
    """All numbers, in pieces; reading to the end also verifies the checksum of an archive's member."""
    at_once = PIECE_BYTES - PIECE_BYTES % dtype.itemsize
    for at in range(0, n_bytes, at_once):
        piece = _exactly(stream, min(at_once, n_bytes - at))
        if len(piece) < min(at_once, n_bytes - at):
            raise InvalidData(f"{file.name!r} ends after {at + len(piece)} bytes of numbers; save again", field="path")
        yield np.frombuffer(piece, dtype)
    if stream.read(1):
        raise InvalidData(f"{file.name!r} goes on after its numbers; save again", field="path")


def _exactly(stream: BinaryIO, n_bytes: int) -> bytes:
    """So many bytes; fewer at the end of the stream."""
    pieces, left = list[bytes](), n_bytes
    while left and (piece := stream.read(left)):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)
