"""Floats in JSON: those that are not finite are written as text, as in protobuf's JSON."""

from __future__ import annotations

from math import isfinite, isnan
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, PlainSerializer

Word = Literal["NaN", "Infinity", "-Infinity"]
WORDS: dict[str, float] = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}


def to_json(value: float) -> float | Word:
    """The number, or its text where it is not finite."""
    if isfinite(value):
        return value
    return "NaN" if isnan(value) else "Infinity" if value > 0 else "-Infinity"


def from_json(value: Any) -> Any:
    """The number of such a text; anything else as it is."""
    return WORDS.get(value, value) if isinstance(value, str) else value


JsonFloat = Annotated[
    float, Field(allow_inf_nan=True), BeforeValidator(from_json), PlainSerializer(to_json, when_used="json")
]
