"""The condition of an ask: what a client gave, as one row of numbers for each row of the answer.

A model takes the kind of condition that its data had: a label, or a vector of V numbers. A client gives one for all
rows, or one for each; a label is a row of one number, V = 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, final

import numpy as np

from pushforward.models.errors import InvalidInput
from pushforward.models.family import Conditions, Family
from pushforward.models.spec.conditions import Condition, Labels, Vector
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.inference import Told


@final
@dataclass(frozen=True)
class Conditioning:
    """What condition a model takes, and whether it answers without one."""

    model: str
    kind: Condition | None
    answers_without: bool

    @classmethod
    def of(cls, card: Card, family: Family) -> Conditioning:
        """Of the model of a card."""
        return cls(card.model, card.spec.condition, isinstance(family, Conditions) and family.answers_without)

    def rows(self, given: np.ndarray | None, n: int) -> np.ndarray | None:
        """A condition for each of n rows, (n, V), `Condition.dtype`; None where there is none. Raises Invalid."""
        told = self._read(given)
        if told is None or self.kind is None:
            return None
        if len(told) not in (1, n):
            _refuse(f"has {len(told)} rows where the answer has {n}; give one for all rows, or one for each")
        return np.broadcast_to(told.astype(self.kind.dtype), (n, told.shape[1]))

    def single(self, given: np.ndarray | None, *, of: str) -> Told | None:
        """The one condition of all rows, of whatever can have no more. Raises Invalid."""
        told = self._read(given)
        if told is None:
            return None
        if len(told) > 1:
            _refuse(f"has {len(told)} rows; {of} has one condition, so give one for all rows")
        return int(told[0, 0]) if isinstance(self.kind, Labels) else tuple(told[0].tolist())

    def _read(self, given: np.ndarray | None) -> np.ndarray | None:
        """One for all rows, (1, V), or one for each, (n, V)."""
        if self.kind is None:
            return None if given is None else _refuse(f"{self.model} takes none; leave it out")
        if given is None:
            return None if self.answers_without else _refuse(f"is missing; {self.model} needs {_wanted(self.kind)}")
        is_one = given.ndim < (2 if isinstance(self.kind, Vector) else 1)
        told = given.reshape(1 if is_one else len(given), -1)
        try:
            self.kind.check(told)
        except InvalidInput:
            _refuse(f"does not fit this model; {self.model} needs {_wanted(self.kind)}")
        return told


def _wanted(kind: Condition) -> str:
    labels = isinstance(kind, Labels)
    one = f"a label, 0 to {kind.size - 1}," if labels else f"a vector of {kind.width} finite numbers"
    return f"{one} for all rows, or one for each"


def _refuse(message: str) -> NoReturn:
    raise Invalid.field("condition", message)
