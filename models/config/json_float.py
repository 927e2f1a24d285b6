"""Floats that JSON can carry, all of them: what is not finite is written as text, as protobuf writes it in JSON."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

Word = Literal["NaN", "Infinity", "-Infinity"]
WORDS: dict[str, float] = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def to_json(value: float) -> float | Word:
    """The number, or the word for it."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_json(value: Any) -> Any:
    """A word as its number; whatever else is left to the type."""
    return WORDS.get(value, value) if isinstance(value, str) else value


JsonFloat = Annotated[
    float, Field(allow_inf_nan=True), BeforeValidator(from_json), PlainSerializer(to_json, when_used="json")
]
