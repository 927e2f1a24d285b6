"""The files of a zip or of a folder, and what is refused of them before any is read.

Nothing that an archive says of itself is trusted. Of its directory at most `MAX_DIRECTORY_BYTES` are read, so a listing
costs some megabytes whatever the file; an entry inflates to the size it states and no further, and its checksum is
verified. Hidden files, and those that systems leave behind, are passed over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, final

from pushforward.models.data.files import reading
from pushforward.models.errors import InvalidData

MAX_ENTRIES = 100_000  # Fashion-MNIST has 70,000
MAX_INFLATED_BYTES = 2**40  # of all files, one of which is in memory at a time
MAX_FILE_BYTES = 2**27  # of one; 4096x4096 pixels of four bytes are half of it
LEFT_BEHIND = {"__MACOSX", "Thumbs.db", "desktop.ini"}
SHOWN = 80  # characters of a name in a message


@final
@dataclass(frozen=True)
class PictureFiles:
    """The files of a zip or of a folder."""

    file: Path
    sizes_bytes: Mapping[str, int]  # by name, relative and with / between folders; in the order of the names
    stream: Callable[[str], AbstractContextManager[BinaryIO]]

    @property
    def names(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(self.sizes_bytes)

    def shown(self, name: str) -> str:
        """An entry, for messages."""
        return shown(name, self.file)

    def read(self, name: str) -> bytes:
        """The bytes of an entry. Raises InvalidData, Hindered."""
        return self.head(name, self.sizes_bytes[name])

    def head(self, name: str, n_bytes: int) -> bytes:
        """The first bytes of an entry. Raises InvalidData, Hindered."""
        with reading(self.file, of=self.shown(name), remedy="save it again"), self.stream(name) as stream:
            return stream.read(n_bytes)


def shown(name: str, file: Path) -> str:
    """An entry of a file, for messages: `'rose/1.png' of 'flowers.zip'`."""
    short = name if len(name) <= SHOWN else f"...{name[-SHOWN:]}"
    return f"{short!r} of {file.name!r}"


def refused(name: str, file: Path, why: str) -> InvalidData:
    """The refusal of an entry."""
    return InvalidData(f"{shown(name, file)} {why}", field="path")


def check_name(name: str, file: Path) -> None:
    """Refuse a name that leads out of the archive. Raises InvalidData."""
    if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        raise refused(name, file, "leads out of the archive; zip a folder by its relative path")


def check_link(name: str, file: Path, *, is_link: bool) -> None:
    """Refuse symbolic links. Raises InvalidData."""
    if is_link:
        raise refused(name, file, "is a symbolic link; put the picture itself there")


def counts(name: str) -> bool:
    """Whether a file is of the data: not hidden, nor left behind by a system."""
    return not any((part.startswith(".") and part != ".") or part in LEFT_BEHIND for part in name.split("/"))


def check_count(n: int, file: Path) -> None:
    """Refuse too many entries. Raises InvalidData."""
    if n > MAX_ENTRIES:
        raise InvalidData(f"{file.name!r} has more than {MAX_ENTRIES:,} entries; give fewer pictures", field="path")


def sorted_sizes(sizes_bytes: Mapping[str, int], file: Path) -> dict[str, int]:
    """Sizes in the order of the names. Raises InvalidData where one or all are too large."""
    for name, size_bytes in sizes_bytes.items():
        if size_bytes > MAX_FILE_BYTES:
            raise refused(name, file, f"has {size_bytes:,} bytes; give pictures of at most {MAX_FILE_BYTES:,}")
    if (total_bytes := sum(sizes_bytes.values())) > MAX_INFLATED_BYTES:
        raise InvalidData(
            f"{file.name!r} holds {total_bytes:,} bytes of files; give at most {MAX_INFLATED_BYTES:,}, smaller "
            "pictures or fewer",
            field="path",
        )
    return dict(sorted(sizes_bytes.items()))
