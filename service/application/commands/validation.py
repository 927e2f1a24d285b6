"""From what a client sent to a command, and from pydantic's complaints to ours: fields as the client wrote them.

The work is linear in what was sent, and the refusal is short, however much is wrong: values outside of arrays are
counted before they are validated, and the first faults stand for all.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ValidationError

from pushforward.models.data.npy import PATH_FORM, PATH_PATTERN
from pushforward.models.errors import InvalidInput
from pushforward.service.application.commands.known_fields import known_fields
from pushforward.service.application.commands.spelling import meant
from pushforward.service.domain.catalog import NAME_FORM, NAME_PATTERN, REFERENCE_FORM, REFERENCE_PATTERN
from pushforward.service.domain.errors import FieldError, Invalid

Model = TypeVar("Model", bound=BaseModel)

MAX_FAULTS = 20  # told of one request
MAX_FIELD_CHARS = 200
MAX_MESSAGE_CHARS = 1000
MAX_SETTINGS = 50_000  # values of one request outside of its arrays

# What a text must be, in words: a pattern says it to few.
FORMS = {NAME_PATTERN: NAME_FORM, REFERENCE_PATTERN: REFERENCE_FORM, PATH_PATTERN: PATH_FORM}

# A default that depends on a faulty field: the fault itself is reported too.
_ECHOES = frozenset({"default_factory_not_called"})
_NESTED = (dict, list)


def parse(model: type[Model], fields: object, *, within: str = "") -> Model:
    """`fields` as a `model`; `within` is the field that holds them. Raises Invalid."""
    check_size(fields, arrays=_arrays(model), within=within)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(
            error.errors(include_url=False, include_input=False), fields, within=within, model=model
        ) from None


@contextmanager
def refusing(field: str) -> Iterator[None]:
    """What the laboratory refuses is refused by us; `field` is at fault where it names none. Raises Invalid."""
    try:
        yield
    except InvalidInput as error:
        raise Invalid.field(error.field or field, error.message) from error


def check_size(fields: object, *, arrays: frozenset[str] = frozenset(), within: str = "") -> None:
    """Refuse more values than any request needs outside of its `arrays`. Raises Invalid."""
    if not isinstance(fields, dict):
        return  # refused as a whole
    left = MAX_SETTINGS
    for name, value in fields.items():
        left -= 1
        if left >= 0 and isinstance(value, dict | list) and name not in arrays:
            left = _count(value, left)
        if left < 0:
            field = ".".join(part for part in (within, str(name)[:MAX_FIELD_CHARS]) if part)
            raise Invalid.field(field, f"the request holds more than {MAX_SETTINGS} values outside of its arrays")


def _count(value: dict[str, Any] | list[Any], left: int) -> int:
    """What is left of a number of values after these; less than 0 where they are more."""
    waiting = [value]
    while waiting and left >= 0:
        held = waiting.pop()
        left -= len(held)
        if left >= 0:
            waiting += [each for each in (held.values() if isinstance(held, dict) else held) if type(each) in _NESTED]
    return left


def invalid(
    complaints: Sequence[Any], fields: object, *, within: str = "", model: type[BaseModel] | None = None
) -> Invalid:
    """Pydantic's complaints about `fields`, as a `model`, as one refusal that names the fields at fault: the first."""
    texts: dict[int, frozenset[str]] = {}
    told = [complaint for complaint in complaints if complaint["type"] not in _ECHOES]
    errors = tuple(_fault(complaint, fields, texts, model, within) for complaint in islice(told, MAX_FAULTS))
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    if len(told) > 1:
        detail += f" (and {len(told) - 1} more)"
    return Invalid(detail, errors=tuple(error for error in errors if error.field))


def _fault(
    complaint: Mapping[str, Any],
    fields: object,
    texts: dict[int, frozenset[str]],
    model: type[BaseModel] | None,
    within: str,
) -> FieldError:
    path, holder, value = _walk(complaint, fields, texts)
    known = () if model is None or complaint["type"] != "extra_forbidden" else known_fields(model, complaint["loc"])
    left = [name for name in known if not (isinstance(holder, Mapping) and name in holder)]
    name = ".".join([within, *path] if within else path)
    return FieldError(name[:MAX_FIELD_CHARS], _message(complaint, value, left)[:MAX_MESSAGE_CHARS])


def _walk(
    complaint: Mapping[str, Any], fields: object, texts: dict[int, frozenset[str]]
) -> tuple[list[str], object, object]:
    """The location of a complaint without the tags that pydantic writes between a union and its member's fields.

    With it what holds the faulty value, and the value; a value that is not there is None.

    A tag is the value of a field beside, and not itself a field there, or else it would not be written twice.
    `texts` keeps the texts of every object on the way, by its identity: many complaints share theirs.
    """
    path, holder, value = list[str](), None, fields
    # Of a missing field the last part is its name, whatever the values are.
    *location, last = complaint["loc"] if complaint["type"] == "missing" else (*complaint["loc"], None)
    for part, following in pairwise((*location, last)):
        is_tag = isinstance(value, Mapping) and (
            part not in value or (following == part and part in _texts(value, texts))
        )
        if is_tag:
            continue  # it may come from a preset
        path.append(str(part))
        holder = value
        if isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(value, Sequence) and isinstance(part, int) and part < len(value):
            value = value[part]
    if last is not None:
        path.append(str(last))
    return path, holder, value


def _texts(fields: Mapping[str, Any], known: dict[int, frozenset[str]]) -> frozenset[str]:
    if id(fields) not in known:
        known[id(fields)] = frozenset(value for value in fields.values() if isinstance(value, str))
    return known[id(fields)]


@lru_cache(maxsize=256)
def _arrays(model: type[BaseModel]) -> frozenset[str]:
    """The fields that hold arrays, whose values are counted elsewhere."""
    return frozenset(name for name, field in model.model_fields.items() if _holds_array(field.annotation))


def _holds_array(annotation: Any) -> bool:
    return annotation is np.ndarray or any(_holds_array(part) for part in get_args(annotation))


def _message(complaint: Mapping[str, Any], value: object, left: Sequence[str]) -> str:
    """`left` are the fields there are beside an unknown one and that were not sent."""
    match complaint["type"]:
        case "extra_forbidden":
            return f"is not a known field; {meant(str(complaint['loc'][-1]), left) or 'remove it'}"
        case "missing":
            return "is missing"
        case "string_pattern_mismatch" | "string_too_short" if value == "":
            return "is missing"
        case "string_pattern_mismatch":
            return FORMS[complaint["ctx"]["pattern"]]
        case "model_type" | "model_attributes_type":
            return "must be an object of named fields"
        case "union_tag_invalid":
            return f"there is no {complaint['ctx']['tag'][:100]!r}; choose one of {complaint['ctx']['expected_tags']}"
        case "union_tag_not_found":
            return f"lacks the field {complaint['ctx']['discriminator']}, which says what it is"
        case _:
            message: str = complaint["msg"].removeprefix("Value error, ")
            return message[:1].lower() + message[1:]
