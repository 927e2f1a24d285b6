"""From what a client sent to a command, and from pydantic's complaints to ours: fields as the client wrote them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from models.errors import InvalidInput
from service.errors import FieldError, Invalid

Model = TypeVar("Model", bound=BaseModel)

# A default that depends on a faulty field: the fault itself is reported too.
_ECHOES = frozenset({"default_factory_not_called"})


def parse(model: type[Model], fields: object, *, within: str = "") -> Model:
    """`fields` as a `model`; `within` is the field that holds them. Raises Invalid."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(error.errors(include_url=False, include_input=False), fields, within=within) from None


@contextmanager
def refusing(field: str) -> Iterator[None]:
    """What the laboratory refuses is refused by us; `field` is at fault where it names none. Raises Invalid."""
    try:
        yield
    except InvalidInput as error:
        raise Invalid.field(error.field or field, error.message) from error


def invalid(complaints: Sequence[Any], fields: object, *, within: str = "") -> Invalid:
    """Pydantic's complaints about `fields` as one refusal that names every field at fault."""
    errors = tuple(
        FieldError(".".join([*([within] if within else []), *_path(complaint, fields)]), _message(complaint))
        for complaint in complaints
        if complaint["type"] not in _ECHOES
    )
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    if len(errors) > 1:
        detail += f" (and {len(errors) - 1} more)"
    return Invalid(detail, errors=tuple(error for error in errors if error.field))


def _path(complaint: Mapping[str, Any], fields: object) -> Iterator[str]:
    """The location of a complaint without the tags that pydantic writes between a union and its member's fields.

    A tag is the value of a field beside, and not itself a field there, or else it would not be written twice.
    """
    value = fields
    # Of a missing field the last part is its name, whatever the values are.
    *location, last = complaint["loc"] if complaint["type"] == "missing" else (*complaint["loc"], None)
    for part, following in pairwise((*location, last)):
        if isinstance(value, Mapping) and (part not in value or (part in _texts(value) and following == part)):
            continue  # a tag; it may come from a preset
        yield str(part)
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
            value = value[part]
    if last is not None:
        yield str(last)


def _texts(fields: Mapping[str, Any]) -> set[str]:
    return {value for value in fields.values() if isinstance(value, str)}


def _message(complaint: Mapping[str, Any]) -> str:
    match complaint["type"]:
        case "extra_forbidden":
            return "is not a known field; remove it"
        case "missing":
            return "is missing"
        case "model_type" | "model_attributes_type":
            return "must be an object of named fields"
        case "union_tag_invalid":
            return f"there is no {complaint['ctx']['tag']!r}; choose one of {complaint['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"lacks the field {complaint['ctx']['discriminator']}, which says what it is"
        case _:
            message: str = complaint["msg"].removeprefix("Value error, ")
            return message[:1].lower() + message[1:]
