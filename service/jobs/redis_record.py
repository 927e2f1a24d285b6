"""The record of jobs in Redis, as the doors see it (`RedisJobs`) and as the workers do (`RedisRuns`).

Every transition is one call of `jobs.lua`, so that it happens at once or not at all, by Redis's clock.
"""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import chain
from pathlib import Path
from time import monotonic
from typing import Any, final

import redis.asyncio

from pushforward.service.domain.errors import Conflict, NotFound, Overloaded, Unavailable
from pushforward.service.domain.jobs import KINDS, Event, Fault, Job, Kind, Page, Progress, Sampling, State
from pushforward.service.domain.ports import NewJob, Stale, Update
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import (
    COMMAND_S,
    PREFIX,
    RETRY_AFTER_S,
    connect,
    connect_sync,
    drop_foreign,
    guarded,
    guarded_sync,
)

log = logging.getLogger(__name__)

BLOCK_S = 5.0  # of one read of a watch
PATIENCE_S = 30.0  # a watch outlasts an outage of Redis so long
PAGE = 100
DAMAGED = Fault(type="lost", detail="its record in Redis was damaged; start the job again")
CONNECTIONS = 32  # for commands of one process; a watch has one more while it lasts
SCRIPT = (Path(__file__).parent / "jobs.lua").read_text()
SCAN = 1000  # records that one call of the script looks at, for a list of some of them: about a millisecond
MAX_PAUSE_S = 60.0  # before a job is tried again on a machine that was at fault
QUEUE_FIELDS = {"queue_position", "ahead"}  # of the record, told when they change
ZSETS = ("jobs", "queued", "paused", "running", *(f"waiting:{kind}" for kind in KINDS))  # of jobs.lua
ID_BYTES = 8  # of a job's id, which is their hexadecimal
LOST = Fault(type="lost", detail="its workers vanished again and again, without progress; see the workers' logs")


@final
class RedisJobs:
    """`ports.Jobs` on asyncio."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._keep_s = _keep_s(settings)
        self._connections = asyncio.Semaphore(CONNECTIONS)  # the pool never shrinks, so it may not grow
        self._redis = connect(settings)
        self._script = self._redis.register_script(SCRIPT)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        status, *fields = await self._call(
            "create",
            secrets.token_hex(ID_BYTES),
            new.model,
            new.preset or "",
            json.dumps(new.run),
            new.idempotency_key or "",
            new.fingerprint,
            self._settings.max_queued_jobs,
            *_sampling_fields(new),
        )
        if status == "conflict":
            raise Conflict("this idempotency key came with another request before; use a new one")
        if status == "full":
            raise Overloaded(f"{self._settings.max_queued_jobs} jobs are waiting; try again later", retry_after_s=30.0)
        return _job(_pairs(fields[0])), status == "created"

    async def get(self, job_id: str) -> Job:
        return _found(_pairs(await self._call("get", _known(job_id))), job_id)

    async def list(self, *, state: State | None, model: str | None, limit: int, after: str | None = None) -> Page:
        jobs: list[Job] = []
        before_us = after or ""
        while True:
            before_us, *records = await self._call("page", before_us, state or "", model or "", limit - len(jobs), SCAN)
            jobs += [job for record in records if (job := _readable(_pairs(record)))]
            if len(jobs) == limit or not before_us:
                return Page(jobs, before_us or None)

    async def cancel(self, job_id: str) -> Job:
        return _found(_pairs(await self._call("cancel", _known(job_id))), job_id)

    async def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        await self.get(job_id)
        blocking = connect(self._settings, block_s=BLOCK_S)  # its connection goes with the watch
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
        """The next events; waits for the first if told to, for at most `BLOCK_S`."""
        block_ms = int(1000 * BLOCK_S) if block else None
        async with guarded(blocking):
            answer: Any = await blocking.xread({f"{_key(job_id)}:events": after}, count=PAGE, block=block_ms)
        return [_event(event_id, fields) for _, entries in answer for event_id, fields in entries]

    async def _call(self, command: str, *arguments: str | float) -> Any:
        async with self._turn(), guarded(self._redis):
            return await self._script(keys=[PREFIX], args=[command, self._keep_s, *arguments])

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """One of the connections; whoever waits longer than Redis may take is told that it does not answer."""
        try:
            async with asyncio.timeout(COMMAND_S):
                await self._connections.acquire()
        except TimeoutError:
            raise Unavailable("Redis does not answer; try again", retry_after_s=RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._connections.release()


@final
class RedisRuns:
    """`ports.Runs` for the threads of a worker."""

    def __init__(self, settings: Settings) -> None:
        self._keep_s = _keep_s(settings)
        self._lease_ms = round(1000 * settings.lease_s)
        self._pause_ms = round(1000 * settings.pause_s)
        self._max_attempts = settings.max_attempts
        self._redis = connect_sync(settings)
        self._script = self._redis.register_script(SCRIPT)

    def close(self) -> None:
        """Close the connections."""
        self._redis.close()

    def claim(self, job_id: str, worker: str) -> Job | None:
        fields = _pairs(self._call("claim", job_id, worker, self._lease_ms))
        job = _readable(fields)
        if fields and job is None:
            self._call("fail", job_id, fields.get("epoch", ""), DAMAGED.model_dump_json())
        return job

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> bool:
        last = next((update.data for update in reversed(updates) if update.kind == "progress"), None)
        progress = (last["step"], last["total_steps"], json.dumps(last["losses"])) if last else ("", "", "")
        curves = (update.data.get("curve") for update in reversed(updates) if update.kind == "progress")
        curve = next((json.dumps(curve) for curve in curves if curve), "")
        events = chain.from_iterable((update.kind, json.dumps(update.data)) for update in updates)
        return self._fenced("beat", job_id, epoch, self._lease_ms, *progress, curve, *events) == "cancel"

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        answer = self._fenced("reserve", job_id, epoch, floor)
        return None if answer == "cancel" else int(answer)

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        self._fenced("succeed", job_id, epoch, 0, "version", version, "metrics", json.dumps(dict(metrics)))

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        answer = self._fenced("succeed", job_id, epoch, 1, "file_bytes", file_bytes, "file_sha256", file_sha256)
        return answer != "cancel"

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._fenced("fail", job_id, epoch, fault.model_dump_json())

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._fenced("lose", job_id, epoch, self._max_attempts, fault.model_dump_json())

    def give_back(self, job_id: str, epoch: int) -> None:
        self._fenced("give_back", job_id, epoch)

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        self._fenced("defer", job_id, epoch, self._pause_ms, round(1000 * MAX_PAUSE_S), reason)

    def state(self, job_id: str) -> State | None:
        with guarded_sync(self._redis):
            state: Any = self._redis.hget(_key(job_id), "state")
        return State(state) if state else None

    def expire(self) -> Sequence[str]:
        with guarded_sync(self._redis):
            for name in ZSETS:
                drop_foreign(self._redis, f"{PREFIX}{name}", "zset")
        ids: Sequence[str] = self._call("expire", self._max_attempts, LOST.model_dump_json())
        return ids

    def untold(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        ids: Sequence[str] = self._call("untold", kind, round(1000 * older_s))
        return ids

    def waiting(self, kind: Kind = "train") -> int:
        with guarded_sync(self._redis):
            drop_foreign(self._redis, f"{PREFIX}{kind}", "list")
            n: Any = self._redis.llen(f"{PREFIX}{kind}")
        return int(n)

    def restore(self, job: Job) -> None:
        self._call("restore", job.id, job.epoch, round(1000 * job.created_at), *_fields(job))

    def _fenced(self, command: str, job_id: str, epoch: int, *arguments: str | float) -> str:
        answer = self._call(command, job_id, epoch, *arguments)
        if answer == "stale":
            raise Stale(f"epoch {epoch} of job {job_id} is over")
        return str(answer)

    def _call(self, command: str, *arguments: str | float) -> Any:
        with guarded_sync(self._redis):
            return self._script(keys=[PREFIX], args=[command, self._keep_s, *arguments])


def _keep_s(settings: Settings) -> int:
    return max(1, round(settings.keep_jobs_s))


def _sampling_fields(new: NewJob) -> tuple[str, ...]:
    """What the record of a sampling has beyond that of a training."""
    if new.ask is None:
        return ()
    return "version", new.ask.model.rpartition("@")[2], "ask", new.ask.model_dump_json()


def _fields(job: Job) -> Iterator[str | int]:
    """Of the record of a job that waits: its names and values in turn."""
    yield from ("model", job.model, "preset", job.preset or "", "run", json.dumps(job.run))
    yield from ("step", job.progress.step, "total_steps", job.progress.total_steps)
    yield from ("losses", json.dumps(job.losses))
    if job.started_at is not None:
        yield from ("started_ms", round(1000 * job.started_at))
    if job.ask is not None and job.version is not None:
        yield from ("version", job.version, "ask", job.ask.model_dump_json())


def _known(job_id: str) -> str:
    """An id that could be one of ours; anything else might name another key."""
    if not re.fullmatch(f"[0-9a-f]{{{2 * ID_BYTES}}}", job_id):
        raise NotFound(f"there is no job {job_id[:100]!r}")
    return job_id


def _key(job_id: str) -> str:
    return f"{PREFIX}job:{job_id}"


def _pairs(flat: Sequence[str]) -> dict[str, str]:
    """A hash as Lua returns it."""
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _found(fields: Mapping[str, str], job_id: str) -> Job:
    if not fields:
        raise NotFound(f"there is no job {job_id[:100]!r}")
    job = _readable(fields)
    if job is None:
        raise NotFound(f"the record of job {job_id[:100]!r} is damaged; start the job again")
    return job


def _readable(fields: Mapping[str, str]) -> Job | None:
    """None where there is none, or where it is damaged, which the log tells."""
    if not fields:
        return None
    try:
        return _job(fields)
    except (LookupError, ValueError, TypeError, RecursionError) as error:
        log.warning("the record of job %r is damaged: %s", fields.get("id", "")[:100], error)
        return None


def _job(fields: Mapping[str, str]) -> Job:
    """The record as the script keeps it."""
    return Job(
        id=fields["id"],
        kind="sample" if "ask" in fields else "train",
        state=State(fields["state"]),
        model=fields["model"],
        version=int(fields["version"]) if "version" in fields else None,
        preset=fields["preset"] or None,
        run=json.loads(fields["run"]),
        ask=Sampling.model_validate_json(fields["ask"]) if "ask" in fields else None,
        file_bytes=int(fields["file_bytes"]) if "file_bytes" in fields else None,
        file_sha256=fields.get("file_sha256"),
        progress=Progress(step=int(fields.get("step", 0)), total_steps=int(fields.get("total_steps", 0))),
        losses=json.loads(fields.get("losses", "{}")),
        curve=json.loads(fields.get("curve", "null")),
        metrics=json.loads(fields.get("metrics", "{}")),
        error=Fault.model_validate_json(fields["error"]) if "error" in fields else None,
        queue_position=int(fields["queue_position"]) if "queue_position" in fields else None,
        ahead=tuple(fields.get("ahead", "").split()),
        waiting_for=fields.get("waiting_for"),
        retry_at=_seconds(fields.get("retry_ms")),
        epoch=int(fields["epoch"]),
        cancel_requested="cancel_requested" in fields,
        created_at=int(fields["created_ms"]) / 1000,
        started_at=_seconds(fields.get("started_ms")),
        finished_at=_seconds(fields.get("finished_ms")),
    )


def _event(event_id: str, fields: Mapping[str, str]) -> Event:
    """What is none becomes a line of the job's log: whoever watches must get past it."""
    try:
        kind = fields["kind"]
        if kind == "state":
            return Event(id=event_id, kind="state", data=_job(fields).model_dump(mode="json"))
        return Event.model_validate({"id": event_id, "kind": kind, "data": json.loads(fields["data"])})
    except (LookupError, ValueError, TypeError, RecursionError):
        told = {"level": "warning", "message": "an event of this job was damaged, and is left out"}
        return Event(id=event_id, kind="log", data=told)


def _seconds(ms: str | None) -> float | None:
    return int(ms) / 1000 if ms else None
