r"""Conditions: a label, or a vector of numbers, beside each row of data.

Networks see a condition as c, (B, C): a label one-hot, a vector normalized and followed by a 1. All zeros is then no
condition at all, which classifier-free guidance needs, and C = 0 is a model that takes none: what is concatenated to an
input or added to an embedding is then empty or zero.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import isfinite
from typing import TYPE_CHECKING, Annotated, Literal, Self, final

import numpy as np
from pydantic import ConfigDict, Field, PositiveInt, model_validator

from pushforward.models.config.described import Described
from pushforward.models.errors import InvalidInput
from pushforward.models.lazy import F, torch
from pushforward.models.spec.precision import Held, held_in

if TYPE_CHECKING:
    from torch import Tensor


class Condition(Described, ABC):
    """The kind of condition of each row."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str  # a Literal with a default in each final condition

    @property
    @abstractmethod
    def width(self) -> int:
        """How many numbers the condition of a row has, V: 1 for a label."""

    @property
    @abstractmethod
    def size(self) -> int:
        """How many numbers networks see of it, C."""

    @property
    @abstractmethod
    def dtype(self) -> Held:
        """The type that conditions are held in, as clients give them."""

    @abstractmethod
    def code(self, values: Tensor) -> Tensor:
        """The condition c that networks see, (B, C), from the values in the data, (B, V)."""

    @abstractmethod
    def values(self, c: Tensor) -> Tensor:
        """The inverse of `code`: (B, C) to (B, V), to float32's rounding."""

    @abstractmethod
    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        """Refuse values that are no condition of this kind.  values: (n, V). Raises InvalidInput."""


@final
class Labels(Condition):
    """One of the labels 0, 1, ..., n_classes - 1."""

    kind: Literal["labels"] = "labels"
    n_classes: PositiveInt
    """Labels are 0, 1, ..., n_classes - 1."""

    @property
    def width(self) -> int:
        return 1

    @property
    def size(self) -> int:
        return self.n_classes

    @property
    def dtype(self) -> Held:
        return "float32"

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


AnyCondition = Annotated[Labels | Vector, Field(discriminator="kind")]
