"""From the fields of a request to a command, and from pydantic's errors to a refusal in the client's field names.

The work is linear in the size of the request, and a refusal is short: values outside of arrays are counted before they
are validated, and only the first errors are named.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from contextlib import contextmanager
from functools import lru_cache
from itertools import islice, pairwise
from typing import Any, TypeVar, get_args

import numpy as np
from pydantic import BaseModel, ValidationError

from pushforward.models.data import npy
from pushforward.models.data.series import source as series
from pushforward.models.data.tables import source as tables
from pushforward.models.data.uploads import datasets
from pushforward.models.errors import InvalidInput
from pushforward.models.run import START_FORM, START_PATTERN
from pushforward.service.application.commands.known_fields import known_fields, known_tags
from pushforward.service.application.commands.spelling import meant
from pushforward.service.domain.catalog import (
    DIGEST_FORM,
    DIGEST_PATTERN,
    NAME_FORM,
    NAME_PATTERN,
    PRESENT_FORM,
    PRESENT_PATTERN,
    REFERENCE_FORM,
    REFERENCE_PATTERN,
)
from pushforward.service.domain.errors import FieldError, Invalid, Remedy

Model = TypeVar("Model", bound=BaseModel)

MAX_FAULTS = 20  # named in one refusal
MAX_FIELD_CHARS = 200
MAX_MESSAGE_CHARS = 1000
MAX_SETTINGS = 50_000  # values of one request outside of its arrays

# The meaning of a pattern, for messages.
FORMS = {
    NAME_PATTERN: NAME_FORM,
    REFERENCE_PATTERN: REFERENCE_FORM,
    START_PATTERN: START_FORM,
    npy.PATH_PATTERN: npy.PATH_FORM,
    tables.PATH_PATTERN: tables.PATH_FORM,
    series.PATH_PATTERN: series.PATH_FORM,
    datasets.REFERENCE_PATTERN: datasets.REFERENCE_FORM,
    DIGEST_PATTERN: DIGEST_FORM,
    PRESENT_PATTERN: PRESENT_FORM,
}

_NESTED = (dict, list)


def parse(model: type[Model], fields: object, *, within: str = "") -> Model:
    """Validate `fields` as a `model`; `within` is the field that holds them. Raises Invalid."""
    check_size(fields, arrays=_arrays(model), within=within)
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise invalid(
            error.errors(include_url=False, include_input=False), fields, within=within, model=model
        ) from None


@contextmanager
def refusing(field: str, remedy: Remedy | None = None) -> Iterator[None]:
    """Turns InvalidInput of `pushforward.models` into Invalid; `field` is at fault where the error names none."""
    try:
        yield
    except InvalidInput as error:
        raise Invalid.field(error.field or field, error.message, remedy=remedy) from error


def check_size(fields: object, *, arrays: frozenset[str] = frozenset(), within: str = "") -> None:
    """Refuse too many values outside of the `arrays` of a request. Raises Invalid."""
    if not isinstance(fields, dict):
        return  # pydantic refuses it
    left = MAX_SETTINGS
    for name, value in fields.items():
        left -= 1
        if left >= 0 and isinstance(value, dict | list) and name not in arrays:
            left = _count(value, left)
        if left < 0:
            field = ".".join(part for part in (within, str(name)[:MAX_FIELD_CHARS]) if part)
            raise Invalid.field(field, f"the request holds more than {MAX_SETTINGS} values outside of its arrays")


def _count(value: dict[str, Any] | list[Any], left: int) -> int:
    """The limit `left` minus the number of these values; negative where they exceed it."""
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
    """One refusal of pydantic's errors about `fields`, validated as a `model`; it names the first fields at fault."""
    texts: dict[int, frozenset[str]] = {}
    reported = [complaint for complaint in complaints if not _is_echo(complaint, complaints)]
    errors = tuple(_fault(complaint, fields, texts, model, within) for complaint in islice(reported, MAX_FAULTS))
    first = errors[0]
    detail = f"{first.field}: {first.message}" if first.field else first.message
    if len(reported) > 1:
        detail += f" (and {len(reported) - 1} more)"
    return Invalid(detail, errors=tuple(error for error in errors if error.field))


def _is_echo(complaint: Mapping[str, Any], others: Sequence[Mapping[str, Any]]) -> bool:
    """Whether an error is of another fault: a default that depends on it, or a list that is short without it."""
    if complaint["type"] == "too_short":
        place = complaint["loc"]
        return any(len(other["loc"]) > len(place) and other["loc"][: len(place)] == place for other in others)
    return bool(complaint["type"] == "default_factory_not_called")


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
    if complaint["type"] == "union_tag_invalid":
        message = _no_such_kind(complaint, path, model)
    else:
        message = _message(complaint, value, left)
    return FieldError(name[:MAX_FIELD_CHARS], message[:MAX_MESSAGE_CHARS])


def _no_such_kind(complaint: Mapping[str, Any], path: Sequence[str], model: type[BaseModel] | None) -> str:
    """A kind that there is not; or one that there is elsewhere, and that what holds the field does not take."""
    tag, expected = complaint["ctx"]["tag"], complaint["ctx"]["expected_tags"]
    known = frozenset[tuple[str, str]]() if model is None else known_tags(model)
    is_elsewhere = (complaint["ctx"]["discriminator"].strip("'"), tag) in known
    holders = _without(path, map(str, complaint["loc"]))
    said = f"{' of '.join(reversed(holders))} does not take" if holders and is_elsewhere else "there is no"
    return f"{said} {tag[:100]!r}; choose one of {expected}"


def _without(path: Sequence[str], location: Iterable[str]) -> list[str]:
    """The tags of a location: what is not in the path of fields that was made of it."""
    left = deque(path)
    tags = []
    for part in location:
        if left and part == left[0]:
            left.popleft()
        else:
            tags.append(part)
    return tags


def _walk(
    complaint: Mapping[str, Any], fields: object, texts: dict[int, frozenset[str]]
) -> tuple[list[str], object, object]:
    """The location of an error without the tags that pydantic writes between a union and its member's fields.

    Also returns the object that holds the faulty value, and the value; a missing value is None. A tag is the value of
    a field of that object and not the name of one, unless pydantic writes it twice. `texts` caches the strings of each
    object by identity, because many errors share them.
    """
    path, holder, value = list[str](), None, fields
    # The last part of the location of a missing field is always its name.
    *location, last = complaint["loc"] if complaint["type"] == "missing" else (*complaint["loc"], None)
    for part, following in pairwise((*location, last)):
        is_tag = isinstance(value, Mapping) and (
            part not in value or (following == part and part in _texts(value, texts))
        )
        if is_tag:
            continue  # a tag, which may come from a preset
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
    """The fields that hold arrays; their values are counted elsewhere."""
    return frozenset(name for name, field in model.model_fields.items() if _holds_array(field.annotation))


def _holds_array(annotation: Any) -> bool:
    return annotation is np.ndarray or any(_holds_array(part) for part in get_args(annotation))


def _message(complaint: Mapping[str, Any], value: object, left: Sequence[str]) -> str:
    """The message of an error; `left` are the known fields that were not sent, beside an unknown one."""
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
        case "tuple_type" | "list_type":
            return "must be a list"
        case "too_short":
            return f"must have {_items('at least', complaint['ctx']['min_length'], value)}"
        case "too_long":
            return f"must have {_items('at most', complaint['ctx']['max_length'], value)}"
        case "union_tag_not_found":
            return f"lacks the field {complaint['ctx']['discriminator']}, which says what it is"
        case _:
            message: str = complaint["msg"].removeprefix("Value error, ")
            return message[:1].lower() + message[1:]


def _items(bound: str, n: int, value: object) -> str:
    """`at least 2 items; it has 1`."""
    has = f"; it has {len(value)}" if isinstance(value, Sized) else ""
    return f"{bound} {n} item{'' if n == 1 else 's'}{has}"
