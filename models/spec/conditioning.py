"""The condition of a request: from the value that is given to one row of numbers for each row of the answer.

The domain that rows are translated to is such a value, too. A model takes the kind of condition that its data have: a
label, a vector of V numbers, a text of at most V characters, or a record of V columns. One is given for all rows, or
one for each row; a label is a row of one number, V = 1, which may be given by its name where the data name it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NoReturn, final

import numpy as np

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.condition import Condition, ConditionValue


@final
@dataclass(frozen=True)
class Conditioning:
    """The kind of condition that a model takes, and whether it is optional."""

    model: str  # its name, for messages
    kind: Condition | None
    answers_without: bool
    field: str = "condition"  # the name of the value in a request

    def rows(self, given: np.ndarray | None, n: int) -> np.ndarray | None:
        """A condition for each of n rows, (n, V), `Condition.dtype`; None where there is none. Raises InvalidInput."""
        condition = self._read(given)
        if condition is None or self.kind is None:
            return None
        if len(condition) not in (1, n):
            self._refuse(f"has {len(condition)} rows where the answer has {n}; give one for all rows, or one for each")
        return np.broadcast_to(condition.astype(self.kind.dtype), (n, condition.shape[1]))

    def single(self, given: np.ndarray | None, *, of: str) -> ConditionValue | None:
        """The one condition of all rows, where there can be no more than one. Raises InvalidInput."""
        condition = self._read(given)
        if condition is None or self.kind is None:
            return None
        if len(condition) > 1:
            self._refuse(f"has {len(condition)} rows; {of} has one condition, so give one for all rows")
        return self.kind.given(condition[0])

    def _read(self, given: np.ndarray | None) -> np.ndarray | None:
        """One for all rows, (1, V), or one for each, (n, V)."""
        if self.kind is None:
            return None if given is None else self._refuse(f"{self.model} takes none; leave it out")
        if given is None:
            return (
                None if self.answers_without else self._refuse(f"is missing; {self.model} needs {_wanted(self.kind)}")
            )
        try:
            condition = self.kind.read(given)
        except InvalidInput as error:
            self._refuse(f"{error.message}; {self.model} needs {_wanted(self.kind)}")
        try:
            self.kind.check(condition)
        except InvalidInput:
            self._refuse(f"does not fit this model; {self.model} needs {_wanted(self.kind)}")
        return condition

    def _refuse(self, message: str) -> NoReturn:
        raise InvalidInput(message, field=self.field)


def _wanted(kind: Condition) -> str:
    return f"{kind.form} for all rows, or one for each"
