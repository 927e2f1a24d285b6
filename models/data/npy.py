"""Arrays of numpy: `.npy` and `.npz` files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.arrays import as_labels, as_rows, as_vectors, check_labels, check_rows, check_vectors
from pushforward.models.data.containers import array_headers, read_arrays, read_labels
from pushforward.models.data.files import image_spec
from pushforward.models.data.fitting import LARGEST, SMALLEST, fit, fit_counts
from pushforward.models.data.layout import Channels, note_of_transpose, row_shape, rows_first
from pushforward.models.data.mapped.pieces import Numbers, Pieces, as_one_column, spans
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Rows
from pushforward.models.data.uploads.from_file import FromFile
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.spec.conditions import AnyCondition, Vector
from pushforward.models.spec.data_spec import DataSpec

Headers = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # shape and type of each array, by name

BESIDE = {"label": "y", "vector": "c"}  # the array that holds a condition
MAX_LEVELS = 65536
PATH_PATTERN = r"\.np[yz]$"
PATH_FORM = "must end in .npy or .npz; to convert a csv: numpy.save('x.npy', numpy.loadtxt('x.csv', delimiter=','))"


@final
class Npy(FromFile):
    """An `.npy` array of rows, or an `.npz` with `x` (rows), maybe `y` (labels) and `c` (vectors), under the data root.

    Rows are vectors (N, D), grayscale images (N, H, W) or images (N, C, H, W). Images (N, H, W, C) are transposed
    where their shape tells that they are such; `channels` says where it does not, and that there are more than 4.
    Bytes are images of 256 levels; other numbers are continuous, normalized by the mean and the standard deviation of
    the training rows, bounded if `low` and `high` are given. With `counts` they are whole numbers from 0.
    """

    source: Literal["npy"] = "npy"
    path: str | None = Field(None, min_length=1, max_length=1024, pattern=PATH_PATTERN)
    """An .npy or .npz file, relative to the data root; or give `dataset`."""
    low: float | None = None
    """Lower end of the data's range; with `high`."""
    high: float | None = None
    """Upper end of the data's range; with `low`."""
    levels: int | None = Field(None, ge=2, le=MAX_LEVELS)
    """How many equally spaced values the data take from `low` to `high`; left out: continuous."""
    counts: bool = False
    """Whether the data are counts: whole numbers from 0, of which networks see log(1 + x)."""
    channels: Channels | None = None
    """Of images: whether channels are the first or the last axis of a row; left out: told by the shape."""
    # `y` or `c`: other sources have labels only.
    condition: Literal["label", "vector"] | None = None  # type: ignore[assignment]
    """What the model is given beside each row: the label `y`, or the vector `c`, of an .npz file."""

    media_types: ClassVar[tuple[str, ...]] = ("application/x-npy", "application/x-npz")

    @property
    def labels_are(self) -> None:
        return None

    def n_labels(self, root: Path) -> int | None:
        if self.condition != "label":
            return None
        file, headers = self._headers(root)
        self._condition(headers)
        return int(as_labels(read_labels(file), headers["x"][0][0], file.name).max()) + 1

    def outline(self, root: Path) -> DataSpec:
        _, headers = self._headers(root)
        shape, dtype = headers["x"]
        row = row_shape(shape, self.channels)
        low, high, levels = self._range(dtype)
        condition = self._condition(headers)
        n, counts = shape[0], self.counts
        return DataSpec(shape=row, low=low, high=high, levels=levels, counts=counts, condition=condition, n_rows=n)

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        file, headers = self._headers(root)
        self._range(headers["x"][1])
        self._condition(headers)
        arrays = read_arrays(file, self._wanted, scratch)
        x = as_rows(arrays["x"], file.name, scratch, partial(rows_first, channels=self.channels))
        match self.condition:
            case "label":
                return Rows(x, as_labels(arrays["y"], len(x), file.name))
            case "vector":
                return Rows(x, None, as_vectors(arrays["c"], len(x), file.name, scratch))
        return Rows(x, None)

    @property
    def _wanted(self) -> set[str]:
        return {"x"} if self.condition is None else {"x", BESIDE[self.condition]}

    def notes(self, root: Path) -> tuple[str, ...]:
        shape, _ = self._headers(root)[1]["x"]
        return note_of_transpose(shape, self.channels)

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        if self.condition != "vector":
            return super().conditions(rows)
        if rows.c is None:
            raise InvalidData("asks for vectors, but the file has no array `c`; add it", field="condition")
        c = Pieces(rows.c)
        fitted = fit(c, c.of(training), what="`c` cannot be used: its column {}", field="condition")
        # A constant has no standard deviation: its magnitude takes the place, so that units do not matter.
        scale = np.where(fitted.constant, np.where(fitted.shift == 0, 1.0, np.abs(fitted.shift)), fitted.scale)
        return Vector(shift=tuple(fitted.shift.tolist()), scale=tuple(scale.tolist()))

    def condition_values(self, rows: Rows) -> NDArray[Any]:
        return rows.c if self.condition == "vector" and rows.c is not None else super().condition_values(rows)

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        low, high, _ = self._range(rows.x.dtype)
        if self.counts:
            return self._counted(rows, training)
        if low is None or high is None:
            return self._fitted(rows, training)
        if self.low is None:
            return image_spec(rows)
        return self._bounded(rows, low, high)

    def _bounded(self, rows: Rows, low: float, high: float) -> DataSpec:
        constants: tuple[tuple[int, float], ...] = ()
        if self.levels is None and rows.x.ndim == 2:
            x = Pieces(rows.x)
            constants = fit(x, x, what="column {}", field="path").constants
            _refuse_constant(len(constants), rows.x.shape[1])
        spec = DataSpec(
            shape=rows.x.shape[1:],
            low=low,
            high=high,
            levels=self.levels,
            n_classes=rows.n_classes,
            shift=((low + high) / 2,),
            scale=((high - low) / 2,),
            constants=constants,
            whole=None if self.levels is not None else _whole(rows.x),
        )
        try:
            _check(spec, rows.x)
        except InvalidInput as error:
            raise InvalidData(
                f"the array {error.message}; or choose low, high and levels to fit", field="low"
            ) from error
        return spec

    def _fitted(self, rows: Rows, training: Numbers | None) -> DataSpec:
        """Continuous data, normalized: vectors column by column, images as a whole."""
        x = _columns(rows.x)
        fitted = fit(x, x.of(training), what="column {}" if rows.x.ndim == 2 else "the array", field="path")
        _refuse_constant(int(fitted.constant.sum()), len(fitted.constant))
        return DataSpec(
            shape=rows.x.shape[1:],
            n_classes=rows.n_classes,
            shift=tuple(fitted.shift.tolist()),
            scale=tuple(fitted.scale.tolist()),
            constants=fitted.constants,
            whole=_whole(rows.x),
        )

    def _counted(self, rows: Rows, training: Numbers | None) -> DataSpec:
        """Counts, whose log(1 + x) is normalized as continuous data are."""
        counted = DataSpec(shape=rows.x.shape[1:], n_classes=rows.n_classes, counts=True)
        try:
            _check(counted, rows.x)
        except InvalidInput as error:
            raise InvalidData(f"the array {error.message}, or leave out counts", field="counts") from error
        x = _columns(rows.x)
        found = fit_counts(x, x.of(training))
        _refuse_constant(int(found.constant.sum()), len(found.constant))
        shift, scale = tuple(found.shift.tolist()), tuple(found.scale.tolist())
        constants = tuple((i, float(round(np.expm1(value)))) for i, value in found.constants)
        return counted.model_copy(update={"shift": shift, "scale": scale, "constants": constants})

    def _range(self, dtype: np.dtype[Any]) -> tuple[float | None, float | None, int | None]:
        """The lowest and highest value and the number of levels of data of this type. Raises InvalidData."""
        if self.counts:
            if (self.low, self.high, self.levels) != (None, None, None):
                raise InvalidData("have no low, high and levels; leave these out, or counts", field="counts")
            return None, None, None
        if self.low is None and self.high is None and self.levels is None:
            return (0, 255, 256) if dtype == np.uint8 else (None, None, None)
        if self.low is None or self.high is None:
            raise InvalidData("low and high come together, and levels needs both", field="low")
        if self.high <= self.low:
            raise InvalidData("must be greater than low", field="high")
        for name, end in (("low", self.low), ("high", self.high)):
            if not abs(end) <= LARGEST:
                raise InvalidData(f"must be within {LARGEST:g} of 0; divide the data", field=name)
        if self.high - self.low < SMALLEST:
            raise InvalidData(f"must be at least {SMALLEST:g} greater than low; multiply the data", field="high")
        return self.low, self.high, self.levels

    def _condition(self, headers: Headers) -> AnyCondition | None:
        """The kind of condition, as far as headers say. Raises InvalidData where there is none."""
        if self.condition is None:
            return None
        array = BESIDE[self.condition]
        if array not in headers:
            raise InvalidData(
                f"asks for {self.condition}s, but the file has no array `{array}`; add it", field="condition"
            )
        (shape, dtype), n = headers[array], headers["x"][0][0]
        if self.condition == "label":
            check_labels(shape, dtype, n, self.file_name)
            return None
        check_vectors(shape, dtype, n, self.file_name)
        return Vector(shift=(0.0,) * shape[1], scale=(1.0,) * shape[1])

    def _headers(self, root: Path) -> tuple[Path, Headers]:
        """The file, and what its headers say. Raises InvalidData."""
        file = self.file(root)
        if not file.is_file():
            raise InvalidData(f"{self.file_name!r} is not a file; give the path of an .npy or .npz file", field="path")
        headers = array_headers(file, self._wanted)
        check_rows(*headers["x"], file.name)
        return file, headers


def _columns(x: NDArray[Any]) -> Pieces:
    """The columns of vectors; the numbers of images are one."""
    return Pieces(x) if x.ndim == 2 else Pieces(x, columns=as_one_column)


def _check(spec: DataSpec, x: NDArray[Any]) -> None:
    """Raises InvalidInput."""
    for some in spans(len(x), spec.size):
        spec.check(x[some], on_levels=True, first_row=some.start)


def _whole(x: NDArray[Any]) -> tuple[float, float] | None:
    """The least and the greatest of whole numbers that are few enough to be levels."""
    pieces = Pieces(x, columns=as_one_column)
    low, high = (float(each[0]) for each in pieces.range())
    if not (low.is_integer() and high.is_integer() and 1 <= high - low < MAX_LEVELS):
        return None
    return (low, high) if x.dtype.kind in "iu" or all((each == np.round(each)).all() for each in pieces) else None


def _refuse_constant(n_constant: int, n_columns: int) -> None:
    if n_constant == n_columns:
        raise InvalidData("holds the same numbers in every row, so there is nothing to learn; give rows that vary",
                          field="path")  # fmt: skip
