"""What a source of data is: rows in memory, or a density in the plane.

A source says what its data are (`DataSpec`) and refuses what it cannot read, naming the field and the remedy. Where a
run asks for a condition, it also gives the condition of each row: a label, a vector, a text or some columns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.config.config import Config
from pushforward.models.data.mapped.pieces import Numbers, Pieces
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.errors import InvalidData
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.conditions import AnyCondition, Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.table import Table

Float32Array = NDArray[np.float32]

MAX_BYTES = 2**40  # of numbers that a file is decoded to
MAX_BYTES_AT_ONCE = 4 * 2**30  # of what is read into memory whatever there is, as labels are
MAX_CLASSES = 10_000
MIN_ROWS = 10


class Rows(NamedTuple):
    """A data set: arrays in memory, or in mapped files that are read when they are looked at."""

    x: NDArray[Any]  # (N, *shape), data units
    y: NDArray[np.int64] | None  # (N,) labels
    c: NDArray[Any] | None = None  # (N, V) vectors, numbers of characters, or cells, beside the rows
    origin: NDArray[Any] | None = None  # (N, *shape) what each row was made of, where the source says so
    names: tuple[str, ...] = ()  # of the labels, where the source has them
    table: Table | None = None  # the columns of which a row holds the cells
    given: Columns | None = None  # the columns of which c holds the cells

    @property
    def n_classes(self) -> int | None:
        """How many labels there are: as many as have names, else the largest plus one."""
        if self.names:
            return len(self.names)
        return None if self.y is None else int(self.y.max()) + 1

    @property
    def fingerprint(self) -> str:
        """sha256 of the rows, their shape and type, and what stands beside them."""
        digest = sha256(f"{self.x.dtype.str} {self.x.shape}".encode())
        for piece in Pieces(self.x):
            digest.update(np.ascontiguousarray(piece).data)
        for columns in (self.table, self.given):
            if columns is not None:
                digest.update(columns.model_dump_json().encode())
        for beside in (self.y, self.c):
            if beside is not None:
                for piece in Pieces(beside):
                    digest.update(np.ascontiguousarray(piece).data)
        return digest.hexdigest()

    @property
    def n_bytes(self) -> int:
        """What the rows take in memory."""
        return sum(
            prod(each.shape) * each.itemsize for each in (self.x, self.y, self.c, self.origin) if each is not None
        )

    def of(self, index: NDArray[np.int64]) -> Rows:
        """The rows with these numbers."""
        y, c, origin = (None if each is None else each[index] for each in (self.y, self.c, self.origin))
        return self._replace(x=self.x[index], y=y, c=c, origin=origin)


class Source(Config, ABC):
    """Where data come from."""

    source: str  # a Literal with a default in each final source
    condition: Literal["label"] | None = None
    """What the model is given beside each row."""

    def is_told(self, what: str) -> bool:
        """Whether the model is given this beside each row."""
        return self.condition == what

    @property
    def labels_are(self) -> str | None:
        """What a label tells, in equal words where labels mean the same; None in files, whose labels users number."""
        return f"parts of {self.source}"

    def n_labels(self, root: Path) -> int | None:
        """How many labels there are, the largest plus one; None where rows have none. Raises InvalidData.

        Of a file the labels are read, and not the rows.
        """
        outline = self.outline(root)
        return outline.condition.n_classes if isinstance(outline.condition, Labels) else outline.n_classes

    @abstractmethod
    def outline(self, root: Path) -> DataSpec:
        """What headers say of the data: how many rows there are, held out ones too, their shape, range and levels.

        Their condition too, unless how many labels there are is not known.

        Raises:
            InvalidData: early, what `rows` would refuse late; the field at fault is a path within this source.
        """

    def outline_with_reasons(self, root: Path) -> tuple[DataSpec, dict[str, str]]:
        """The outline, and why each column of a table is of its kind, by name. Raises InvalidData."""
        return self.outline(root), {}

    def pinned(self, root: Path) -> Self:
        """The same source, of which a later upload changes nothing. Raises InvalidData."""
        return self

    def reworded(self, error: InvalidData) -> InvalidData:
        """An error of reading this source, in its own words: the field at fault is one of its fields."""
        return error

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        """The kind of condition that these rows come with, if one is asked for. Raises InvalidData.

        `training`: the numbers of the rows that train, by which vectors are normalized; all where None.
        """
        if self.condition is None:
            return None
        if rows.n_classes is None:
            raise InvalidData("asks for labels, but the data have none; leave it out", field="condition")
        return Labels(n_classes=rows.n_classes, names=rows.names)

    def condition_values(self, rows: Rows) -> NDArray[Any]:
        """The condition of each row as in the source, (N, V); V = 0 where none is asked for."""
        if self.condition is None or rows.y is None:
            return np.empty((len(rows.x), 0), np.float32)
        return rows.y[:, None].astype(np.float32)


class KnowsTranslations(ABC):
    """A source whose conditions are domains, and which knows what a row is like in another one."""

    @abstractmethod
    def counterparts(self, rows: Rows, to: NDArray[Any]) -> tuple[NDArray[Any], ...]:
        """The rows as they are in the domains `to`, (N, *shape), once for each translation that is as true as others.

        to: (N, V), as `condition_values` gives them.
        """


class Finite(Source):
    """Rows that there are."""

    @abstractmethod
    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        """All rows; files are looked for under `root` only, and what is large is put into `scratch`.

        Raises InvalidData, Hindered.
        """

    def identity(self, root: Path) -> str:
        """What the rows are a function of, as far as that can be told without reading them. Raises InvalidData."""
        return self.model_dump_json()

    def divided(self, n: int, n_held_out: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """The numbers of the rows that train and of those that are held out, of n rows, at random."""
        order = rng.permutation(n)
        return order[n_held_out:], order[:n_held_out]

    @abstractmethod
    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        """What the rows are; normalized by those of these numbers, which train, or by all. Raises InvalidData."""

    def notes(self, root: Path) -> tuple[str, ...]:
        """Notes for users of the model on what was done to the rows, a sentence each."""
        return ()


class Toy(Source):
    """A density, mostly in the plane, that can be drawn from: afresh at every step, or `n` rows fixed by `seed`."""

    n: int | None = Field(None, ge=10, le=10_000_000)
    """A fixed number of rows; left out: drawn afresh at every step."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of the fixed and of the held-out rows."""

    centers: ClassVar[Float32Array | None] = None  # of its modes, where it has modes
    mode_std: ClassVar[float | None] = None  # standard deviation of a mode
    std: ClassVar[tuple[float, float]]  # of each coordinate
    mean: ClassVar[tuple[float, float]] = (0.0, 0.0)

    @property
    @abstractmethod
    def entropy_nats(self) -> float:
        """-E log p(x): the least negative log-likelihood of any model."""

    @property
    @abstractmethod
    def n_parts(self) -> int:
        """How many parts the density has; a row's label is the part it comes from."""

    @abstractmethod
    def labeled(self, n: int, rng: np.random.Generator) -> tuple[Float32Array, NDArray[np.int64]]:
        """N rows, (n, D), and the part that each comes from, (n,)."""

    def draw(self, n: int, rng: np.random.Generator) -> Float32Array:
        """N rows, (n, D)."""
        return self.labeled(n, rng)[0]

    def rows(self, n: int, rng: np.random.Generator) -> Rows:
        """N rows, with labels where a condition is asked for."""
        x, y = self.labeled(n, rng)
        return Rows(x, None if self.condition is None else y)

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        return None if self.condition is None else Labels(n_classes=self.n_parts)

    def outline(self, root: Path) -> DataSpec:
        return self.spec.model_copy(
            update={"condition": self.conditions(Rows(np.empty((0, 2)), None)), "n_rows": self.n}
        )

    @property
    def spec(self) -> DataSpec:
        """Two unbounded coordinates, normalized by the density's own mean and standard deviation."""
        return DataSpec(shape=(2,), shift=self.mean, scale=self.std)
