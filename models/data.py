"""Where data come from: a union, like families. Importing this module imports neither torch nor scikit-learn.

A source is `Endless` (sampled afresh at every step, a pure function of seed and step) or `Finite` (rows in memory).
Every source tells what its data are (`DataSpec`) and refuses what it cannot read, naming the field and the remedy.
Toy densities know their entropy, the floor under any model's negative log-likelihood.
"""

from __future__ import annotations

import gzip
import zipfile
from abc import ABC, abstractmethod
from hashlib import sha256
from math import log, pi, sqrt
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from models.errors import InvalidData
from models.family import Config
from models.spec import DataSpec

Floats = NDArray[np.float32]


class Rows(NamedTuple):
    """A data set in memory."""

    x: NDArray[Any]  # (N, *shape), data units
    y: NDArray[np.int64] | None  # (N,) labels

    @property
    def fingerprint(self) -> str:
        """sha256 of the rows and their labels."""
        digest = sha256(np.ascontiguousarray(self.x).data)
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
    """The path, if it exists under the data root."""
    full = (root / path).resolve()
    if Path(path).is_absolute() or not full.is_relative_to(root.resolve()):
        raise InvalidData(f"{path!r} leads out of the data root; give a path relative to it", field="path")
    if not full.exists():
        raise InvalidData(f"there is no {path!r} under the data root", field="path")
    return full


@final
class Idx(Finite):
    """A folder of IDX files as MNIST and Fashion-MNIST come: `train-images-idx3-ubyte[.gz]` and labels beside it."""

    source: Literal["idx"] = "idx"
    path: str = Field(min_length=1, max_length=1024)  # under the data root

    def check(self, root: Path) -> None:
        self._find(root, "images-idx3-ubyte")

    def rows(self, root: Path) -> Rows:
        images = _read_idx(self._find(root, "images-idx3-ubyte"), dims=3)
        try:
            labels = _read_idx(self._find(root, "labels-idx1-ubyte"), dims=1).astype(np.int64)
        except FileNotFoundError:
            labels = None
        if labels is not None and len(labels) != len(images):
            raise InvalidData(f"{self.path!r} holds {len(images)} images but {len(labels)} labels", field="path")
        return Rows(images[:, None], labels)

    def spec(self, rows: Rows) -> DataSpec:
        return _image_spec(rows)

    def _find(self, root: Path, kind: str) -> Path:
        folder = _inside(root, self.path)
        for name in (f"train-{kind}", f"train-{kind}.gz"):
            if (folder / name).is_file():
                return folder / name
        if kind.startswith("labels"):
            raise FileNotFoundError(kind)
        raise InvalidData(f"there is no train-{kind} or train-{kind}.gz in {self.path!r}", field="path")


def _read_idx(file: Path, *, dims: int) -> NDArray[np.uint8]:
    """An IDX file of unsigned bytes."""
    try:
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            magic = stream.read(4)
            if magic != bytes([0, 0, 8, dims]):
                raise InvalidData(f"{file.name!r} is not an IDX file of bytes with {dims} dimensions", field="path")
            shape = np.frombuffer(stream.read(4 * dims), ">u4").astype(int)
            size = int(np.prod(shape))
            payload = stream.read(size + 1)
    except (OSError, EOFError, ValueError) as error:
        raise InvalidData(f"{file.name!r} cannot be read: {error}", field="path") from error
    if len(payload) != size or size == 0:
        raise InvalidData(f"{file.name!r} is torn: its header promises {size} bytes", field="path")
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
        self._load(root, mmap=True)

    def rows(self, root: Path) -> Rows:
        return self._load(root, mmap=False)

    def spec(self, rows: Rows) -> DataSpec:
        if rows.x.dtype == np.uint8 and self.low is None:
            return _image_spec(rows)
        x = rows.x.reshape(len(rows.x), -1).astype(np.float64)
        n_classes = None if rows.y is None else int(rows.y.max()) + 1
        shape = rows.x.shape[1:]
        if self.low is not None and self.high is not None:
            if self.high <= self.low:
                raise InvalidData("must be greater than low", field="high")
            if x.min() < self.low or x.max() > self.high:
                raise InvalidData(f"the data lie in [{x.min():g}, {x.max():g}], beyond low and high", field="low")
            middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
            return DataSpec(shape=shape, low=self.low, high=self.high, levels=self.levels, n_classes=n_classes,
                            shift=(middle,), scale=(half,))  # fmt: skip
        if self.low is not None or self.high is not None or self.levels is not None:
            raise InvalidData("low and high come together, and levels needs both", field="low")
        per_column = len(shape) == 1
        shift = x.mean(0) if per_column else x.mean(keepdims=True)[0]
        scale = x.std(0) if per_column else x.std(keepdims=True)[0]
        scale = np.where(scale > 1e-12, scale, 1.0)
        return DataSpec(shape=shape, n_classes=n_classes, shift=tuple(shift.ravel()), scale=tuple(scale.ravel()))

    def _load(self, root: Path, *, mmap: bool) -> Rows:
        file = _inside(root, self.path)
        try:
            loaded = np.load(file, mmap_mode="r" if mmap else None, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return Rows(_as_rows(loaded, file.name, finite=not mmap), None)
            with loaded:
                if "x" not in loaded.files:
                    raise InvalidData(f"{file.name!r} has no array `x`, only {loaded.files}", field="path")
                x = _as_rows(loaded["x"], file.name, finite=not mmap)
                y = _as_labels(loaded["y"], len(x), file.name) if "y" in loaded.files else None
                return Rows(x, y)
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InvalidData(f"{file.name!r} is not a readable array: {error}", field="path") from error


def _as_rows(x: NDArray[Any], name: str, *, finite: bool) -> NDArray[Any]:
    if x.dtype.kind not in "fiu" or x.ndim not in (2, 3, 4) or len(x) < 10 or 0 in x.shape:
        raise InvalidData(
            f"{name!r} holds {x.dtype} of shape {list(x.shape)}; give at least 10 rows of numbers: (N, D), (N, H, W) "
            "or (N, C, H, W)",
            field="path",
        )
    if finite and not np.isfinite(x).all():
        raise InvalidData(f"{name!r} holds NaN or infinite values; every value must be finite", field="path")
    if x.ndim == 3:
        x = x[:, None]
    return x if x.dtype == np.uint8 else x.astype(np.float32)


def _as_labels(y: NDArray[Any], n: int, name: str) -> NDArray[np.int64]:
    if y.shape != (n,) or y.dtype.kind not in "iu" or y.min() < 0:
        raise InvalidData(f"`y` of {name!r} must be {n} labels 0, 1, 2, ...", field="path")
    return y.astype(np.int64)


def _image_spec(rows: Rows) -> DataSpec:
    n_classes = None if rows.y is None else int(rows.y.max()) + 1
    return DataSpec(shape=rows.x.shape[1:], low=0, high=255, levels=256, n_classes=n_classes, shift=(127.5,),
                    scale=(127.5,))  # fmt: skip


AnyData = Annotated[
    TwoMoons | EightGaussians | GridGaussians | Checkerboard | Digits | Idx | Npy, Field(discriminator="source")
]
