"""The record of jobs in Redis as gateways use it. Each transition is one call of `jobs.lua`, by Redis's clock."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from time import monotonic
from typing import Any, final

import redis.asyncio

from pushforward.service.domain.errors import Conflict, Unavailable
from pushforward.service.domain.jobs import Event, Job, Page, State
from pushforward.service.domain.ports import NewJob, no_room
from pushforward.service.jobs.redis_fields import (
    ID_BYTES,
    asked_fields,
    checked_id,
    event_of,
    job_found,
    job_of,
    job_or_none,
    key_of,
    pairs,
    report_or_none,
    sweep_fields,
    with_trials,
)
from pushforward.service.jobs.script import AsyncJobScript
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import connect, guarded

log = logging.getLogger(__name__)

BLOCK_S = 5.0  # of one read of a watch
PATIENCE_S = 30.0  # an outage of Redis that a watch survives
PAGE = 100
SCAN = 1000  # records or events that one call of the script looks at, for some of them: about a millisecond
QUEUE_FIELDS = {"queue_position", "ahead", "starts_at"}  # of the record; an event when the first changes


@final
class RedisJobs:
    """`ports.Jobs` on asyncio."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = connect(settings)
        self._script = AsyncJobScript(self._redis, settings)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        status, *fields = await self._script.call(
            "create" if new.sweep is None else "create_sweep",
            secrets.token_hex(ID_BYTES),
            new.model,
            new.preset or "",
            json.dumps(new.run),
            new.idempotency_key or "",
            new.fingerprint,
            self._settings.max_queued_jobs,
            *(asked_fields(new) if new.sweep is None else sweep_fields(new, new.sweep)),
        )
        if status == "conflict":
            raise Conflict("this idempotency key came with another request before; use a new one")
        if status == "full":
            raise no_room(new, self._settings.max_queued_jobs)
        return await self._with_trials(job_of(pairs(fields[0]))), status == "created"

    async def get(self, job_id: str) -> Job:
        return await self._found("get", job_id)

    async def list(self, *, state: State | None, model: str | None, limit: int, after: str | None = None) -> Page:
        jobs: list[Job] = []
        before_us = after or ""
        while True:
            before_us, *records = await self._script.call(
                "page", before_us, state or "", model or "", limit - len(jobs), SCAN
            )
            jobs += [job for record in records if (job := job_or_none(pairs(record)))]
            if len(jobs) == limit or not before_us:
                return Page(jobs, before_us or None)

    async def cancel(self, job_id: str) -> Job:
        return await self._found("cancel", job_id)

    async def pause(self, job_id: str) -> Job:
        return await self._found("pause", job_id)

    async def resume(self, job_id: str) -> Job:
        return await self._found("resume", job_id)

    async def _found(self, command: str, job_id: str) -> Job:
        """The job after a command. Raises NotFound."""
        return await self._with_trials(job_found(pairs(await self._script.call(command, checked_id(job_id))), job_id))

    async def _with_trials(self, job: Job) -> Job:
        return job if job.sweep is None else with_trials(job, await self._script.call("trials", job.id))

    async def progress(self, job_id: str) -> Sequence[Mapping[str, Any]]:
        reports: list[Mapping[str, Any]] = []
        after = "0"
        while after:
            after, *found = await self._script.call("progress", checked_id(job_id), after, SCAN)
            reports += [report for data in found if (report := report_or_none(data))]
        return reports

    async def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        await self.get(job_id)
        blocking = connect(self._settings, block_s=BLOCK_S)  # a connection of its own, as long as the watch
        try:
            async for event in self._events(blocking, job_id, after):
                yield event
        finally:
            await blocking.aclose()

    async def _events(self, blocking: redis.asyncio.Redis, job_id: str, after: str) -> AsyncIterator[Event]:
        give_up = monotonic() + PATIENCE_S
        place: int | None = None
        while True:
            try:
                job = await self.get(job_id)
                events = await self._read(blocking, job_id, after, block=not job.state.is_final)
            except Unavailable:
                if monotonic() > give_up:
                    raise
                await asyncio.sleep(0.5)
                continue
            give_up = monotonic() + PATIENCE_S
            for event in events:
                yield event
                after = event.id
                if event.kind == "state":
                    state = Job.model_validate(event.data)
                    place = state.queue_position
                    if state.state.is_final:
                        return
            if job.state.is_final and not events:
                return
            if not events and job.queue_position not in (None, place):
                place = job.queue_position
                yield Event(id=after, kind="queue", data=job.model_dump(mode="json", include=QUEUE_FIELDS))

    async def _read(self, blocking: redis.asyncio.Redis, job_id: str, after: str, *, block: bool) -> Sequence[Event]:
        """The next events; waits for the first one if `block`, at most `BLOCK_S`."""
        block_ms = int(1000 * BLOCK_S) if block else None
        async with guarded(blocking):
            answer: Any = await blocking.xread({f"{key_of(job_id)}:events": after}, count=PAGE, block=block_ms)
        return [event_of(event_id, fields) for _, entries in answer for event_id, fields in entries]
