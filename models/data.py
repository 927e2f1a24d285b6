"""Where data come from: a union, like families. Importing this module imports neither torch nor scikit-learn.

A source is a `Toy` (a density in the plane, drawn afresh at every step as a function of seed and step) or `Finite`
(rows in memory).
Every source tells what its data are (`DataSpec`) and refuses what it cannot read, naming the field and the remedy.
Toy densities know their entropy, the floor under any model's negative log-likelihood.
"""

from __future__ import annotations

import gzip
import struct
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from math import log, pi, prod, sqrt
from pathlib import Path
from typing import Annotated, Any, BinaryIO, ClassVar, Literal, NamedTuple, cast, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import InvalidData, InvalidInput
from models.family import Config
from models.spec import DataSpec

Floats = NDArray[np.float32]

MAX_BYTES = 4 * 2**30  # of the numbers in a file
MAX_RATIO = 200  # of an archive's member to its compressed size
MAX_CLASSES = 10_000
MIN_ROWS = 10


class Rows(NamedTuple):
    """A data set in memory."""

    x: NDArray[Any]  # (N, *shape), data units
    y: NDArray[np.int64] | None  # (N,) labels

    @property
    def n_classes(self) -> int | None:
        """How many labels there are: the largest and one."""
        return None if self.y is None else int(self.y.max()) + 1

    @property
    def fingerprint(self) -> str:
        """sha256 of the rows, their shape and type, and their labels."""
        digest = sha256(f"{self.x.dtype.str} {self.x.shape}".encode())
        digest.update(np.ascontiguousarray(self.x).data)
        if self.y is not None:
            digest.update(np.ascontiguousarray(self.y).data)
        return digest.hexdigest()


class Source(Config, ABC):
    """Where data come from."""

    source: str  # a Literal with a default in each final source

    def check(self, root: Path) -> None:
        """Refuse early what `rows` would refuse late. Reads headers only.

        Raises:
            InvalidData: the field at fault is a path within this source.
        """


class Finite(Source):
    """Rows in memory."""

    @abstractmethod
    def rows(self, root: Path) -> Rows:
        """All rows; files are looked for under `root` only. Raises InvalidData."""

    @abstractmethod
    def spec(self, rows: Rows) -> DataSpec:
        """What the rows are. Raises InvalidData."""


class Toy(Source):
    """A density in the plane that can be drawn from: afresh at every step, or `n` rows fixed by `seed`."""

    n: int | None = Field(None, ge=10, le=10_000_000)
    seed: int = Field(0, ge=0, lt=2**63)

    centers: ClassVar[Floats | None] = None  # of its modes, where it has modes
    spread: ClassVar[float | None] = None  # standard deviation of a mode
    std: ClassVar[tuple[float, float]]  # of each coordinate
    mean: ClassVar[tuple[float, float]] = (0.0, 0.0)

    @property
    @abstractmethod
    def entropy_nats(self) -> float:
        """-E log p(x): the floor under a model's negative log-likelihood."""

    @abstractmethod
    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        """N rows, (n, 2)."""

    @property
    def spec(self) -> DataSpec:
        """Two unbounded coordinates, normalized by the density's own mean and standard deviation."""
        return DataSpec(shape=(2,), shift=self.mean, scale=self.std)


@final
class TwoMoons(Toy):
    """Two interleaved half circles with Gaussian noise."""

    source: Literal["two_moons"] = "two_moons"
    noise: float = Field(0.1, ge=0.02, le=0.5)

    mean = (0.5, 0.25)
    std = (0.87, 0.5)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        angle = rng.uniform(0.0, pi, n)
        lower = rng.random(n) < 0.5
        x = np.where(lower, 1.0 - np.cos(angle), np.cos(angle))
        y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
        return (np.stack([x, y], axis=1) + self.noise * rng.standard_normal((n, 2))).astype(np.float32)

    @property
    def entropy_nats(self) -> float:
        # The density is an integral over the arc; both it and the entropy by quadrature, on a grid of step noise / 4.
        h = self.noise / 4
        margin = 6 * self.noise
        x, y = np.arange(-1 - margin, 2 + margin, h), np.arange(-0.5 - margin, 1 + margin, h)
        angle = (np.arange(2000) + 0.5) * pi / 2000
        density = np.zeros((len(x), len(y)))
        for cx, cy in ((np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 0.5 - np.sin(angle))):
            px = np.exp(-0.5 * ((x[:, None] - cx) / self.noise) ** 2)
            py = np.exp(-0.5 * ((y[:, None] - cy) / self.noise) ** 2)
            density += px @ py.T / (2 * len(angle)) / (2 * pi * self.noise**2)
        return float(-np.sum(density * np.log(density + 1e-300)) * h * h)


class Mixture(Toy):
    """Equal, round, well separated Gaussians."""

    centers: ClassVar[Floats]
    spread: ClassVar[float]

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        center = self.centers[rng.integers(len(self.centers), size=n)]
        return (center + self.spread * rng.standard_normal((n, 2))).astype(np.float32)

    @property
    def entropy_nats(self) -> float:
        # H = E over one component (all are alike up to rotation where they overlap at all), by Gauss-Hermite.
        node, weight = np.polynomial.hermite_e.hermegauss(60)
        weight = weight / weight.sum()
        total = 0.0
        for center in self.centers.astype(float):
            at = center + self.spread * np.stack(np.meshgrid(node, node, indexing="ij"), axis=-1)
            square = ((at[:, :, None] - self.centers) ** 2).sum(-1) / (2 * self.spread**2)
            log_density = np.log(np.exp(-square).sum(-1)) - log(len(self.centers) * 2 * pi * self.spread**2)
            total -= float(weight @ log_density @ weight) / len(self.centers)
        return total


@final
class EightGaussians(Mixture):
    """Eight Gaussians on a circle: radius 4, standard deviation 0.5, all divided by sqrt(2)."""

    source: Literal["eight_gaussians"] = "eight_gaussians"

    centers = (4 / sqrt(2) * np.stack([np.cos(np.arange(8) * pi / 4), np.sin(np.arange(8) * pi / 4)], 1)).astype(
        np.float32
    )
    spread = 0.5 / sqrt(2)
    std = (2.03, 2.03)


@final
class GridGaussians(Mixture):
    """Twenty-five Gaussians on the grid {-4, -2, 0, 2, 4}^2, standard deviation 0.05."""

    source: Literal["grid_gaussians"] = "grid_gaussians"

    centers = np.stack(np.meshgrid(np.arange(-4, 5, 2), np.arange(-4, 5, 2)), -1).reshape(-1, 2).astype(np.float32)
    spread = 0.05
    std = (2.83, 2.83)


@final
class Checkerboard(Toy):
    """Uniform on the eight dark 2x2 squares of a 4x4 board over [-4, 4]^2."""

    source: Literal["checkerboard"] = "checkerboard"

    std = (2.31, 2.31)

    def draw(self, n: int, rng: np.random.Generator) -> Floats:
        column, row = rng.integers(4, size=n), rng.integers(2, size=n)
        corner = np.stack([column, 2 * row + column % 2], axis=1)
        return (2.0 * (corner + rng.random((n, 2))) - 4.0).astype(np.float32)

    @property
    def entropy_nats(self) -> float:
        return log(32.0)


@final
class Digits(Finite):
    """1,797 handwritten digits of scikit-learn: 8x8, 17 levels 0..16, labels.

    References:
        | Optical Recognition of Handwritten Digits (Alpaydin & Kaynak, 1998), UCI, doi:10.24432/C50P49
    """

    source: Literal["digits"] = "digits"

    def rows(self, root: Path) -> Rows:
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Rows(digits.images[:, None].astype(np.uint8), digits.target.astype(np.int64))

    def spec(self, rows: Rows) -> DataSpec:
        return DataSpec(shape=(1, 8, 8), low=0, high=16, levels=17, n_classes=10, shift=(8.0,), scale=(8.0,))


def _inside(root: Path, path: str) -> Path:
    """The path, if it exists under the data root, symbolic links followed."""
    try:
        full = (root / path).resolve()
        inside = not Path(path).is_absolute() and full.is_relative_to(root.resolve())
        exists = inside and full.exists()
    except (OSError, ValueError, RuntimeError) as error:  # too long, a null byte, links in a circle
        raise InvalidData(f"{path!r} is not a path: {error}", field="path") from error
    if not inside:
        raise InvalidData(f"{path!r} leads out of the data root; give a path relative to it", field="path")
    if not exists:
        raise InvalidData(f"there is no {path!r} under the data root", field="path")
    return full


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """Files are hostile: whatever their parsers raise means that the file cannot be read."""
    try:
        yield
    except InvalidData:
        raise
    except Exception as error:
        raise InvalidData(f"{file.name!r} cannot be read: {error}; write it again", field="path") from error


def _bounded(n_bytes: int, file: Path) -> None:
    if n_bytes > MAX_BYTES:
        raise InvalidData(
            f"{file.name!r} promises {n_bytes} bytes of numbers; give at most {MAX_BYTES}, fewer rows",
            field="path",
        )


@final
class Idx(Finite):
    """A folder of IDX files as MNIST and Fashion-MNIST come: `train-images-idx3-ubyte[.gz]` and labels beside it."""

    source: Literal["idx"] = "idx"
    path: str = Field(min_length=1, max_length=1024)  # under the data root

    def check(self, root: Path) -> None:
        _idx_header(self._images(root), dims=3)

    def rows(self, root: Path) -> Rows:
        images = _read_idx(self._images(root), dims=3)
        file = self._find(root, "labels-idx1-ubyte")
        labels = None if file is None else _read_idx(file, dims=1).astype(np.int64)
        if labels is not None and len(labels) != len(images):
            raise InvalidData(f"{self.path!r} holds {len(images)} images but {len(labels)} labels", field="path")
        return Rows(images[:, None], labels)

    def spec(self, rows: Rows) -> DataSpec:
        return _image_spec(rows)

    def _images(self, root: Path) -> Path:
        file = self._find(root, "images-idx3-ubyte")
        if file is None:
            raise InvalidData(f"there is no train-images-idx3-ubyte[.gz] in {self.path!r}; put it there", field="path")
        return file

    def _find(self, root: Path, kind: str) -> Path | None:
        folder = _inside(root, self.path)
        names = (f"train-{kind}", f"train-{kind}.gz")
        found = (_inside(root, f"{self.path}/{name}") for name in names if (folder / name).is_file())
        return next(found, None)


def _open_idx(file: Path) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file)) if file.suffix == ".gz" else file.open("rb")


def _idx_header(file: Path, *, dims: int) -> tuple[int, ...]:
    """The shape an IDX file of unsigned bytes promises."""
    with _reading(file), _open_idx(file) as stream:
        header = stream.read(4 + 4 * dims)
    if header[:4] != bytes([0, 0, 8, dims]) or len(header) != 4 + 4 * dims:
        raise InvalidData(f"{file.name!r} is not an IDX file of bytes with {dims} dimensions", field="path")
    shape = struct.unpack(f">{dims}I", header[4:])
    _bounded(prod(shape), file)
    if shape[0] < MIN_ROWS or 0 in shape:
        raise InvalidData(f"{file.name!r} has shape {list(shape)}; give at least {MIN_ROWS} rows", field="path")
    return shape


def _read_idx(file: Path, *, dims: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes."""
    shape = _idx_header(file, dims=dims)
    size = prod(shape)
    with _reading(file), _open_idx(file) as stream:
        stream.read(4 + 4 * dims)
        payload = stream.read(size + 1)
    if len(payload) != size:
        raise InvalidData(f"{file.name!r} is torn: its header promises {size} bytes; copy it again", field="path")
    return np.frombuffer(payload, np.uint8).reshape(shape)


@final
class Npy(Finite):
    """An `.npy` array of rows, or an `.npz` with `x` (rows) and maybe `y` (labels), under the data root.

    Rows are vectors (N, D), grayscale images (N, H, W) or images (N, C, H, W). Bytes are images of 256 levels;
    floats are continuous, normalized by their mean and standard deviation, bounded if `low` and `high` are given.
    """

    source: Literal["npy"] = "npy"
    path: str = Field(min_length=1, max_length=1024, pattern=r"\.np[yz]$")  # under the data root
    low: float | None = None
    high: float | None = None
    levels: int | None = Field(None, ge=2, le=65536)

    def check(self, root: Path) -> None:
        file = self._file(root)
        for name, (shape, dtype) in _array_headers(file).items():
            if name == "x":
                _check_rows(shape, dtype, file.name)

    def rows(self, root: Path) -> Rows:
        self.check(root)
        file = self._file(root)
        with _reading(file):
            if file.suffix == ".npy":
                return Rows(_as_rows(np.load(file, allow_pickle=False), file.name), None)
            with np.load(file, allow_pickle=False) as arrays:
                x = _as_rows(arrays["x"], file.name)
                return Rows(x, _as_labels(arrays["y"], len(x), file.name) if "y" in arrays.files else None)

    def spec(self, rows: Rows) -> DataSpec:
        if self.low is None and self.high is None and self.levels is None:
            return _image_spec(rows) if rows.x.dtype == np.uint8 else _unbounded_spec(rows)
        if self.low is None or self.high is None:
            raise InvalidData("low and high come together, and levels needs both", field="low")
        if self.high <= self.low:
            raise InvalidData("must be greater than low", field="high")
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        spec = DataSpec(
            shape=rows.x.shape[1:],
            low=self.low,
            high=self.high,
            levels=self.levels,
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

    def _file(self, root: Path) -> Path:
        file = _inside(root, self.path)
        if not file.is_file():
            raise InvalidData(f"{self.path!r} is not a file; give the path of an .npy or .npz file", field="path")
        return file


def _array_headers(file: Path) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """Shape and type of each array by name, `x` for that of an `.npy`; refuses what would not fit into memory."""
    with _reading(file):
        if file.suffix == ".npy":
            with file.open("rb") as stream:
                header, payload = _npy_header(stream)
                return {"x": _fitting(header, file.stat().st_size - payload, file)}
        with zipfile.ZipFile(file) as archive:
            members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
            if "x" not in members:
                raise InvalidData(f"{file.name!r} has no array `x`, only {sorted(members)[:10]}", field="path")
            headers = {}
            for name in members.keys() & {"x", "y"}:
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
    _bounded(promised, file)
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
    if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < 0 or y.max() >= MAX_CLASSES:
        raise InvalidData(f"`y` of {name!r} must be {n} labels 0, 1, 2, ..., below {MAX_CLASSES}", field="path")
    return y.astype(np.int64)


def _unbounded_spec(rows: Rows) -> DataSpec:
    """Continuous data, normalized: vectors column by column, images as a whole."""
    x = rows.x.reshape(len(rows.x), -1).astype(np.float64)
    axis = 0 if rows.x.ndim == 2 else None
    shift, scale = np.atleast_1d(x.mean(axis)), np.atleast_1d(x.std(axis))
    scale = np.where(scale > 1e-12, scale, 1.0)
    return DataSpec(shape=rows.x.shape[1:], n_classes=rows.n_classes, shift=tuple(shift), scale=tuple(scale))


def _image_spec(rows: Rows) -> DataSpec:
    """Bytes."""
    shape = rows.x.shape[1:]
    return DataSpec(shape=shape, low=0, high=255, levels=256, n_classes=rows.n_classes, shift=(127.5,), scale=(127.5,))


AnyData = Annotated[
    TwoMoons | EightGaussians | GridGaussians | Checkerboard | Digits | Idx | Npy, Field(discriminator="source")
]
