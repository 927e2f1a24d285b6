"""Server-Sent Events. The stream of a job resumes at `Last-Event-ID`, has comments as heartbeats, ends with the job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from http import HTTPStatus

import orjson
from fastapi import Response
from fastapi.responses import StreamingResponse

from pushforward.service.application.job_events import follow_events
from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.jobs import Event

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0

_BEAT = b": alive\n\n"

log = logging.getLogger(__name__)


def response(watched: AsyncIterator[Event] | None, closing: asyncio.Event) -> Response:
    """The events of a job. 204 where there are no more, because an EventSource would reconnect otherwise."""
    if watched is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return StreamingResponse(stream(watched, closing), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def stream(events: AsyncIterator[Event], closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Events as bytes. A stream that ends before the job tells the client to resume."""
    try:
        async for event in follow_events(events, closing, beat_s=HEARTBEAT_S):
            yield _BEAT if event is None else write(event.kind, orjson.dumps(event.data), event_id=event.id)
    except ServiceError as error:
        log.warning("a stream of events broke off: %s", error.detail)


def write(kind: str, json: bytes, *, event_id: str | None = None) -> bytes:
    """One event; its JSON is a single line."""
    name = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    return name + b"event: " + kind.encode() + b"\ndata: " + json + b"\n\n"
