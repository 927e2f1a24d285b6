"""The fields that a model knows where a request has an unknown one, and the kinds that it knows in other places.

The place is the location of pydantic's error. Each part of it is a field of a model, an index, or the tag of a union's
member: the value of the field that discriminates the union.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel


def known_fields(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The fields beside the last part of a location within a model."""
    models = [model]
    for part in location[:-1]:
        tagged = [each for each in models if _has_tag(each, part)]
        named = [found for each in models for found in _held(each, part)]
        models = ((tagged or named) if len(models) > 1 else (named or tagged)) or models
    return list(dict.fromkeys(name for each in models for name in _names(each)))


@lru_cache(maxsize=64)
def known_tags(model: type[BaseModel]) -> frozenset[tuple[str, str]]:
    """The tags of all that a model may hold, at any depth: the fields that have one value only, and that value."""
    found, waiting = {model}, [model]
    while waiting:
        fields = waiting.pop().model_fields.values()
        held = {each for field in fields for each in _models((field.annotation, *field.metadata))} - found
        found |= held
        waiting += held
    return frozenset(
        (name, value)
        for each in found
        for name, field in each.model_fields.items()
        if get_origin(field.annotation) is Literal
        for value in get_args(field.annotation)
    )


def _names(model: type[BaseModel]) -> Iterator[str]:
    for name, field in model.model_fields.items():
        yield field.alias or name


def _held(model: type[BaseModel], part: int | str) -> list[type[BaseModel]]:
    """The models that a field of a model may hold."""
    fields = (field for name, field in model.model_fields.items() if part in (name, field.alias))
    return [found for field in fields for found in _models((field.annotation, *field.metadata))]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
        return
    for part in annotation if isinstance(annotation, tuple) else get_args(annotation):
        yield from _models(part)


def _has_tag(model: type[BaseModel], part: int | str) -> bool:
    """Whether the model has a field whose only value is this one."""
    annotations = (field.annotation for field in model.model_fields.values())
    return any(get_origin(each) is Literal and get_args(each) == (part,) for each in annotations)
