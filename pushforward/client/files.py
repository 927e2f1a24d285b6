"""Files that are written whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(file: Path) -> Iterator[BinaryIO]:
    """A file that appears when it is complete, and not at all if writing fails or nothing is written."""
    if file.exists() and not file.is_file():  # a pipe
        with file.open("wb") as stream:
            yield stream
        return
    unfinished = file.with_name(f"{file.name}.part")
    try:
        with unfinished.open("wb") as stream:
            yield stream
            written = stream.tell()
        if written:
            unfinished.replace(file)
    finally:
        unfinished.unlink(missing_ok=True)
