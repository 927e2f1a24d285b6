"""From nested lists to an array of numbers; an error names the first fault and its place.

The lists are checked level by level, in one pass, before NumPy sees them: NumPy would turn all numbers beside one
string into strings, each as long as the longest.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import orjson

from pushforward.models.spec.row_checks import place

MAX_SHOWN_CHARS = 40  # of a value that is not a number
MAX_CHARS = 2**22  # of an array of texts, each counted as long as the longest
_NUMBERS = frozenset({int, float})
_LISTS = frozenset({list, tuple})


def as_array(value: Any) -> np.ndarray:
    """An array of nested lists of numbers, or of an array. Raises ValueError, naming the place of the fault."""
    if isinstance(value, np.ndarray | np.generic):
        return np.asarray(value)
    shape = list[int]()
    level = [value]
    while not (kinds := {*map(type, level)}) <= _NUMBERS:
        if not kinds <= _LISTS:
            _refuse_kinds(level, shape)
        lengths = [*map(len, level)]
        if len({*lengths}) > 1:
            _refuse_lengths(lengths, shape)
        shape.append(lengths[0])
        level = list(chain.from_iterable(level))
    try:
        return np.asarray(value)
    except ValueError as error:
        raise ValueError(f"must be nested lists of numbers, as numpy takes them: {error}") from error


def as_texts(value: Any) -> np.ndarray:
    """An array of a text, (), or of a list of texts, (n,). Raises ValueError."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, Sequence) or not texts or {*map(type, texts)} != {str}:
        raise ValueError("must be a text, or a list of texts, one for each row")
    if len(texts) * max(map(len, texts)) > MAX_CHARS:
        raise ValueError(f"holds more than {MAX_CHARS} characters, each text counted as long as the longest")
    return np.array(value, np.str_)


def _refuse_kinds(level: Sequence[Any], shape: Sequence[int]) -> NoReturn:
    """Raise for the first element of a level that is neither a list nor a number, or that differs from the others."""
    n = next((i for i, each in enumerate(level) if type(each) not in _NUMBERS | _LISTS), None)
    if n is None:
        n = next(i for i, each in enumerate(level) if (type(each) in _LISTS) != (type(level[0]) in _LISTS))
        other = "lists" if type(level[0]) in _LISTS else "numbers"
        raise ValueError(f"must be nested lists of equal lengths: {_at(n, shape)} is {_shown(level[n])} beside {other}")
    found = f"{_at(n, shape)} is {_shown(level[n])}"
    if isinstance(level[n], bool):
        raise ValueError(f"holds booleans; send 0 and 1 as numbers: {found}")
    raise ValueError(f"must hold finite numbers only, in nested lists of equal lengths; {found}")


def _refuse_lengths(lengths: Sequence[int], shape: Sequence[int]) -> NoReturn:
    n = next(i for i, length in enumerate(lengths) if length != lengths[0])
    raise ValueError(
        f"must be nested lists of equal lengths: {_at(n, shape)} has {lengths[n]} elements, "
        f"{_at(0, shape)} has {lengths[0]}"
    )


def _at(n: int, shape: Sequence[int]) -> str:
    """The place of the n-th element of a level."""
    return place([int(i) for i in np.unravel_index(n, shape)]) if shape else "it"


def _shown(value: Any) -> str:
    """A value as JSON, shortened."""
    if isinstance(value, list | tuple | dict):
        return "an object" if isinstance(value, dict) else "a list"
    text = orjson.dumps(value[:MAX_SHOWN_CHARS] if isinstance(value, str) else value, default=repr).decode()
    return text[: MAX_SHOWN_CHARS + 2]
