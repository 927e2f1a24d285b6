"""A folder for what a worker compiles: locked while the worker lives, deleted by the next one if it died.

Shared libraries are mapped executable. A folder mounted `noexec` refuses that, as docker mounts `/tmp` by default; one
mapping is tried in advance, because compiling takes a minute.
"""

from __future__ import annotations

import fcntl
import mmap
import shutil
import tempfile
import time
from pathlib import Path
from typing import final

PREFIX = "pushforward-compiled-"
LOCK = ".lock"
NEW_S = 60.0  # a younger folder without a lock is still being made


@final
class Scratch:
    """A fresh folder that only its user can enter."""

    def __init__(self) -> None:
        """Raises OSError."""
        sweep(Path(tempfile.gettempdir()))
        self._folder = tempfile.TemporaryDirectory(prefix=PREFIX, ignore_cleanup_errors=True)
        self._lock = (self.path / LOCK).open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

    @property
    def path(self) -> Path:
        """The folder."""
        return Path(self._folder.name)

    def close(self) -> None:
        """Delete the folder."""
        self._lock.close()
        self._folder.cleanup()


def sweep(folder: Path) -> None:
    """Delete the folders of workers that died."""
    for left in folder.glob(f"{PREFIX}*"):
        if _is_dead(left):
            shutil.rmtree(left, ignore_errors=True)


def is_executable(folder: Path) -> bool:
    """Whether code may be run from files there: maps a file as the dynamic loader maps a library."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.truncate(mmap.PAGESIZE)
            mmap.mmap(file.fileno(), mmap.PAGESIZE, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC).close()
    except OSError:
        return False
    return True


def _is_dead(left: Path) -> bool:
    """Whether the worker of this folder no longer holds its lock. No other worker makes a folder of this name."""
    try:
        with (left / LOCK).open("rb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except FileNotFoundError:
        return _age_s(left) > NEW_S  # made by a release without locks
    except OSError:  # locked, or another user's
        return False


def _age_s(folder: Path) -> float:
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:  # another worker deleted it
        return 0.0
