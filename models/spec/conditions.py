r"""Conditions: a label, a vector of numbers, a text or some columns of a table, beside each row of data.

Networks see a condition as c, (B, C): a label one-hot, a vector normalized and followed by a 1, a text as the numbers
1, 2, ... of its characters with zeros behind its end, columns as `models.spec.columns` codes them. All zeros is then no
condition at all, which classifier-free guidance needs, and C = 0 is a model that takes none: what is concatenated to an
input or added to an embedding is then empty or zero.
"""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal, Self, final

import numpy as np
from pydantic import Field, PositiveInt, model_validator

from pushforward.models.errors import InvalidInput
from pushforward.models.lazy import F, torch
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.condition import Condition
from pushforward.models.spec.precision import Held, held_in
from pushforward.models.spec.text import Text

if TYPE_CHECKING:
    from torch import Tensor

NAMED = 10  # labels in a message
SHOWN = 40  # characters of a name that no label has


@final
class Labels(Condition):
    """One of the labels 0, 1, ..., n_classes - 1."""

    kind: Literal["labels"] = "labels"
    n_classes: PositiveInt
    """Labels are 0, 1, ..., n_classes - 1."""
    names: tuple[str, ...] = ()
    """What each label is called, in their order; empty where the data have numbers only."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.names and len(self.names) != self.n_classes:
            raise ValueError(f"names has {len(self.names)} entries for {self.n_classes} labels; give one for each")
        return self

    @property
    def width(self) -> int:
        return 1

    @property
    def size(self) -> int:
        return self.n_classes

    @property
    def dtype(self) -> Held:
        return "float32"

    @property
    def form(self) -> str:
        named = ", ".join(f"{i} {name}" for i, name in enumerate(self.names[:NAMED]))
        more = ", ..." if len(self.names) > NAMED else ""
        return f"a label, 0 to {self.n_classes - 1}" + (f" or its name ({named}{more})," if named else ",")

    def read(self, given: np.ndarray) -> np.ndarray:
        if given.dtype.kind == "U" and self.names and given.ndim <= 1:
            given = self._numbers(given)
        return _by_row(given, ndim_of_one=0)

    def _numbers(self, names: np.ndarray) -> np.ndarray:
        """The number of each name, float64. Raises InvalidInput."""
        numbers = {name: i for i, name in enumerate(self.names)}
        unknown = next((name for name in names.reshape(-1).tolist() if name not in numbers), None)
        if unknown is not None:
            raise InvalidInput(f"holds {unknown[:SHOWN]!r}, and no label has this name", field="condition")
        return np.array([numbers[name] for name in names.reshape(-1).tolist()], np.float64).reshape(names.shape)

    def given(self, values: np.ndarray) -> int:
        return int(values[0])

    def code(self, values: Tensor) -> Tensor:
        return F.one_hot(values[:, 0].long(), self.n_classes).to(torch.float32)

    def values(self, c: Tensor) -> Tensor:
        return c.argmax(1, keepdim=True).to(torch.float32)

    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        if values.ndim != 2 or values.shape[1] != 1 or not np.isin(values, np.arange(self.n_classes)).all():
            raise InvalidInput(f"must be a label, a whole number from 0 to {self.n_classes - 1}", field=field)


@final
class Vector(Condition):
    """Numbers, seen by networks as (condition - shift) / scale."""

    kind: Literal["vector"] = "vector"
    shift: tuple[float, ...]
    """Mean of each element, in training."""
    scale: tuple[float, ...]
    """Standard deviation of each element, in training."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if not self.shift or len(self.shift) != len(self.scale):
            raise ValueError("shift and scale have a number for each element, at least one")
        if not all(map(isfinite, self.shift + self.scale)) or min(self.scale) <= 0:
            raise ValueError("shift and scale are finite, scale is positive")
        return self

    @property
    def width(self) -> int:
        return len(self.shift)

    @property
    def size(self) -> int:
        return self.width + 1

    @property
    def dtype(self) -> Held:
        return held_in(self.shift, self.scale)

    @property
    def form(self) -> str:
        return f"a vector of {self.width} finite numbers"

    def read(self, given: np.ndarray) -> np.ndarray:
        return _by_row(given, ndim_of_one=1)

    def given(self, values: np.ndarray) -> tuple[float, ...]:
        return tuple(values.tolist())

    def code(self, values: Tensor) -> Tensor:
        shift, scale = self._units(values)
        normal = ((values.double() - shift) / scale).float()
        return torch.cat([normal, torch.ones_like(normal[:, :1])], 1)

    def values(self, c: Tensor) -> Tensor:
        shift, scale = self._units(c)
        return (c[:, :-1].double() * scale + shift).to(getattr(torch, self.dtype))

    def _units(self, like: Tensor) -> tuple[Tensor, ...]:
        return tuple(torch.tensor(each, dtype=torch.float64, device=like.device) for each in (self.shift, self.scale))

    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        if values.ndim != 2 or values.shape[1] != self.width or not np.isfinite(values).all():
            raise InvalidInput(f"must be {self.width} finite numbers for each row", field=field)
        too_far = ~np.isfinite(self.normal(values))
        if too_far.any():
            row, column = np.unravel_index(too_far.argmax(), too_far.shape)
            raise InvalidInput(
                f"must be {self.width} finite numbers for each row, but {values[row, column]:.6g} in column {column} "
                "is so far from this model's data that it is not finite in float32, which networks compute in; give it "
                "in the data's own units",
                field=field,
            )

    def normal(self, values: np.ndarray) -> np.ndarray:
        """As networks see it, infinite where float32 does not reach."""
        with np.errstate(over="ignore", invalid="ignore"):
            normal: np.ndarray = ((values.astype(np.float64) - self.shift) / self.scale).astype(np.float32)
        return normal


def _by_row(given: np.ndarray, *, ndim_of_one: int) -> np.ndarray:
    """Numbers as a row for each condition. Raises InvalidInput."""
    if given.dtype.kind in "UO":
        raise InvalidInput("is a text" if given.dtype.kind == "U" else "is an object by column", field="condition")
    return given.reshape(1 if given.ndim <= ndim_of_one else len(given), -1)


AnyCondition = Annotated[Labels | Vector | Text | Columns, Field(discriminator="kind")]
