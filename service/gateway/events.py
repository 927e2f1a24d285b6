"""A job's events as Server-Sent Events: resumable by `Last-Event-ID`, alive by comments, over with the job."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import orjson

from service.domain import Event
from service.errors import ServiceError
from service.watching import heed

MEDIA_TYPE = "text/event-stream"
HEARTBEAT_S = 15.0

_BEAT = b": alive\n\n"

log = logging.getLogger(__name__)


async def stream(events: AsyncIterator[Event], closing: asyncio.Event) -> AsyncIterator[bytes]:
    """Events as bytes. Where it ends before the job does, the client resumes: it is told no other way."""
    try:
        async for event in heed(events, closing, beat_s=HEARTBEAT_S):
            yield _BEAT if event is None else _write(event)
    except ServiceError as error:
        log.warning("a stream of events broke off: %s", error.detail)


def _write(event: Event) -> bytes:
    data = orjson.dumps(event.data)
    return b"id: " + event.id.encode() + b"\nevent: " + event.kind.encode() + b"\ndata: " + data + b"\n\n"
