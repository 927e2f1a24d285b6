"""A text as a condition: the numbers of its characters in a small alphabet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, final

import numpy as np
from pydantic import Field, PositiveInt

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.condition import Condition, Words
from pushforward.models.spec.precision import Held

if TYPE_CHECKING:
    from torch import Tensor

ALPHABET = " abcdefghijklmnopqrstuvwxyz0123456789-,.'"  # of texts; a character's number is its place, from 1
NUMBERS = {character: number for number, character in enumerate(ALPHABET, 1)}
MAX_TEXT = 256  # characters


@final
class Text(Condition):
    """A text of a small alphabet."""

    kind: Literal["text"] = "text"
    max_length: PositiveInt = Field(le=MAX_TEXT)
    """Characters of the longest text."""

    @property
    def width(self) -> int:
        return self.max_length

    @property
    def size(self) -> int:
        return self.max_length

    @property
    def dtype(self) -> Held:
        return "float32"

    @property
    def form(self) -> str:
        return f"a text of 1 to {self.max_length} characters, lower case letters, digits, spaces and - , . ',"

    def read(self, given: np.ndarray) -> np.ndarray:
        if given.dtype.kind != "U" or given.ndim > 1:
            raise InvalidInput("is not a text", field="condition")
        values = np.zeros((max(1, given.size), self.width), np.float32)
        for row, text in zip(values, given.reshape(-1).tolist(), strict=True):
            if len(text) > self.max_length:
                raise InvalidInput(f"has {len(text)} characters", field="condition")
            unknown = next((each for each in text if each not in NUMBERS), None)
            if unknown is not None:
                raise InvalidInput(f"holds the character {unknown!r}", field="condition")
            row[: len(text)] = [NUMBERS[each] for each in text]
        return values

    def given(self, values: np.ndarray) -> Words:
        return Words(text="".join(ALPHABET[int(number) - 1] for number in values if number > 0))

    def code(self, values: Tensor) -> Tensor:
        return values.float()

    def values(self, c: Tensor) -> Tensor:
        return c

    def check(self, values: np.ndarray, *, field: str = "condition") -> None:
        if values.ndim != 2 or values.shape[1] != self.width or not np.isin(values, range(len(ALPHABET) + 1)).all():
            raise InvalidInput(f"must be {self.width} numbers of characters, 0 behind the end of a text", field=field)
        if (values[:, 0] == 0).any() or ((values[:, :-1] == 0) & (values[:, 1:] > 0)).any():
            raise InvalidInput("must have a character, and none behind its end", field=field)
