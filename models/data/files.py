"""What all readers of files share. They trust nothing in a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, final

from pushforward.models.data.source import MAX_BYTES, Rows
from pushforward.models.errors import Hindered, InvalidData, hindrance, in_words
from pushforward.models.spec.data_spec import DataSpec

BEYOND_NUMBERS = "beside its numbers than is ever read; save plain arrays"
NO_ROOT = "the data root is not there; mount it, or set PUSHFORWARD_DATA_ROOT"


def inside(root: Path, path: str) -> Path:
    """The path, if it exists under the data root, symbolic links followed. Raises InvalidData, Hindered."""
    if not root.is_dir():
        raise Hindered(NO_ROOT)
    try:
        full = (root / path).resolve()
        is_inside = not Path(path).is_absolute() and full.is_relative_to(root.resolve())
        exists = is_inside and full.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, links in a circle
        raise InvalidData(f"{path!r} is not a path: {_why(error)}", field="path") from error
    if not is_inside:
        raise InvalidData(f"{path!r} leads out of the data root; give a path relative to it", field="path")
    if not exists:
        raise InvalidData(f"there is no {path!r} under the data root", field="path")
    return full


@contextmanager
def reading(file: Path, *, of: str | None = None, remedy: str = "write it again") -> Iterator[None]:
    """Any error of a parser means that the file, or what is read of it, cannot be read, unless the disk is at fault.

    Raises InvalidData, Hindered.
    """
    what = of or repr(file.name)
    try:
        yield
    except (InvalidData, Hindered, MemoryError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and (why := hindrance(error)):
            raise Hindered(f"{what} cannot be read: {why}") from error
        raise InvalidData(f"{what} cannot be read: {_why(error)}; {remedy}", field="path") from error


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """A regular file, to be read. A pipe or a device would wait, or never end. Raises InvalidData, OSError."""
    with open(os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:  # noqa: PTH123  a descriptor
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise InvalidData(f"{file.name!r} is not a file; give the path of one", field="path")
        yield stream


@final
class Metered:
    """A stream of which only so many bytes are read, whatever its parser wants. Raises InvalidData beyond."""

    def __init__(self, stream: BinaryIO, n_bytes: int, file: Path, *, beyond: str = BEYOND_NUMBERS) -> None:
        self._stream, self._left_bytes, self._file, self._beyond = stream, n_bytes, file, beyond

    def allow(self, n_bytes: int) -> None:
        """Allow this many more bytes."""
        self._left_bytes = n_bytes

    def read(self, n: int = -1) -> bytes:
        """The next bytes."""
        piece = self._stream.read(self._left_bytes + 1 if n < 0 else min(n, self._left_bytes + 1))
        self._left_bytes -= len(piece)
        if self._left_bytes < 0:
            raise InvalidData(f"{self._file.name!r} has more {self._beyond}", field="path")
        return piece

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move the position, as `io.IOBase.seek` does."""
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        """The position."""
        return self._stream.tell()

    def seekable(self) -> bool:
        """Archives are read from their end: `seek` is there."""
        return True


def _why(error: Exception) -> str:
    """The reason in words, without paths of this machine."""
    if isinstance(error, OSError):
        return in_words(error)
    return "symbolic links in a circle" if isinstance(error, RuntimeError) else str(error)


def bounded(n_bytes: int, file: Path) -> None:
    """Refuse a file of more numbers than are ever decoded."""
    if n_bytes > MAX_BYTES:
        raise InvalidData(
            f"{file.name!r} promises {n_bytes} bytes of numbers; give at most {MAX_BYTES}, fewer rows",
            field="path",
        )


def image_spec(rows: Rows) -> DataSpec:
    """The spec of images of bytes: 256 levels."""
    shape = rows.x.shape[1:]
    return DataSpec(shape=shape, low=0, high=255, levels=256, n_classes=rows.n_classes, shift=(127.5,), scale=(127.5,))
