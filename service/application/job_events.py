"""How an API follows the events of a job: with heartbeats between them, and until the API closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from pushforward.service.domain.errors import ServiceError
from pushforward.service.domain.jobs import Event
from pushforward.service.processes.background import begin


async def follow_events(
    events: AsyncIterator[Event], closing: asyncio.Event, *, beat_s: float | None = None
) -> AsyncIterator[Event | None]:
    """The events to their end, or until `closing` is set; None after every `beat_s` without one."""
    closed = begin(closing.wait(), "closing")
    upcoming: asyncio.Task[Event] | None = None
    try:
        while True:
            upcoming = upcoming or begin(_next(events), "next event")
            both: set[asyncio.Task[Any]] = {upcoming, closed}
            await asyncio.wait(both, timeout=beat_s, return_when=asyncio.FIRST_COMPLETED)
            if upcoming.done():
                event = upcoming.result()
                upcoming = None
                yield event
            elif closed.done():
                return
            else:
                yield None
    except StopAsyncIteration:
        return
    finally:
        closed.cancel()
        if upcoming is not None:
            upcoming.cancel()
            with suppress(asyncio.CancelledError, StopAsyncIteration, ServiceError):
                await upcoming


async def first_of(events: AsyncIterator[Event]) -> AsyncIterator[Event] | None:
    """The same events, once the first is there; None where there are none."""
    async for first in events:
        return _prepended(first, events)
    return None


async def _prepended(first: Event, rest: AsyncIterator[Event]) -> AsyncIterator[Event]:
    yield first
    async for event in rest:
        yield event


async def _next(events: AsyncIterator[Event]) -> Event:
    return await anext(events)
