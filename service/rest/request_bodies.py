"""From the body of a request to its command: JSON, or npy with query parameters."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import orjson
from fastapi import Request

from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.application.commands.asks import OfRows
from pushforward.service.application.commands.commands import (
    Complete,
    Decode,
    Encode,
    Interpolate,
    Likelihood,
    Reconstruct,
    Score,
    Translate,
)
from pushforward.service.application.commands.validation import MAX_FAULTS, MAX_FIELD_CHARS, Model, parse
from pushforward.service.domain.errors import FieldError, Invalid, Malformed, RequestTooLarge, UnsupportedMedia
from pushforward.service.formats import npy, tables
from pushforward.service.http.headers import headers_of
from pushforward.service.processes.intake import SMALL_BYTES, Intake, without_gc
from pushforward.service.rest.media_types import JSON

MAX_NUMBER_CHARS = 40  # of a number in a message
_NOT_FINITE = re.compile(r"-?(nan\b|inf(inity)?\b|\d[\d.]*e\+?\d+)|-?\d{300,}", re.IGNORECASE)

# The field that an npy body is.
_ARRAYS: dict[type[Any], str] = {
    Likelihood: "x",
    Score: "x",
    Encode: "x",
    Reconstruct: "x",
    Translate: "x",
    Decode: "z",
    Complete: "patches",
}
_TEXTS = frozenset({"model", "path"})  # query parameters that are text; the others are JSON


async def read(
    request: Request, command: type[Model], intake: Intake, *, beside: frozenset[str] = frozenset()
) -> Model:
    """The command in a request; `beside` are query parameters that are no fields of it.

    Raises Invalid, Malformed, RequestTooLarge, UnsupportedMedia.
    """
    headers = headers_of(request.scope)
    coding, media_type = headers.content_encoding, headers.content_type
    if coding not in ("", "identity"):
        raise UnsupportedMedia(f"the content encoding is {coding[:100]}; send the body as it is")
    body: bytes = (await request.receive()).get("body", b"")  # whole, by `bodies.BodyLimits`
    if media_type == JSON:
        if request.scope["query_string"] and not request.query_params.keys() <= beside:
            raise _beside_json(request)
        return await intake.parse(lambda: parse(command, _json(body, intake.max_json_values)), len(body))
    if media_type == npy.MEDIA_TYPE and (command is Interpolate or command in _ARRAYS):
        query = _query(request)
        return await intake.parse(lambda: _with_arrays(command, query, body), len(body))
    if media_type in TABLE_TYPES and (command is Complete or issubclass(command, OfRows)):
        query = _query(request)
        if "records" in query or "x" in query:
            raise Invalid.field("records", "are the body; leave them out of the query")
        return parse(command, query | {"records": tables.TableRows(media_type, body)})
    known = f"{JSON} or {npy.MEDIA_TYPE}" if command is Interpolate or command in _ARRAYS else JSON
    raise UnsupportedMedia(f"the content type is {media_type[:100] or 'missing'}; send {known}")


def _beside_json(request: Request) -> Invalid:
    names = dict.fromkeys(request.query_params.keys())
    message = "is a query parameter, which come with an npy body only; put it into the JSON"
    faults = tuple(FieldError(name[:MAX_FIELD_CHARS], message) for name in islice(names, MAX_FAULTS))
    return Invalid("query parameters come with an npy body only; put them into the JSON", errors=faults)


def _with_arrays(command: type[Model], query: dict[str, Any], body: bytes) -> Model:
    """A command whose array is the body."""
    arrays = _arrays(command, body)
    for name in query.keys() & arrays.keys():
        raise Invalid.field(name, "is given twice: in the query and as the body; leave one of them out")
    return parse(command, query | arrays)


def _json(body: bytes, max_values: int) -> object:
    """Raises Malformed, RequestTooLarge: every value but the first follows a comma."""
    if len(body) > max_values and body.count(b",") >= max_values:
        raise RequestTooLarge(f"the JSON body holds more than {max_values} values; send arrays as npy, or ask in parts")
    try:
        if len(body) <= SMALL_BYTES:
            return orjson.loads(body)
        with without_gc():
            return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {_why(error)}") from error


def _why(error: orjson.JSONDecodeError) -> str:
    """The message of the parser, or a better one for the NaN and Infinity that Python's `json.dumps` writes."""
    found = _NOT_FINITE.match(error.doc, error.pos)
    if found is None:
        return str(error)
    what = f"{found[0][:MAX_NUMBER_CHARS]} at line {error.lineno} column {error.colno}"
    return f"{what}; JSON has no NaN or Infinity and no numbers beyond 1.8e308, so send finite numbers"


def _query(request: Request) -> dict[str, Any]:
    """The fields beside an npy body: text, or JSON."""
    fields: dict[str, Any] = {}
    for name, text in request.query_params.multi_items():
        if name in fields:
            raise Invalid.field(name, "is given twice")
        try:
            fields[name] = text if name in _TEXTS else orjson.loads(text)
        except orjson.JSONDecodeError:
            fields[name] = text
    return fields


def _arrays(command: type[Any], body: bytes) -> dict[str, Any]:
    array = npy.loads(body)
    if command is not Interpolate:
        return {_ARRAYS[command]: array}
    if array.ndim < 1 or len(array) != 2:
        raise Invalid(f"the array has shape {list(array.shape)}; send the two ends: [2, *shape]")
    return {"start": array[0], "end": array[1]}
