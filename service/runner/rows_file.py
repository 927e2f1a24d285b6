"""An npy file of rows that grows, and can be gone on with.

    {header of (n, *shape), float32 or float64}{row 0}{row 1}...

Its header is the same for the same n, shape and type, so a file that broke off is the beginning of the whole one. What
an earlier attempt left is copied, never shared: its writer may be frozen, and wake.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from math import prod
from pathlib import Path
from types import TracebackType
from typing import Self, final

import numpy as np

from pushforward.models.spec.data_spec import Shape
from pushforward.models.spec.precision import Held
from pushforward.models.storage.durable import sync
from pushforward.service.formats import npy

PIECE_BYTES = 2**20


def whole_bytes(n: int, shape: Shape, held: Held = "float32") -> int:
    """The length of the finished file."""
    return len(npy.header((n, *shape), _stored(held))) + n * prod(shape) * _stored(held).itemsize


@final
class RowsFile:
    """A file being written, and the digest of what was written; a context manager."""

    def __init__(self, path: Path, n: int, shape: Shape, held: Held = "float32") -> None:
        self.n_rows = 0
        self._dtype = _stored(held)
        self._header = npy.header((n, *shape), self._dtype)
        self._row_bytes = prod(shape) * self._dtype.itemsize
        self._path = path
        self._stream = path.open("wb")
        self._sha256 = sha256()
        self._put(self._header)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    @property
    def n_bytes(self) -> int:
        """Written so far."""
        return len(self._header) + self.n_rows * self._row_bytes

    @property
    def digest(self) -> str:
        """Of what was written so far: its sha256 in hexadecimal."""
        return self._sha256.hexdigest()

    def append(self, rows: np.ndarray) -> None:
        """The next rows, (B, *shape). Raises OSError."""
        self._put(np.ascontiguousarray(rows, self._dtype).data.cast("B"))
        self.n_rows += len(rows)

    def go_on_from(self, earlier: Path, most_rows: int) -> Iterator[int]:
        """Copy the rows of a file that broke off, at most so many, yielding after each piece how many there are.

        Nothing where it is the file of another n, shape or type, or gone. Raises OSError.
        """
        if not earlier.exists():
            return
        with earlier.open("rb") as stream:
            if stream.read(len(self._header)) != self._header:
                return
            there = (os.fstat(stream.fileno()).st_size - len(self._header)) // self._row_bytes
            rows, at_once = min(most_rows, there), max(1, PIECE_BYTES // self._row_bytes)
            for start in range(0, rows, at_once):
                n = min(at_once, rows - start)
                self._put(stream.read(n * self._row_bytes))
                self.n_rows += n
                yield self.n_rows

    def sync(self) -> None:
        """Force what was written to the disk. Raises OSError."""
        self._stream.flush()
        sync(self._path)

    def _put(self, piece: bytes | memoryview) -> None:
        self._stream.write(piece)
        self._sha256.update(piece)


def _stored(held: Held) -> np.dtype:
    return np.dtype(held).newbyteorder("<")
