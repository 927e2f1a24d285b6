"""IDX files, as MNIST and Fashion-MNIST come."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import BinaryIO, ClassVar, Literal, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.files import Metered, bounded, image_spec, inside, opened, reading
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import MAX_BYTES_AT_ONCE, MIN_ROWS, Rows
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec

LABELS = "labels-idx1-ubyte"
PIECE_BYTES = 2**20  # read at once
MAX_GZIP_BYTES = 2**18  # read of a file for its first bytes: gzip looks ahead, and its header may hold a name


@final
class Idx(FromFile):
    """A folder of IDX files as MNIST and Fashion-MNIST come: `train-images-idx3-ubyte[.gz]` and labels beside it.

    A dataset is one file, so it is the images alone.
    """

    source: Literal["idx"] = "idx"
    path: str | None = Field(None, min_length=1, max_length=1024)
    """Folder of the IDX files, relative to the data root; or give `dataset`."""

    media_types: ClassVar[tuple[str, ...]] = ("application/x-idx",)

    @property
    def labels_are(self) -> None:
        return None

    def n_labels(self, root: Path) -> int | None:
        file = self._find(root, LABELS)
        return None if file is None else int(_read_labels(file).max()) + 1

    def outline(self, root: Path) -> DataSpec:
        images = self._images(root)
        n, *shape = _idx_header(images, dims=3)
        if self.condition is not None and self.dataset is not None:
            raise InvalidData(
                "asks for labels, and a dataset of images has none; upload an npz with `x` and `y`, or leave it out",
                field="condition",
            )
        if self.condition is not None and self._find(root, LABELS) is None:
            raise InvalidData(f"asks for labels, but there is no train-{LABELS}[.gz]; put it there", field="condition")
        return DataSpec(shape=(1, *shape), low=0, high=255, levels=256, n_rows=n)

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        file = self._images(root)
        shape = _idx_header(file, dims=3)
        images = scratch.array("x", (shape[0], 1, *shape[1:]), np.dtype(np.uint8), _idx_numbers(file, shape))
        beside = self._find(root, LABELS)
        labels = None if beside is None else _read_labels(beside)
        if labels is not None and len(labels) != len(images):
            raise InvalidData(f"{self.file_name!r} holds {len(images)} images but {len(labels)} labels", field="path")
        return Rows(images, labels)

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        return image_spec(rows)

    def _images(self, root: Path) -> Path:
        file = self._find(root, "images-idx3-ubyte") if self.dataset is None else self.file(root)
        if file is None:
            raise InvalidData(
                f"there is no train-images-idx3-ubyte[.gz] in {self.file_name!r}; put it there", field="path"
            )
        return file

    def _find(self, root: Path, kind: str) -> Path | None:
        if self.dataset is not None:
            return None
        folder = self.file(root)
        names = (f"train-{kind}", f"train-{kind}.gz")
        found = (inside(root, f"{self.file_name}/{name}") for name in names if (folder / name).is_file())
        return next(found, None)


@contextmanager
def _open_idx(file: Path, most_bytes: int) -> Iterator[BinaryIO]:
    """The bytes of a file, inflated where it is gzip: of such a file at most so many are read. Raises InvalidData."""
    with reading(file), opened(file) as stream:
        if file.suffix != ".gz":
            yield stream
            return
        with gzip.GzipFile(fileobj=cast(BinaryIO, Metered(stream, most_bytes, file))) as inflated:
            yield cast(BinaryIO, inflated)


def _idx_header(file: Path, *, dims: int) -> tuple[int, ...]:
    """The shape an IDX file of unsigned bytes promises."""
    with _open_idx(file, MAX_GZIP_BYTES) as stream:
        header = stream.read(4 + 4 * dims)
    if header[:4] != bytes([0, 0, 8, dims]) or len(header) != 4 + 4 * dims:
        raise InvalidData(f"{file.name!r} is not an IDX file of bytes with {dims} dimensions", field="path")
    shape = struct.unpack(f">{dims}I", header[4:])
    bounded(prod(shape), file)
    if shape[0] < MIN_ROWS or 0 in shape:
        raise InvalidData(f"{file.name!r} has shape {list(shape)}; give at least {MIN_ROWS} rows", field="path")
    return shape


def _read_labels(file: Path) -> NDArray[np.int64]:
    """The labels in an IDX file, in memory. Raises InvalidData."""
    shape = _idx_header(file, dims=1)
    if shape[0] > MAX_BYTES_AT_ONCE:
        raise InvalidData(
            f"{file.name!r} promises {shape[0]:,} labels; give at most {MAX_BYTES_AT_ONCE:,}", field="path"
        )
    return np.concatenate([*_idx_numbers(file, shape)]).astype(np.int64)


def _idx_numbers(file: Path, shape: tuple[int, ...]) -> Iterator[NDArray[np.uint8]]:
    """The numbers of an IDX file of unsigned bytes, in pieces. Raises InvalidData."""
    size = prod(shape)
    with _open_idx(file, size + size // 100 + MAX_GZIP_BYTES) as stream:
        stream.read(4 + 4 * len(shape))
        left = size
        while left and (piece := stream.read(min(left, PIECE_BYTES))):
            left -= len(piece)
            yield np.frombuffer(piece, np.uint8)
        if left or stream.read(1):
            raise InvalidData(f"{file.name!r} is torn: its header promises {size} bytes; copy it again", field="path")
