"""Frames between gateways and workers (`service.dispatch.framing`): requests of one key, or replies to requests.

Versions. These parts never change: the first eight bytes; that the packed value begins with the header; in the header
of a frame its first element (the list of replies) and its last (a list of requests, each a list that begins with its
id); in the header of replies its last element (a list of replies, each beginning with a tag and its id); and the
refusal `["refused", id, slug, detail, errors]`. So a process can refuse a frame of another version at once, in that
version.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final, get_args

import numpy as np

from pushforward.service.dispatch.framing import MalformedFrame, decode, encode
from pushforward.service.domain.catalog import REFERENCE_PATTERN
from pushforward.service.domain.errors import (
    Failed,
    FieldError,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unavailable,
    Unsupported,
)
from pushforward.service.domain.inference import InferenceRequest, Load, Op

REFUSALS: dict[str, type[ServiceError]] = {
    cls.slug: cls for cls in (Failed, Invalid, NotFound, Overloaded, TimedOut, Unavailable, Unsupported)
}

Arrays = Mapping[str, np.ndarray]


@final
@dataclass(frozen=True)
class FramedRequest:
    """A request within a frame."""

    id: int  # the gateway's own
    request: InferenceRequest
    left_ms: float  # until its deadline, when the frame was sent


@final
@dataclass(frozen=True)
class Frame:
    """Requests of one key, at least one, and the list for their replies."""

    reply_to: str
    requests: tuple[FramedRequest, ...]


@final
@dataclass(frozen=True)
class Answered:
    """The result of a request."""

    id: int
    arrays: Arrays
    compute_ms: float
    batch_rows: int
    info: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Previewed:
    """An intermediate result; the answer follows."""

    id: int
    arrays: Arrays
    step: int
    steps: int


@final
@dataclass(frozen=True)
class Refusal:
    """The error of a request."""

    id: int
    slug: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    @classmethod
    def of(cls, id: int, error: ServiceError) -> Refusal:
        """The refusal that a gateway raises as this error."""
        return cls(id, error.slug, error.detail, error.errors)

    def error(self) -> ServiceError:
        """The error, to be raised at the gateway."""
        error = REFUSALS.get(self.slug, Failed)(self.detail, errors=self.errors)
        error.stage = "worker"
        return error


AnyReply = Answered | Previewed | Refusal


@final
@dataclass(frozen=True)
class Replies:
    """Replies of a worker to one gateway, and its load."""

    replies: tuple[AnyReply, ...]
    load: Load | None = None


def encode_frame(frame: Frame) -> bytes:
    """The bytes of a frame."""
    key = frame.requests[0].request
    arrays: list[np.ndarray] = []
    requests = [_put_request(each, arrays) for each in frame.requests]
    return encode([frame.reply_to, key.model, key.op, dict(key.options), requests], arrays)


def decode_frame(data: bytes) -> Frame:
    """Raises Garbage. Arrays are read-only views of `data`."""
    header, arrays = decode(data)
    try:
        reply_to, model, op, options, packed = header
        requests = tuple(_take_request(model, op, options, fields, arrays) for fields in packed)
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise MalformedFrame(f"the header is not that of a frame: {error}") from error
    texts = isinstance(reply_to, str) and op in get_args(Op) and isinstance(options, dict)
    named = isinstance(model, str) and "@" in model and re.fullmatch(REFERENCE_PATTERN, model)
    if not texts or not named or not requests or not all(map(_is_sound, requests)):
        raise MalformedFrame("the header's fields are not those of a frame")
    return Frame(reply_to, requests)


def encode_replies(sent: Replies) -> bytes:
    """The bytes of answers, previews and refusals for one gateway."""
    arrays: list[np.ndarray] = []
    load = sent.load
    about = load and [load.worker, load.backlog_ms, load.key_backlog_ms, load.keys, load.row_ms, load.pass_ms]
    return encode([about, [_put_reply(reply, arrays) for reply in sent.replies]], arrays)


def decode_replies(data: bytes) -> Replies:
    """Raises Garbage. Arrays are read-only views of `data`."""
    header, arrays = decode(data)
    try:
        about, replies = header
        return Replies(tuple(_take_reply(fields, arrays) for fields in replies), _load(about))
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise MalformedFrame(f"the header is not that of replies: {error}") from error


def _put_reply(reply: AnyReply, arrays: list[np.ndarray]) -> list[Any]:
    match reply:
        case Answered():
            info = dict(reply.info)
            return ["answered", reply.id, reply.compute_ms, reply.batch_rows, info, _put(reply.arrays, arrays)]
        case Previewed():
            return ["previewed", reply.id, reply.step, reply.steps, _put(reply.arrays, arrays)]
        case Refusal():
            return ["refused", reply.id, reply.slug, reply.detail, [[e.field, e.message] for e in reply.errors]]


def _take_reply(fields: Sequence[Any], arrays: Sequence[np.ndarray]) -> AnyReply:
    match fields:
        case ["answered", ask_id, compute_ms, batch_rows, info, places]:
            return Answered(int(ask_id), _take(places, arrays), float(compute_ms), int(batch_rows), dict(info))
        case ["previewed", ask_id, step, steps, places]:
            return Previewed(int(ask_id), _take(places, arrays), int(step), int(steps))
        case ["refused", ask_id, slug, detail, errors]:
            return Refusal(int(ask_id), str(slug), str(detail), tuple(FieldError(str(f), str(m)) for f, m in errors))
    raise ValueError("a reply that is none")


def _load(about: Sequence[Any] | None) -> Load | None:
    if about is None:
        return None
    worker, backlog_ms, key_backlog_ms, keys, row_ms, pass_ms = about
    return Load(str(worker), float(backlog_ms), float(key_backlog_ms), int(keys), float(row_ms), float(pass_ms))


def _put_request(framed: FramedRequest, arrays: list[np.ndarray]) -> list[Any]:
    q = framed.request
    places = _put(q.arrays, arrays)
    return [framed.id, q.rows, q.seed, q.first, q.preview_every, q.trace, framed.left_ms, places]


def _take_request(
    model: str, op: Op, options: Any, fields: Sequence[Any], arrays: Sequence[np.ndarray]
) -> FramedRequest:
    ask_id, rows, seed, first, preview_every, trace, left_ms, places = fields
    request = InferenceRequest(model, op, rows, seed, options, _take(places, arrays), first, preview_every, str(trace))
    return FramedRequest(ask_id, request, float(left_ms))


def _is_sound(framed: FramedRequest) -> bool:
    request = framed.request
    counts = (framed.id, request.rows, request.seed, request.first, request.preview_every)
    if not all(isinstance(n, int) for n in counts):
        return False
    return request.rows > 0 and 0 <= request.seed < 2**64 and request.first >= 0 and request.preview_every >= 0


def _put(named: Arrays, arrays: list[np.ndarray]) -> dict[str, int]:
    """Append arrays; the index of each name."""
    places = {}
    for name, array in named.items():
        places[name] = len(arrays)
        arrays.append(np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<")))
    return places


def _take(places: Mapping[str, int], arrays: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    return {str(name): arrays[place] for name, place in places.items()}
