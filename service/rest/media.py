"""Bodies to commands and answers to bodies: JSON, npy, PNG.

A number that is not finite (the log-likelihood of a point without density is -inf) is "-Infinity", "Infinity" or "NaN"
in JSON, as protobuf's JSON mapping has it: JSON has no numbers for them, and `float` of Python, `Number` of JavaScript
and `to_numeric` of pandas read these texts. It is itself in npy.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import orjson
from fastapi import Request, Response

from pushforward.models.config.json_float import to_json
from pushforward.service.application.commands.commands import Decode, Encode, Interpolate, Likelihood, Reconstruct
from pushforward.service.application.commands.validation import MAX_FAULTS, MAX_FIELD_CHARS, Model, parse
from pushforward.service.application.results import Answer, Likelihoods, Preview, Samples
from pushforward.service.domain.errors import FieldError, Invalid, Malformed, NotAcceptable, TooLarge, UnsupportedMedia
from pushforward.service.formats import npy
from pushforward.service.formats import png as pictures
from pushforward.service.processes.intake import Intake, uncollected
from pushforward.service.rest import sse as events

JSON = "application/json"
OFFERS = (JSON, npy.MEDIA_TYPE, pictures.MEDIA_TYPE)  # the first wins a draw
SAMPLE_OFFERS = (*OFFERS, events.MEDIA_TYPE)

LARGE_VALUES = 100_000  # an answer of more is written in a thread

MAX_NUMBER_CHARS = 40  # of a number that is repeated
_NOT_FINITE = re.compile(r"-?(nan\b|inf(inity)?\b|\d[\d.]*e\+?\d+)|-?\d{300,}", re.IGNORECASE)

# Which field an npy body is.
_ARRAYS: dict[type[Any], str] = {Likelihood: "x", Encode: "x", Reconstruct: "x", Decode: "z"}
_TEXTS = frozenset({"model", "path"})  # query parameters that are text; the others are JSON


async def read(request: Request, command: type[Model], intake: Intake) -> Model:
    """The command in a request. Raises Invalid, Malformed, TooLarge, UnsupportedMedia."""
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise UnsupportedMedia(f"the content encoding is {coding[:100]}; send the body as it is")
    body: bytes = (await request.receive()).get("body", b"")  # whole, by `bodies.Bodies`
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        if request.scope["query_string"]:
            raise _beside_json(request)
        return await intake.parse(lambda: parse(command, _json(body, intake.max_json_values)), len(body))
    if media_type == npy.MEDIA_TYPE and (command is Interpolate or command in _ARRAYS):
        query = _query(request)
        return await intake.parse(lambda: _with_arrays(command, query, body), len(body))
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


@lru_cache(maxsize=256)
def choose(accept: str | None, offers: tuple[str, ...] = OFFERS) -> str:
    """The media type of the answer, by the client's preferences. Raises NotAcceptable."""
    if accept is None:
        return offers[0]
    wanted = [_preference(part) for part in accept.split(",")]

    def quality(offer: str) -> tuple[float, bool]:
        kind = offer.partition("/")[0]
        for pattern in (offer, f"{kind}/*", "*/*"):
            qualities = [q for name, q in wanted if name == pattern]
            if qualities:
                return max(qualities), pattern == offer
        return 0.0, False

    best = max(offers, key=quality)
    if quality(best)[0] <= 0:
        raise NotAcceptable(f"the answer can be {', '.join(offers)}; accept one of them")
    return best


async def render(answer: Answer, media_type: str) -> Response:
    """An answer in a media type. Raises NotAcceptable."""
    writers: dict[str, Callable[[Answer], bytes]] = {
        JSON: lambda answer: _dumps(answer.fields),
        npy.MEDIA_TYPE: lambda answer: npy.dumps(answer.array),
        pictures.MEDIA_TYPE: lambda answer: pictures.png(answer.array, answer.picture_spec),
    }
    write = writers[media_type]
    large = answer.array.size > LARGE_VALUES or media_type == pictures.MEDIA_TYPE
    body = await asyncio.to_thread(write, answer) if large else write(answer)
    return Response(body, headers=_headers(answer), media_type=media_type)


async def json(answer: Samples | Preview) -> bytes:
    """The fields of an answer as JSON."""
    large = answer.samples.size > LARGE_VALUES
    return await asyncio.to_thread(_dumps, answer.fields) if large else _dumps(answer.fields)


def origin(answer: Samples | Preview) -> dict[str, str]:
    """The headers that tell where samples are from."""
    return {"Pushforward-Model": answer.model, "Pushforward-Seed": str(answer.seed)}


def _headers(answer: Answer) -> dict[str, str]:
    """What an array or a picture cannot say."""
    timing = answer.timing
    headers = {
        "Pushforward-Model": answer.model,
        "Server-Timing": (
            f"linger;dur={timing.linger_ms:.3f}, queue;dur={timing.queue_ms:.3f}, "
            f"compute;dur={timing.compute_ms:.3f}, total;dur={timing.total_ms:.3f}"
        ),
    }
    if isinstance(answer, Samples):
        headers |= origin(answer)
    if isinstance(answer, Likelihoods):
        headers["Pushforward-Kind"] = answer.kind
    return headers


def _json(body: bytes, max_values: int) -> object:
    """Raises Malformed, TooLarge: every value but the first follows a comma."""
    if len(body) > max_values and body.count(b",") >= max_values:
        raise TooLarge(f"the JSON body holds more than {max_values} values; send arrays as npy, or ask in parts")
    try:
        with uncollected(len(body)):
            return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {_why(error)}") from error


def _why(error: orjson.JSONDecodeError) -> str:
    """What the parser says, or what is written for a number that is not finite, as `json.dumps` of Python does."""
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


def _dumps(fields: dict[str, Any]) -> bytes:
    return orjson.dumps(_contiguous(fields), option=orjson.OPT_SERIALIZE_NUMPY)


def _contiguous(value: Any) -> Any:
    """The same, with arrays as orjson reads them."""
    if isinstance(value, Mapping):
        return {name: _contiguous(each) for name, each in value.items()}
    if not isinstance(value, np.ndarray):
        return value
    return np.ascontiguousarray(value) if np.isfinite(value).all() else _with_texts(value)


def _with_texts(array: np.ndarray) -> list[Any]:
    """Nested lists of numbers, and of texts for those that are not finite."""
    values = array.astype(object)
    for place in np.argwhere(~np.isfinite(array)):
        values[tuple(place)] = to_json(float(array[tuple(place)]))
    listed: list[Any] = values.tolist()
    return listed


def _preference(part: str) -> tuple[str, float]:
    """One entry of an Accept header: its media range and its quality, 0 where unreadable."""
    name, *parameters = (piece.strip().lower() for piece in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0
