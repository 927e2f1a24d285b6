"""The progress of a part, told as progress of the whole."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeVar

Stage = TypeVar("Stage")
Told = TypeVar("Told")
T = TypeVar("T")


def relayed(stages: Generator[Stage, None, T], told: Callable[[Stage], Told]) -> Generator[Told, None, T]:
    """What each stage is told as; returns what the stages return."""
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            result: T = end.value
            return result
        yield told(stage)
