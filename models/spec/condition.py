"""What a condition is: the values that data and requests hold, and what networks see of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, final

import numpy as np
from pydantic import ConfigDict

from pushforward.models.config.described import Described
from pushforward.models.spec.precision import Held
from pushforward.models.tables.records import Record

if TYPE_CHECKING:
    from torch import Tensor


@final
class Words(Described):
    """A text as clients give it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    text: str
    """The text."""


ConditionValue = int | tuple[float, ...] | Words | Record  # the condition of a row, as clients give it


def as_array(value: ConditionValue) -> np.ndarray:
    """A condition for `Condition.read`."""
    return np.asarray(value.text if isinstance(value, Words) else value)


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

    @property
    @abstractmethod
    def form(self) -> str:
        """What one condition is, for messages."""

    @abstractmethod
    def read(self, given: np.ndarray) -> np.ndarray:
        """Values, (1, V), of one condition that is given for all rows; (n, V) of one for each. Raises InvalidInput."""

    @abstractmethod
    def given(self, values: np.ndarray) -> ConditionValue:
        """One condition as clients give it, from its values, (V,)."""

    @abstractmethod
    def code(self, values: Tensor) -> Tensor:
        """The condition c that networks see, (B, C), from the values in the data, (B, V)."""

    @abstractmethod
    def values(self, c: Tensor) -> Tensor:
        """The inverse of `code`: (B, C) to (B, V), to float32's rounding."""

    @abstractmethod
    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        """Refuse values that are no condition of this kind.  values: (n, V). Raises InvalidInput."""
