"""Server-Sent Events. A job's are resumable by `Last-Event-ID`, kept alive by comments, and over with the job."""

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
    """A job's events. Where there are no more it has no content: an EventSource then stops, else it would reconnect."""
    if watched is None:
        return Response(status_code=HTTPStatus.NO_CONTENT)
    return StreamingResponse(stream(watched, closing), media_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})


async def stream(events: AsyncIterator[Event], closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Events as bytes. Where it ends before the job does, the client resumes: it is told no other way."""
    try:
        async for event in follow_events(events, closing, beat_s=HEARTBEAT_S):
            yield _BEAT if event is None else write(event.kind, orjson.dumps(event.data), event_id=event.id)
    except ServiceError as error:
        log.warning("a stream of events broke off: %s", error.detail)


def write(kind: str, json: bytes, *, event_id: str | None = None) -> bytes:
    """One event; its JSON is a single line."""
    name = b"" if event_id is None else b"id: " + event_id.encode() + b"\n"
    return name + b"event: " + kind.encode() + b"\ndata: " + json + b"\n\n"
