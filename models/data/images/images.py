"""Pictures in a zip or a folder: what they are by their names and the head of the first, and their rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Annotated, ClassVar, Literal, NamedTuple, final

import numpy as np
from pydantic import Field, field_validator

from pushforward.models.data.images.decoding import (
    GREATEST_16_BIT,
    PNG_HEAD_BYTES,
    SUFFIXES,
    Crop,
    Mode,
    PictureForm,
    check_mode,
    decoded,
    is_deep,
)
from pushforward.models.data.images.entries import PictureFiles, refused
from pushforward.models.data.images.folders import in_folder
from pushforward.models.data.images.labels import Labeling, is_metadata, labeling
from pushforward.models.data.images.zips import in_zip
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import MAX_BYTES, MIN_ROWS, Rows
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import InvalidData
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec

Side = Annotated[int, Field(ge=1, le=1024)]

NAMED = 50  # labels in a note


@final
class Images(FromFile):
    """Pictures in PNG, JPEG or WebP, in a zip or a folder under the data root; the folder of a picture is its label.

    Labels are numbered in the order of their names. A `metadata.csv` with the columns `file_name` and `label` takes the
    place of folders. Pictures have 256 levels; gray ones of 16 bits are continuous from 0 to 65,535.
    """

    source: Literal["images"] = "images"
    path: str | None = Field(None, min_length=1, max_length=1024)
    """A zip or a folder of pictures, relative to the data root; or give `dataset`, a zip."""
    size: tuple[Side, Side]
    """Height and width that each picture is resized to, by a box filter; one number is the side of a square."""
    mode: Mode = "RGB"
    """L is gray, RGB color, RGBA color and opacity; in the others, what is not opaque is laid on white."""
    crop: Crop = "center"
    """`center` keeps as much of the middle as has the aspect of `size`; `none` keeps all, squeezed or stretched."""

    media_types: ClassVar[tuple[str, ...]] = ("application/zip",)

    @field_validator("size", mode="before")
    @classmethod
    def _side_of_a_square(cls, size: object) -> object:
        """`28` is [28, 28], and so is `[28]`, as a command line sends it."""
        match size:
            case [side] | (int() | float() as side):
                return [side, side]
        return size

    @property
    def labels_are(self) -> None:
        return None

    def outline(self, root: Path) -> DataSpec:
        with self._album(root) as album:
            labels = album.labels
            spec = _spec(album.form.shape, None if labels is None else len(labels.names), deep=album.form.deep)
            condition = None
            if labels is not None and self.condition is not None:
                condition = Labels(n_classes=len(labels.names), names=labels.names)
            return spec.model_copy(update={"condition": condition, "n_rows": len(album.pictures)})

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        with self._album(root) as album:
            entries, form = album.entries, album.form
            pictures = (decoded(entries.read(name), form, of=entries.shown(name)) for name in album.pictures)
            x = scratch.array("x", (len(album.pictures), *form.shape), form.dtype, pictures)
        labels = album.labels
        return Rows(x, None) if labels is None else Rows(x, labels.y, names=labels.names)

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        return _spec(rows.x.shape[1:], rows.n_classes, deep=rows.x.dtype != np.uint8)

    def notes(self, root: Path) -> tuple[str, ...]:
        with self._album(root) as album:
            return tuple(_notes(album))

    @contextmanager
    def _album(self, root: Path) -> Iterator[_Album]:
        """The pictures and what names and headers tell of them. Raises InvalidData, Hindered."""
        path = self.file(root)
        with in_folder(path) if path.is_dir() else in_zip(path) as entries:
            pictures = _pictures(entries)
            labels = labeling(entries, pictures, asked=self.condition is not None)
            yield _Album(entries, pictures, labels, self._form(entries, pictures))

    def _form(self, entries: PictureFiles, pictures: tuple[str, ...]) -> PictureForm:
        height, width = self.size
        deep = is_deep(entries.head(pictures[0], PNG_HEAD_BYTES))
        check_mode(self.mode, entries.shown(pictures[0]), deep=deep)
        form = PictureForm(height, width, self.mode, self.crop, deep)
        n_bytes = len(pictures) * prod(form.shape) * form.dtype.itemsize
        if n_bytes > MAX_BYTES:
            raise InvalidData(
                f"makes {n_bytes:,} bytes of {len(pictures):,} pictures; give at most {MAX_BYTES:,}, smaller pictures "
                "or fewer",
                field="size",
            )
        return form


class _Album(NamedTuple):
    entries: PictureFiles
    pictures: tuple[str, ...]  # names, sorted
    labels: Labeling | None
    form: PictureForm


def _pictures(entries: PictureFiles) -> tuple[str, ...]:
    """The names of the pictures. Raises InvalidData."""
    pictures = tuple(name for name in entries.names if not is_metadata(name))
    other = next((name for name in pictures if not name.lower().endswith(SUFFIXES)), None)
    if other is not None:
        raise refused(other, entries.file, f"does not end in {', '.join(SUFFIXES)}; convert it, or leave it out")
    if len(pictures) < MIN_ROWS:
        raise InvalidData(
            f"{entries.file.name!r} holds {len(pictures)} pictures; give at least {MIN_ROWS}", field="path"
        )
    return pictures


def _spec(shape: tuple[int, ...], n_classes: int | None, *, deep: bool) -> DataSpec:
    high, levels = (GREATEST_16_BIT, None) if deep else (255, 256)
    middle = (high / 2,)
    return DataSpec(shape=shape, low=0, high=high, levels=levels, n_classes=n_classes, shift=middle, scale=middle)


def _notes(album: _Album) -> Iterator[str]:
    if album.labels is not None:
        names = album.labels.names
        listed = ", ".join(f"{i} is {name!r}" for i, name in enumerate(names[:NAMED]))
        yield f"Labels: {listed}" + (f", and {len(names) - NAMED} more." if len(names) > NAMED else ".")
    if album.form.deep:
        yield "The pictures have 16 bits: taken for continuous from 0 to 65535, so samples lie between whole numbers."
