"""An npy file that grows by rows, and can be resumed.

    {header of (n, *shape), float32 or float64}{row 0}{row 1}...

The header depends only on n, shape and type, so an unfinished file is the beginning of the finished one. The file of an
earlier attempt is copied, never shared: its writer may be suspended, and go on later.
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
    """The size of the finished file."""
    return len(npy.header((n, *shape), _stored(held))) + n * prod(shape) * _stored(held).itemsize


@final
class RowsFile:
    """A file being written, with a running digest; a context manager."""

    def __init__(self, path: Path, n: int, shape: Shape, held: Held = "float32") -> None:
        self.n_rows = 0
        self._dtype = _stored(held)
        self._header = npy.header((n, *shape), self._dtype)
        self._row_bytes = prod(shape) * self._dtype.itemsize
        self.path = path
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
        """The size so far."""
        return len(self._header) + self.n_rows * self._row_bytes

    @property
    def digest(self) -> str:
        """The sha256 of the file so far, in hexadecimal."""
        return self._sha256.hexdigest()

    def append(self, rows: np.ndarray) -> None:
        """Append rows, (B, *shape). Raises OSError."""
        self._put(np.ascontiguousarray(rows, self._dtype).data.cast("B"))
        self.n_rows += len(rows)

    def resume_from(self, earlier: Path, most_rows: int) -> Iterator[int]:
        """Copy at most `most_rows` rows of an unfinished file; yields the number of rows after each piece.

        Copies nothing from a file of another n, shape or type, or where there is none. Raises OSError.
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
        """Flush the file to the disk. Raises OSError."""
        self._stream.flush()
        sync(self.path)

    def _put(self, piece: bytes | memoryview) -> None:
        self._stream.write(piece)
        self._sha256.update(piece)


def _stored(held: Held) -> np.dtype:
    return np.dtype(held).newbyteorder("<")
