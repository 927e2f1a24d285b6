"""What was meant by a field that there is not: the fields there are at its place, and the nearest of them.

The place is the location of pydantic's complaint. On the way there each part is a field of a model, an index, or the
tag of a union's member, the value of a field by which the union tells its members apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

MAX_LISTED = 12  # fields that are told where none is near
MAX_COMPARED_CHARS = 64


def known_fields(model: type[BaseModel], location: Sequence[int | str]) -> list[str]:
    """The fields beside the last part of a location within a model."""
    models = [model]
    for part in location[:-1]:
        tagged = [each for each in models if _has_tag(each, part)]
        named = [found for each in models for found in _held(each, part)]
        models = ((tagged or named) if len(models) > 1 else (named or tagged)) or models
    return list(dict.fromkeys(name for each in models for name in _names(each)))


def meant(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a question, or all where they are few; empty where there is none to tell."""
    known = list(known)
    few = f"remove it, or give one of: {', '.join(known)}" if 0 < len(known) <= MAX_LISTED else ""
    return nearest(name, known) or few


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a question; empty where none is near."""
    near = get_close_matches(name[:MAX_COMPARED_CHARS], list(known), n=1)
    return f"did you mean `{near[0]}`?" if near else ""


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
    """Whether a field of it can only be this value."""
    annotations = (field.annotation for field in model.model_fields.values())
    return any(get_origin(each) is Literal and get_args(each) == (part,) for each in annotations)
