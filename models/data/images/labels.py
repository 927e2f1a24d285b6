"""Labels of pictures: the folder that a picture lies in, or what `metadata.csv` says of it.

Classes are numbered in the order of their names; names that are all whole numbers are ordered as numbers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from io import StringIO
from posixpath import basename, dirname, join, normpath
from typing import NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.images.entries import PictureFiles, refused
from pushforward.models.data.source import MAX_CLASSES
from pushforward.models.errors import InvalidData

METADATA = "metadata.csv"
COLUMNS = ("file_name", "label")
MAX_METADATA_BYTES = 16 * 2**20
MAX_LABEL = 100  # characters


@final
class Labeling(NamedTuple):
    """The label of each picture."""

    names: tuple[str, ...]  # of the classes
    y: NDArray[np.int64]  # (N,)


def is_metadata(name: str) -> bool:
    """Whether an entry tells the labels of pictures."""
    return basename(name) == METADATA


def labeling(entries: PictureFiles, pictures: Sequence[str], *, asked: bool) -> Labeling | None:
    """The labels of pictures; None where they have none and none are asked for. Raises InvalidData, Hindered."""
    tables = [name for name in entries.names if is_metadata(name)]
    if len(tables) > 1:
        raise refused(tables[1], entries.file, f"is a second {METADATA}; give one, with lines for all pictures")
    if tables:
        return _numbered(pictures, _from_table(entries, tables[0], pictures), entries)
    folders = {name: basename(dirname(normpath(name))) for name in pictures}
    loose = next((name for name, folder in folders.items() if not folder), None)
    if len(set(folders.values())) > 1 and loose is None:
        return _numbered(pictures, folders, entries)
    if not asked:
        return None
    if loose is not None:
        raise InvalidData(
            f"asks for labels, but {entries.shown(loose)} lies in no folder that names one; put the pictures of each "
            f"class into a folder, or add {METADATA} with the columns file_name and label",
            field="condition",
        )
    raise InvalidData(
        "asks for labels, but all pictures lie in one folder; put those of each class into a folder of its own, or add "
        f"{METADATA} with the columns file_name and label",
        field="condition",
    )


def _numbered(pictures: Sequence[str], labels: Mapping[str, str], entries: PictureFiles) -> Labeling:
    for picture in pictures:
        label = labels[picture]
        if not label.isprintable() or not 0 < len(label) <= MAX_LABEL:
            raise refused(picture, entries.file, f"has a label that is not 1 to {MAX_LABEL} printable characters")
    distinct = set(labels.values())
    if len(distinct) > MAX_CLASSES:
        raise InvalidData(
            f"{entries.file.name!r} has {len(distinct):,} labels; give at most {MAX_CLASSES:,} classes", field="path"
        )
    names = sorted(distinct)
    if all(name.isdecimal() for name in names):
        names.sort(key=int)
    number = {name: i for i, name in enumerate(names)}
    return Labeling(tuple(names), np.array([number[labels[picture]] for picture in pictures], np.int64))


def _from_table(entries: PictureFiles, table: str, pictures: Sequence[str]) -> dict[str, str]:
    """The label of each picture by `metadata.csv`, whose file names are relative to its own folder."""
    labels = dict[str, str]()
    there, below = {normpath(name): name for name in pictures}, dirname(table)
    for line, file_name, label in _lines(entries, table):
        picture = there.get(normpath(join(below, file_name.replace("\\", "/"))))
        if picture is None:
            raise refused(table, entries.file, f"names {file_name[:MAX_LABEL]!r} in line {line}, which is not there")
        if picture in labels:
            raise refused(table, entries.file, f"names {file_name[:MAX_LABEL]!r} again in line {line}; name it once")
        labels[picture] = label
    if missing := next((name for name in pictures if name not in labels), None):
        raise refused(missing, entries.file, f"is not in {METADATA}; add a line, or leave the picture out")
    return labels


def _lines(entries: PictureFiles, table: str) -> list[tuple[int, str, str]]:
    """Line number, file name and label of each line."""
    if entries.sizes_bytes[table] > MAX_METADATA_BYTES:
        raise refused(table, entries.file, f"has more than {MAX_METADATA_BYTES:,} bytes; give the two columns alone")
    try:
        reader = csv.DictReader(StringIO(entries.read(table).decode("utf-8-sig"), newline=""), restval="")
        if missing := [column for column in COLUMNS if column not in (reader.fieldnames or ())]:
            raise refused(table, entries.file, f"has no column {missing[0]}; give file_name,label in the first line")
        return [(reader.line_num, line["file_name"].strip(), line["label"].strip()) for line in reader]
    except (UnicodeDecodeError, csv.Error) as error:
        raise refused(table, entries.file, f"is not a table of text in UTF-8: {error}; save it again") from error
