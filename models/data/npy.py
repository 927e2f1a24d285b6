"""Arrays of numpy: `.npy` and `.npz` files."""

from __future__ import annotations

import zipfile
from math import prod
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.conditions import AnyCondition, Vector
from models.data.files import bounded, image_spec, inside, reading
from models.data.source import MAX_CLASSES, MIN_ROWS, Finite, Floats, Rows
from models.errors import InvalidData, InvalidInput
from models.spec import DataSpec

Headers = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]  # shape and type of each array, by name

MAX_CONDITION = 1024  # numbers of a condition
MAX_RATIO = 200  # of an archive's member to its compressed size
BESIDE = {"label": "y", "vector": "c"}  # the array that holds a condition


@final
class Npy(Finite):
    """An `.npy` array of rows, or an `.npz` with `x` (rows), maybe `y` (labels) and `c` (vectors), under the data root.

    Rows are vectors (N, D), grayscale images (N, H, W) or images (N, C, H, W). Bytes are images of 256 levels;
    floats are continuous, normalized by their mean and standard deviation, bounded if `low` and `high` are given.
    """

    source: Literal["npy"] = "npy"
    path: str = Field(min_length=1, max_length=1024, pattern=r"\.np[yz]$")  # under the data root
    low: float | None = None
    high: float | None = None
    levels: int | None = Field(None, ge=2, le=65536)
    # What a model is told, `y` or `c`: wider than the labels that other sources have.
    condition: Literal["label", "vector"] | None = None  # type: ignore[assignment]

    def outline(self, root: Path) -> DataSpec:
        file = self._file(root)
        headers = _array_headers(file, {"x"} if self.condition is None else {"x", BESIDE[self.condition]})
        shape, dtype = headers["x"]
        _check_rows(shape, dtype, file.name)
        row = (1, *shape[1:]) if len(shape) == 3 else shape[1:]
        low, high, levels = self._range(dtype)
        condition = self._condition(headers)
        return DataSpec(shape=row, low=low, high=high, levels=levels, condition=condition, n_rows=shape[0])

    def rows(self, root: Path) -> Rows:
        self.outline(root)
        file = self._file(root)
        with reading(file):
            if file.suffix == ".npy":
                return Rows(_as_rows(np.load(file, allow_pickle=False), file.name), None)
            with np.load(file, allow_pickle=False) as arrays:
                x = _as_rows(arrays["x"], file.name)
                match self.condition:
                    case "label":
                        return Rows(x, _as_labels(arrays["y"], len(x), file.name))
                    case "vector":
                        return Rows(x, None, _as_vectors(arrays["c"], len(x), file.name))
                return Rows(x, None)

    def conditions(self, rows: Rows) -> AnyCondition | None:
        if self.condition != "vector":
            return super().conditions(rows)
        if rows.c is None:
            raise InvalidData("asks for vectors, but the file has no array `c`; add it", field="condition")
        c = rows.c.astype(np.float64)
        scale = np.where(c.std(0) > 1e-12, c.std(0), 1.0)
        return Vector(shift=tuple(c.mean(0)), scale=tuple(scale))

    def told(self, rows: Rows) -> Floats:
        return rows.c if self.condition == "vector" and rows.c is not None else super().told(rows)

    def spec(self, rows: Rows) -> DataSpec:
        low, high, levels = self._range(rows.x.dtype)
        if low is None or high is None:
            return _unbounded_spec(rows)
        if self.low is None:
            return image_spec(rows)
        middle, half = (low + high) / 2, (high - low) / 2
        spec = DataSpec(
            shape=rows.x.shape[1:],
            low=low,
            high=high,
            levels=levels,
            n_classes=rows.n_classes,
            shift=(middle,),
            scale=(half,),
        )
        try:
            spec.check(rows.x, on_levels=True)
        except InvalidInput as error:
            raise InvalidData(
                f"the array {error.message}; or choose low, high and levels to fit", field="low"
            ) from error
        return spec

    def _range(self, dtype: np.dtype[Any]) -> tuple[float | None, float | None, int | None]:
        """The lowest and highest value and the number of levels of data of this type. Raises InvalidData."""
        if self.low is None and self.high is None and self.levels is None:
            return (0, 255, 256) if dtype == np.uint8 else (None, None, None)
        if self.low is None or self.high is None:
            raise InvalidData("low and high come together, and levels needs both", field="low")
        if self.high <= self.low:
            raise InvalidData("must be greater than low", field="high")
        return self.low, self.high, self.levels

    def _condition(self, headers: Headers) -> AnyCondition | None:
        """The kind of condition, as far as headers tell. Raises InvalidData where it is not there."""
        if self.condition is None:
            return None
        name = BESIDE[self.condition]
        if name not in headers:
            raise InvalidData(
                f"asks for {self.condition}s, but the file has no array `{name}`; add it", field="condition"
            )
        (shape, dtype), n = headers[name], headers["x"][0][0]
        if self.condition == "label":
            _check_labels(shape, dtype, n, self.path)
            return None
        _check_vectors(shape, dtype, n, self.path)
        return Vector(shift=(0.0,) * shape[1], scale=(1.0,) * shape[1])

    def _file(self, root: Path) -> Path:
        file = inside(root, self.path)
        if not file.is_file():
            raise InvalidData(f"{self.path!r} is not a file; give the path of an .npy or .npz file", field="path")
        return file


def _array_headers(file: Path, wanted: set[str]) -> Headers:
    """Shape and type of the wanted arrays by name, `x` for that of an `.npy`; refuses what does not fit into memory."""
    with reading(file):
        if file.suffix == ".npy":
            with file.open("rb") as stream:
                header, payload = _npy_header(stream)
                return {"x": _fitting(header, file.stat().st_size - payload, file)}
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if "x" not in members:
                raise InvalidData(f"{file.name!r} has no array `x`, only {sorted(members)[:10]}", field="path")
            headers = {}
            for name in members.keys() & wanted:
                info = members[name]
                if info.file_size > MAX_RATIO * max(1, info.compress_size):
                    raise InvalidData(f"{file.name!r} is compressed {MAX_RATIO}-fold; save it plain", field="path")
                with archive.open(info) as stream:
                    header, payload = _npy_header(cast(BinaryIO, stream))
                headers[name] = _fitting(header, info.file_size - payload, file)
            return headers


def _npy_header(stream: BinaryIO) -> tuple[tuple[tuple[int, ...], np.dtype[Any]], int]:
    """Shape and type, and where the numbers begin."""
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(stream)
    return (shape, dtype), stream.tell()


def _fitting(
    header: tuple[tuple[int, ...], np.dtype[Any]], size: int, file: Path
) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """The header, if as many bytes follow as it promises, and not too many."""
    shape, dtype = header
    if dtype.hasobject:
        raise InvalidData(f"{file.name!r} holds pickled objects; save plain numbers", field="path")
    promised = prod(shape) * dtype.itemsize
    bounded(promised, file)
    if size != promised:
        raise InvalidData(f"{file.name!r} is torn: {promised} bytes promised, {size} there; save again", field="path")
    return header


def _check_rows(shape: tuple[int, ...], dtype: np.dtype[Any], name: str) -> None:
    if dtype.kind not in "fiu" or len(shape) not in (2, 3, 4) or shape[0] < MIN_ROWS or 0 in shape:
        raise InvalidData(
            f"{name!r} holds {dtype} of shape {list(shape)}; give at least {MIN_ROWS} rows of numbers: (N, D), "
            "(N, H, W) or (N, C, H, W)",
            field="path",
        )


def _as_rows(x: NDArray[Any], name: str) -> NDArray[Any]:
    if x.dtype != np.uint8:
        with np.errstate(over="ignore"):
            x = x.astype(np.float32)
        if not np.isfinite(x).all():
            raise InvalidData(f"{name!r} holds values that are no finite float32; drop or fill them", field="path")
    return x[:, None] if x.ndim == 3 else x


def _as_labels(y: NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    _check_labels(y.shape, y.dtype, n, name)
    if y.min() < 0 or y.max() >= MAX_CLASSES:
        raise _no_labels(n, name)
    return y.astype(np.int64)


def _check_labels(shape: tuple[int, ...], dtype: np.dtype[Any], n: int, name: str) -> None:
    if shape != (n,) or dtype.kind not in "iu":
        raise _no_labels(n, name)


def _no_labels(n: int, name: str) -> InvalidData:
    return InvalidData(f"`y` of {name!r} must be {n} labels 0, 1, 2, ..., below {MAX_CLASSES}", field="condition")


def _check_vectors(shape: tuple[int, ...], dtype: np.dtype[Any], n: int, name: str) -> None:
    if len(shape) != 2 or shape[0] != n or dtype.kind not in "fiu" or not 1 <= shape[1] <= MAX_CONDITION:
        raise InvalidData(f"`c` of {name!r} must be {n} vectors of up to {MAX_CONDITION} numbers", field="condition")


def _as_vectors(c: NDArray[Any], n: int, name: str) -> Floats:
    _check_vectors(c.shape, c.dtype, n, name)
    with np.errstate(over="ignore"):
        c = c.astype(np.float32)
    if not np.isfinite(c).all():
        raise InvalidData(
            f"`c` of {name!r} holds values that are no finite float32; drop or fill them", field="condition"
        )
    return c


def _unbounded_spec(rows: Rows) -> DataSpec:
    """Continuous data, normalized: vectors column by column, images as a whole."""
    x = rows.x.reshape(len(rows.x), -1).astype(np.float64)
    axis = 0 if rows.x.ndim == 2 else None
    shift, scale = np.atleast_1d(x.mean(axis)), np.atleast_1d(x.std(axis))
    scale = np.where(scale > 1e-12, scale, 1.0)
    return DataSpec(shape=rows.x.shape[1:], n_classes=rows.n_classes, shift=tuple(shift), scale=tuple(scale))
