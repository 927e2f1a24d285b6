"""Configs whose numbers are numbers: pydantic alone would take "5" for 5 and true for 1."""

from __future__ import annotations

from typing import Any, cast

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from pushforward.models.config.described import Described

EXACT = 2.0**53  # doubles below are as close as whole numbers
LARGEST = 2.0**63  # readers of JSON make doubles of whole numbers beyond, or at least of those beyond 2**64


def _number(value: Any) -> Any:
    if isinstance(value, str | bytes | bool):
        raise ValueError(f"must be a number, not {'true or false' if isinstance(value, bool) else 'text'}")
    return value


def _whole(value: Any) -> Any:
    """As `_number`, without doubles that are too large to stand for one whole number."""
    if isinstance(value, float) and abs(value) >= LARGEST:
        raise ValueError("is beyond 2**63 - 1, the largest whole number that is taken; choose a smaller one")
    if isinstance(value, float) and abs(value) >= EXACT:
        raise ValueError("is a double beyond 2**53, which skips whole numbers; choose a smaller one")
    return _number(value)


GUARDS = {"int": _whole, "float": _number}


def _guarded(schema: Any) -> Any:
    """The same schema, each of its numbers behind its guard; nested configs come with theirs."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_guarded, schema))
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "function-before" and schema["function"]["function"] in GUARDS.values():
        return schema
    if schema.get("type") in GUARDS:
        return core_schema.no_info_before_validator_function(GUARDS[schema["type"]], cast(CoreSchema, schema))
    return {name: each if name in ("metadata", "default") else _guarded(each) for name, each in schema.items()}


class NumbersOnly(Described):
    """Text and booleans are refused where a number belongs; whole numbers may be written 1e4."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler, /) -> CoreSchema:
        return cast(CoreSchema, _guarded(handler(source)))
