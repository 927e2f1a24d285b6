"""The entries of a zip."""

from __future__ import annotations

import stat
import zipfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from pushforward.models.data.files import Metered, opened, reading
from pushforward.models.data.images.entries import (
    PictureFiles,
    check_count,
    check_link,
    check_name,
    counts,
    refused,
    sorted_sizes,
)

MAX_RATIO = 100  # of an entry to its compressed size
MAX_DIRECTORY_BYTES = 24 * 2**20  # 100,000 entries with names of 160 characters
KINDS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # others inflate without a bound
ENCRYPTED = 1  # flag of an entry
BEYOND = "of a directory than is ever read; give fewer pictures, with shorter names"


@contextmanager
def in_zip(file: Path) -> Iterator[PictureFiles]:
    """The entries of a zip, while it is open. Raises InvalidData, Hindered."""
    with ExitStack() as open_files:
        with reading(file):
            metered = Metered(open_files.enter_context(opened(file)), MAX_DIRECTORY_BYTES, file, beyond=BEYOND)
            archive = open_files.enter_context(zipfile.ZipFile(cast(BinaryIO, metered)))
            metered.allow(2 * file.stat().st_size + MAX_DIRECTORY_BYTES)
            infos = _listed(archive, file)
        sizes_bytes = sorted_sizes({name: info.file_size for name, info in infos.items()}, file)
        yield PictureFiles(file, sizes_bytes, lambda name: _opened(archive, infos[name]))


def _opened(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> AbstractContextManager[BinaryIO]:
    return cast(AbstractContextManager[BinaryIO], archive.open(info))


def _listed(archive: zipfile.ZipFile, file: Path) -> dict[str, zipfile.ZipInfo]:
    infos = archive.infolist()
    check_count(len(infos), file)
    found = dict[str, zipfile.ZipInfo]()
    for info in infos:
        name = info.filename.replace("\\", "/")  # zips made on Windows
        _check(name, info, file)
        if name.endswith("/") or not counts(name):
            continue
        if name in found:
            raise refused(name, file, "is there twice; zip the pictures again")
        found[name] = info
    return found


def _check(name: str, info: zipfile.ZipInfo, file: Path) -> None:
    check_name(name, file)
    check_link(name, file, is_link=stat.S_ISLNK(info.external_attr >> 16))
    if info.flag_bits & ENCRYPTED:
        raise refused(name, file, "is encrypted; zip it without a password")
    if info.compress_type not in KINDS:
        raise refused(name, file, "is compressed, and not by deflate; zip it by deflate, or store it")
    if info.file_size > MAX_RATIO * max(1, info.compress_size):
        raise refused(name, file, f"is compressed more than {MAX_RATIO}-fold; store pictures, as zip -0 does")
