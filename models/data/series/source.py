"""Windows of series: arrays of windows, and long series of arrays and tables, cut into windows."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from pushforward.models.data.arrays import as_labels, as_rows, check_labels
from pushforward.models.data.containers import array_headers, read_arrays, read_labels
from pushforward.models.data.files import opened, reading
from pushforward.models.data.fitting import fit
from pushforward.models.data.layout import Channels
from pushforward.models.data.mapped.pieces import Numbers, Pieces, spans
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.npy import Npy
from pushforward.models.data.series.columns import read_columns
from pushforward.models.data.series.shapes import check_numbers, shape_of_series, shape_of_windows
from pushforward.models.data.series.windows import Windows
from pushforward.models.data.source import Rows
from pushforward.models.data.tables.media_types import MEDIA_TYPES
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import InvalidData
from pushforward.models.spec.data_spec import DataSpec

PATH_PATTERN = r"\.(npy|npz|csv|tsv|parquet|arrow|feather|arrows)$"
PATH_FORM = "must end in .npy, .npz, .csv, .tsv, .parquet, .arrow, .arrows or .feather"
ARRAY_STARTS = b"\x93NUMPY", b"PK"

Reals = NDArray[Any]


@final
class Series(FromFile):
    """Windows of series, C channels of L steps each: an array of windows, or one long series that is cut into windows.

    With `length` the file is one long series: an array (T,) or (T, C), or a csv, parquet or Arrow file with a column of
    numbers for each channel and a row for each step. Without, it holds windows: an array (N, L) or (N, C, L), in an
    .npz named `x`, maybe beside labels `y`. Each channel is normalized by its mean and its standard deviation.
    """

    source: Literal["series"] = "series"
    path: str | None = Field(None, min_length=1, max_length=1024, pattern=PATH_PATTERN)
    """An .npy, .npz, .csv, .tsv, .parquet, .arrow or .feather file below the data root; or give `dataset`."""
    length: int | None = Field(None, ge=2, le=2**16)
    """Steps of a window, which one long series is cut into; left out: the file holds windows."""
    stride: int | None = Field(None, ge=1, le=2**16)
    """Steps from the start of a window to that of the next; left out: `length`, so windows do not overlap."""
    columns: tuple[str, ...] | None = Field(None, min_length=1, max_length=1024)
    """Of a table: the columns that are the channels, in this order; left out: all."""
    channels: Channels | None = None
    """Of windows (N, C, L) or (N, L, C): whether channels come first or last; left out: first, if there are no more
    channels than steps."""

    media_types: ClassVar[tuple[str, ...]] = (*Npy.media_types, *MEDIA_TYPES)

    @model_validator(mode="after")
    def _go_together(self) -> Self:
        if self.length is None and self.stride is not None:
            raise ValueError("stride cuts one long series into windows; give length, too")
        if self.length is not None and self.condition is not None:
            raise ValueError("one long series has no labels; leave condition out, or give windows beside labels `y`")
        if self.length is not None and self.channels is not None:
            raise ValueError("channels are the columns of one long series; leave it out")
        if self.columns is not None and len(set(self.columns)) < len(self.columns):
            raise ValueError("columns names a column twice; name each once")
        return self

    @property
    def labels_are(self) -> None:
        return None

    @property
    def is_parsed(self) -> bool:
        return self.path is None or not self.path.endswith((".npy", ".npz"))

    @property
    def windows(self) -> Windows | None:
        """How one long series is cut; None of a file of windows."""
        return None if self.length is None else Windows(self.length, self.stride or self.length)

    def n_labels(self, root: Path) -> int | None:
        if self.condition is None:
            return None
        n, file = self._shape(root)[0], self.file(root)
        return int(as_labels(read_labels(file), n, file.name).max()) + 1

    def outline(self, root: Path) -> DataSpec:
        if self.windows is None:
            n, *row = self._shape(root)
        else:
            n_steps, n_channels = self._shape(root) if self._is_array(root) else self._table(root, self.windows).shape
            n, row = self.windows.count(n_steps), [n_channels, self.windows.length]
        return DataSpec(shape=tuple(row), n_rows=n)

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        if self.windows is not None:
            is_array = self._is_array(root)
            series = self._array(root, scratch)[0] if is_array else self._table(root, self.windows, scratch)
            return Rows(self.windows.of(series), None)
        x, y = self._array(root, scratch)
        return Rows(x, y)

    def divided(self, n: int, n_held_out: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Windows of one long series are held out in blocks, and share no step with those that train."""
        if self.windows is None:
            return super().divided(n, n_held_out, rng)
        return self.windows.divided(n, n_held_out, rng)

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        x = Pieces(rows.x, columns=_steps)
        fitted = fit(x, x.of(training), what="channel {}", field="path")
        for i in np.flatnonzero(fitted.constant):
            raise InvalidData(f"channel {i} is {fitted.shift[i]:.9g} at all steps; leave it out", field="path")
        return DataSpec(
            shape=rows.x.shape[1:],
            n_classes=rows.n_classes,
            shift=tuple(fitted.shift.tolist()),
            scale=tuple(fitted.scale.tolist()),
        )

    def notes(self, root: Path) -> tuple[str, ...]:
        told = []
        if self.columns is not None:
            told.append(f"Channels: {', '.join(f'{i} is {name!r}' for i, name in enumerate(self.columns))}.")
        if self.windows is not None:
            told.append(
                f"Windows of {self.windows.length} steps, {self.windows.stride} apart, of one series. Those that are "
                "held out lie in blocks, and windows that share steps with them were left out of the training."
            )
        if self.channels == "last":
            told.append("The windows came with channels last; rows of requests and answers have channels first.")
        return tuple(told)

    def _is_array(self, root: Path) -> bool:
        """Whether the file holds arrays of numpy; a table where not. Raises InvalidData, Hindered."""
        file = self.file(root)
        if not file.is_file():
            raise InvalidData(f"{self.file_name!r} is not a file; give the path of a series", field="path")
        if file.suffix in (".npy", ".npz"):
            is_array = True
        elif self.path is None:
            with reading(file), opened(file) as stream:
                is_array = stream.read(8).startswith(ARRAY_STARTS)
        else:
            is_array = False
        if is_array and self.columns is not None:
            raise InvalidData("names columns of a table, and this is an array: save those of its columns",
                              field="columns")  # fmt: skip
        return is_array

    def _shape(self, root: Path) -> tuple[int, ...]:
        """Of an array: (N, C, L), that of all windows, or (T, C), that of one long series. Raises InvalidData."""
        if not self._is_array(root):
            raise InvalidData("is missing: a table is one long series, which is cut into windows of so many steps",
                              field="length")  # fmt: skip
        file = self.file(root)
        headers = array_headers(file, self._wanted)
        check_numbers(headers["x"][1], file.name)
        if self.windows is not None:
            return shape_of_series(headers["x"][0], self.windows, file.name)
        shape = shape_of_windows(headers["x"][0], self.channels, file.name)
        if self.condition is not None:
            if "y" not in headers:
                raise InvalidData("asks for labels, but the file has no array `y`; add it", field="condition")
            check_labels(*headers["y"], shape[0], file.name)
        return shape

    def _array(self, root: Path, scratch: ScratchSpace) -> tuple[Reals, NDArray[np.int64] | None]:
        """An array of that shape, and the labels beside its windows, where they are asked for. Raises InvalidData."""
        shape, file = self._shape(root), self.file(root)
        arrays = read_arrays(file, self._wanted, scratch)
        x = arrays["x"]
        x = np.moveaxis(x, 2, 1) if x.ndim == 3 and self.channels == "last" else x.reshape(shape)
        x = as_rows(x, file.name, scratch)
        y = as_labels(arrays["y"], shape[0], file.name) if self.condition else None
        if x.dtype != np.uint8:
            return x, y
        pieces = (x[some].astype(np.float32) for some in spans(len(x), prod(x.shape[1:])))
        return scratch.array("real_x", x.shape, np.dtype(np.float32), pieces), y

    def _table(self, root: Path, windows: Windows, scratch: ScratchSpace = IN_MEMORY) -> Reals:
        """The series, (T, C), of the columns of a table. Raises InvalidData, Hindered."""
        series = read_columns(self.file(root), self.file_name, self.columns, scratch)
        shape_of_series(series.shape, windows, self.file_name)
        return series

    @property
    def _wanted(self) -> set[str]:
        return {"x"} if self.condition is None else {"x", "y"}


def _steps(x: Reals) -> Reals:
    """All steps of windows, (N, C, L), as rows, (N * L, C)."""
    return np.moveaxis(x, 1, 2).reshape(-1, x.shape[1])
