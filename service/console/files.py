"""The files of the console, as they are sent: compressed, with a digest so that a browser takes each of them once."""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path, PurePosixPath
from typing import final

MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
PAGE = "index.html"  # of every address that is not a file's: the page reads it
STATIC = Path(str(files("pushforward.service.console"))) / "static"


@final
@dataclass(frozen=True)
class File:
    """A file and its compressed form."""

    media_type: str
    etag: str
    content: bytes
    gzipped: bytes


def read(path: str) -> File | None:
    """The file at a path below `/console/`; the page at a path without a suffix; None where there is none."""
    name = PurePosixPath(path)
    if not name.suffix:
        name = PurePosixPath(PAGE)
    if name.suffix not in MEDIA_TYPES or ".." in name.parts or name.is_absolute():
        return None
    place = STATIC.joinpath(name)
    try:
        return _read(place, place.stat().st_mtime_ns)
    except (FileNotFoundError, NotADirectoryError):
        return None


@lru_cache(maxsize=256)
def _read(place: Path, mtime_ns: int) -> File:
    content = place.read_bytes()
    return File(
        media_type=MEDIA_TYPES[place.suffix],
        etag=f'"{sha256(content).hexdigest()[:32]}"',
        content=content,
        gzipped=gzip.compress(content, 9, mtime=0),
    )
