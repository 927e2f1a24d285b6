"""The entries of a folder, those of its folders among them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pushforward.models.data.files import opened, reading
from pushforward.models.data.images.entries import PictureFiles, check_count, check_link, counts, refused, sorted_sizes


@contextmanager
def in_folder(folder: Path) -> Iterator[PictureFiles]:
    """The entries of a folder. Raises InvalidData, Hindered."""
    with reading(folder):
        sizes_bytes = _listed(folder)
    yield PictureFiles(folder, sorted_sizes(sizes_bytes, folder), lambda name: opened(folder / name))


def _listed(folder: Path) -> dict[str, int]:
    sizes_bytes, folders, n = dict[str, int](), [""], 0
    while folders:
        below = folders.pop()
        with os.scandir(folder / below) as each:
            for entry in each:
                n += 1
                check_count(n, folder)
                name = below + entry.name
                check_link(name, folder, is_link=entry.is_symlink())
                if not counts(name):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(f"{name}/")
                elif entry.is_file(follow_symlinks=False):
                    sizes_bytes[name] = entry.stat(follow_symlinks=False).st_size
                else:
                    raise refused(name, folder, "is neither a file nor a folder; leave it out")
    return sizes_bytes
