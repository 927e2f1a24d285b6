"""Messages as frames (`service.dispatch.framing`), and frames as messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np

from pushforward.service.dispatch.framing import Buffer, MalformedFrame, decode, encode
from pushforward.service.dispatch.messages import (
    Answered,
    AnyReply,
    Arrays,
    Beat,
    Cancelled,
    Farewell,
    FramedRequest,
    FromGateway,
    FromWorker,
    Hello,
    Leaving,
    Previewed,
    Proof,
    Refusal,
    Replies,
    Requests,
)
from pushforward.service.domain.catalog import REFERENCE_PATTERN
from pushforward.service.domain.errors import FieldError
from pushforward.service.domain.inference import FORECAST, InferenceRequest, Load, Op, WorkerOp

OPS = (*get_args(Op), "forecast")


def encode_requests(frame: Requests) -> list[Buffer]:
    """The frame of requests of one key."""
    key = frame.requests[0].request
    arrays: list[np.ndarray] = []
    requests = [_put_request(each, arrays) for each in frame.requests]
    return encode(["requests", frame.sent_at, key.model, key.op, dict(key.options), requests], arrays)


def encode_replies(sent: Replies) -> list[Buffer]:
    """The frame of answers, previews and refusals."""
    arrays: list[np.ndarray] = []
    load = sent.load
    about = load and [load.worker, load.backlog_ms, load.key_backlog_ms, load.keys, load.row_ms, load.pass_ms]
    return encode(["replies", about, [_put_reply(reply, arrays) for reply in sent.replies]], arrays)


def encode_message(message: Cancelled | Proof | Farewell | Hello | Beat | Leaving) -> list[Buffer]:
    """The frame of a message without arrays."""
    match message:
        case Cancelled(ids):
            header: list[Any] = ["cancelled", ids]
        case Proof(digest):
            header = ["proof", digest]
        case Farewell():
            header = ["farewell"]
        case Hello(worker, nonce):
            header = ["hello", worker, nonce]
        case Beat(stalled_s):
            header = ["beat", stalled_s]
        case Leaving():
            header = ["leaving"]
    return encode(header, [])


def decode_from_gateway(frame: Buffer) -> FromGateway:
    """Raises MalformedFrame. Arrays are read-only views of the frame."""
    header, arrays = decode(frame)
    try:
        match header:
            case ["requests", sent_at, model, op, options, packed]:
                return _requests(float(sent_at), model, op, options, packed, arrays)
            case ["cancelled", ids]:
                return Cancelled(tuple(int(each) for each in ids))
            case ["proof", bytes(digest)]:
                return Proof(digest)
            case ["farewell"]:
                return Farewell()
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedFrame(f"the header is not that of a gateway: {error}") from error
    raise MalformedFrame("no message of a gateway")


def decode_from_worker(frame: Buffer) -> FromWorker:
    """Raises MalformedFrame. Arrays are read-only views of the frame."""
    header, arrays = decode(frame)
    try:
        match header:
            case ["replies", about, replies]:
                return Replies(tuple(_take_reply(fields, arrays) for fields in replies), _load(about))
            case ["beat", stalled_s]:
                return Beat(float(stalled_s))
            case ["hello", str(worker), bytes(nonce)]:
                return Hello(worker, nonce)
            case ["leaving"]:
                return Leaving()
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise MalformedFrame(f"the header is not that of a worker: {error}") from error
    raise MalformedFrame("no message of a worker")


def _requests(
    sent_at: float, model: Any, op: Any, options: Any, packed: Sequence[Any], arrays: Sequence[np.ndarray]
) -> Requests:
    requests = tuple(_take_request(model, op, options, fields, arrays) for fields in packed)
    texts = isinstance(model, str) and op in OPS and isinstance(options, dict)
    if not texts or not (_is_version(model) if op != "forecast" else model == FORECAST):
        raise MalformedFrame("the header names no operation on a version of a model")
    if not requests or not all(map(_is_sound, requests)):
        raise MalformedFrame("the header's fields are not those of requests")
    return Requests(sent_at, requests)


def _is_version(model: str) -> bool:
    return "@" in model and re.fullmatch(REFERENCE_PATTERN, model) is not None


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
    model: str, op: WorkerOp, options: Any, fields: Sequence[Any], arrays: Sequence[np.ndarray]
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
