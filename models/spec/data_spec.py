"""What data are: shape, range, levels, labels and the units that networks see.

Data live in their own units everywhere outside a family's mathematics: digits are 0..16, 8-bit images 0..255, a
table's columns whatever they are. A family maps them to network units by the affine `normalize`; its log-density
in data units is the one in network units plus `log_jacobian`.

An element that is the same in all rows has no density. Networks never see such constants: they know data by `varying`,
the spec without them; `drop_constants` and `restore_constants` lead from users' rows to networks' rows and back.

Example:
    >>> import torch
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> spec = DataSpec(shape=(2,), shift=(10.0, 0.0), scale=(2.0, 1.0))
    >>> spec.normalize(torch.tensor([[14.0, 1.0]]))
    tensor([[2., 1.]])
    >>> round(spec.log_jacobian, 3)  # -log 2
    -0.693
"""

from __future__ import annotations

from functools import cached_property
from math import inf, isfinite
from typing import TYPE_CHECKING, Self, final

import numpy as np
from pydantic import model_validator

from pushforward.models.lazy import torch
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.conditions import AnyCondition
from pushforward.models.spec.precision import Held, held_in
from pushforward.models.spec.row_checks import check_rows
from pushforward.models.spec.units import MAX_COUNT, Shape, Units
from pushforward.models.tables.split import SplitTable
from pushforward.models.tables.table import Table

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LENGTHS",
    "MAX_COUNT",
    "SIDES",
    "DataSpec",
    "Shape",
]

SIDES = range(5, 65)  # of images that convolutions take
LENGTHS = range(8, 1025)  # of series
IMAGE_CHANNELS = (1, 3, 4)  # gray, color, color and opacity


@final
class DataSpec(Units):
    """The kind of data a model was trained on.

    Attributes:
        shape, low, high, levels, counts, shift, scale: as `Units` tells.
        n_classes: how many labels there are, or None.
        condition: what a model is told beside each row, or None.
        n_rows: how many rows train it, or None where they are drawn afresh.
        constants: elements of a vector that are the same in all rows, and their values.
        whole: the least and the greatest value of data without levels that are whole numbers.
        table: the columns of which a row holds the cells, or None for other data.
    """

    n_classes: int | None = None
    """How many labels the data have."""
    condition: AnyCondition | None = None
    """What the model is given beside each row."""
    n_rows: int | None = None
    """Training rows; null where they are drawn afresh."""
    constants: tuple[tuple[int, float], ...] = ()
    """Elements of a vector that are the same in all rows, and their values: networks do not see them."""
    whole: tuple[float, float] | None = None
    """Least and greatest value of whole numbers that are modelled as continuous."""
    table: Table | None = None
    """Columns of a table: a row holds a cell of each, as a number."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.shape:
            raise ValueError("shape has at least one axis; a row of one number is (1,)")
        for name, values in (("shift", self.shift), ("scale", self.scale)):
            if len(values) not in (1, self.shape[0], self.size) or not all(map(isfinite, values)):
                raise ValueError(f"{name} takes one finite number, or one for each of the {self.size} elements, or of "
                                 f"the {self.shape[0]} channels")  # fmt: skip
        if min(self.scale) <= 0:
            raise ValueError("scale must be positive")
        if (self.low is None) != (self.high is None):
            raise ValueError("low and high come together")
        if self.low is not None and self.high is not None and not -inf < self.low < self.high < inf:
            raise ValueError("low and high are finite, and low is below high")
        if self.levels is not None and (self.low is None or self.levels < 2):
            raise ValueError("levels needs low and high, and at least 2 of them")
        if self.counts and (self.low is not None or self.table is not None):
            raise ValueError("counts have no low, high and levels, and are no table")
        if self.constants:
            self._check_constants()
        if self.table is not None and self.shape != (self.table.n_cells,):
            raise ValueError(f"a row of this table has {self.table.n_cells} cells")
        return self

    @cached_property
    def split(self) -> SplitTable | None:
        """The columns of a table that are given and those that are modelled; None where all are modelled."""
        if self.table is None or not isinstance(self.condition, Columns):
            return None
        return SplitTable(self.table, self.condition.table, self.condition.places)

    @property
    def file_table(self) -> Table | None:
        """All columns of a table, given ones too, in the order of the file."""
        return self.table if self.split is None else self.split.whole

    @property
    def condition_size(self) -> int:
        """The number of elements of a condition as networks see it, C; 0 without."""
        return 0 if self.condition is None else self.condition.size

    @property
    def is_image(self) -> bool:
        """Whether a row is (channels, height, width) with 1, 3 or 4 channels."""
        return len(self.shape) == 3 and self.shape[0] in IMAGE_CHANNELS

    @property
    def is_series(self) -> bool:
        """Whether a row is (channels, length): numbers at steps of time."""
        return len(self.shape) == 2

    @cached_property
    def dtype(self) -> Held:
        """The type that data units are held in: float32 where it tells rows apart finely enough, else float64."""
        if self.table is not None:
            return "float64"
        if self.counts:
            return "float32"
        kept = self.varying
        held = held_in(kept.shift, kept.scale, (value for _, value in self.constants))
        if held == "float32" and self.levels is not None and self.low is not None and self.high is not None:
            largest = max(abs(self.low), abs(self.high))  # a 64th of the distance between levels is resolved
            return "float32" if 2.0**-24 * largest <= self.bin_width / 64 else "float64"
        return held

    @property
    def log_jacobian(self) -> float:
        """Log |d normalize(x) / dx| of a row, in nats; constants have no part in it."""
        return self.varying.log_jacobian if self.constants else super().log_jacobian

    def is_finite(self, x: np.ndarray) -> bool:
        """Whether all numbers of rows are finite, but for missing cells of a table."""
        return bool(np.isfinite(x).all() if self.table is None else not np.isinf(x).any())

    def check(self, x: np.ndarray, *, field: str = "x", on_levels: bool = False, first_row: int = 0) -> None:
        """Refuse rows that are not of this kind.

        Arguments:
            x: rows, (n, *shape).
            field: the name the refusal gives the array.
            on_levels: whether values between levels are refused too.
            first_row: what the first of these rows is called in a refusal.

        Raises:
            InvalidInput: naming the field and the remedy.
        """
        if self.table is None:
            check_rows(self, x, self.constants, field=field, on_levels=on_levels, first_row=first_row)
        else:
            self.table.check(x, field=field)

    @property
    def coded(self) -> DataSpec:
        """A table's rows as networks see them (`models.tables.coding`)."""
        if self.table is None:
            return self
        return self.model_copy(update={"shape": (self.table.width,), "table": None})

    @property
    def varying(self) -> DataSpec:
        """The data as networks see them: without constants."""
        return self._varying if self.constants else self

    @cached_property
    def _varying(self) -> DataSpec:
        kept = self.varying_elements
        shift, scale = (
            values if len(values) == 1 else tuple(values[i] for i in kept) for values in (self.shift, self.scale)
        )
        return self.model_copy(update={"shape": (len(kept),), "constants": (), "shift": shift, "scale": scale})

    @cached_property
    def varying_elements(self) -> list[int]:
        """The numbers of the elements that are not constant."""
        constant = {i for i, _ in self.constants}
        return [i for i in range(self.size) if i not in constant]

    def drop_constants(self, x: Tensor) -> Tensor:
        """Users' rows, (B, *shape), as networks' rows, (B, *varying.shape)."""
        return x[:, self.varying_elements] if self.constants else x

    def restore_constants(self, x: Tensor) -> Tensor:
        """The inverse of `drop_constants`."""
        if not self.constants:
            return x
        rows = x.new_empty(len(x), self.size, dtype=getattr(torch, self.dtype))
        rows[:, self.varying_elements] = x.to(rows.dtype)
        for element, value in self.constants:
            rows[:, element] = value
        return rows

    def to_networks(self, x: Tensor) -> Tensor:
        """Users' rows, (B, *shape), as networks take them: without constants, in the type of those that are left."""
        return self.drop_constants(x).to(getattr(torch, self.varying.dtype))

    def from_networks(self, x: Tensor) -> Tensor:
        """Samples, (B, *varying.shape), as users' rows: on their levels, with the constants."""
        return self.restore_constants(self.varying.quantize(x))

    def _check_constants(self) -> None:
        elements = [element for element, _ in self.constants]
        if len(self.shape) != 1 or self.levels is not None:
            raise ValueError("constants are elements of vectors without levels")
        if elements != sorted(set(elements)) or not 0 <= elements[0] <= elements[-1] < self.size:
            raise ValueError(f"constants are listed once each, in order, by numbers from 0 to {self.size - 1}")
        if len(elements) == self.size or not all(isfinite(value) for _, value in self.constants):
            raise ValueError("constants are finite, and one element at least is none")
