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
from itertools import chain
from time import monotonic
from typing import Any, final

from service.adapters.redis_client import PREFIX, connect, connect_sync, drop_foreign, guarded, guarded_sync, script
from service.domain import Event, Fault, Job, Progress, Sampling, State
from service.errors import Conflict, NotFound, Overloaded, Unavailable
from service.ports import NewJob, Stale, Update
from service.settings import Settings

log = logging.getLogger(__name__)

BLOCK_S = 5.0  # of one read of a watch
PATIENCE_S = 30.0  # a watch outlasts an outage of Redis so long
PAGE = 100
DAMAGED = Fault(type="lost", detail="its record in Redis was damaged; start the job again")
QUEUE = "train"  # of wake-ups, as jobs.lua has it
ID_BYTES = 8  # of a job's id, which is their hexadecimal
LOST = Fault(type="lost", detail="its workers vanished again and again, without progress; see the workers' logs")


@final
class RedisJobs:
    """`ports.Jobs` on asyncio."""

    def __init__(self, settings: Settings) -> None:
        self._max_queued_jobs = settings.max_queued_jobs
        self._redis = connect(settings)
        self._blocking = connect(settings, block_s=BLOCK_S)
        self._script = self._redis.register_script(script("jobs"))

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()
        await self._blocking.aclose()

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        status, *fields = await self._call(
            "create",
            secrets.token_hex(ID_BYTES),
            new.model,
            new.preset or "",
            json.dumps(new.run),
            new.idempotency_key or "",
            new.fingerprint,
            self._max_queued_jobs,
            *_sampling_fields(new),
        )
        if status == "conflict":
            raise Conflict("this Idempotency-Key came with another request before; use a new one")
        if status == "full":
            raise Overloaded(f"{self._max_queued_jobs} jobs are waiting; try again later", retry_after_s=30.0)
        return _job(_pairs(fields[0])), status == "created"

    async def get(self, job_id: str) -> Job:
        key = _key(_known(job_id))
        async with guarded(self._redis):
            fields: Any = await self._redis.hgetall(key)
        return _found(fields, job_id)

    async def list(self, *, state: State | None, model: str | None, limit: int) -> list[Job]:
        jobs: list[Job] = []
        start = 0
        while len(jobs) < limit:
            async with guarded(self._redis):
                ids: Any = await self._redis.zrange(f"{PREFIX}jobs", start, start + PAGE - 1, desc=True)
                pipeline = self._redis.pipeline(transaction=False)
                for job_id in ids:
                    pipeline.hgetall(_key(job_id))
                records = await pipeline.execute(raise_on_error=False)
            page = [job for fields in records if isinstance(fields, dict) and (job := _readable(fields))]
            jobs += [job for job in page if state in (None, job.state) and model in (None, job.model)]
            start += PAGE
            if len(ids) < PAGE:
                break
        return jobs[:limit]

    async def cancel(self, job_id: str) -> Job:
        return _found(_pairs(await self._call("cancel", _known(job_id))), job_id)

    async def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        await self.get(job_id)
        give_up = monotonic() + PATIENCE_S
        while True:
            try:
                job = await self.get(job_id)
                events = await self._read(job_id, after, block=not job.state.is_final)
            except Unavailable:
                if monotonic() > give_up:
                    raise
                await asyncio.sleep(0.5)
                continue
            give_up = monotonic() + PATIENCE_S
            for event in events:
                yield event
                after = event.id
                if event.kind == "state" and State(event.data["state"]).is_final:
                    return
            if job.state.is_final and not events:
                return

    async def _read(self, job_id: str, after: str, *, block: bool) -> Sequence[Event]:
        """The next events; waits for the first if told to, for at most `BLOCK_S`."""
        client, block_ms = (self._blocking, int(1000 * BLOCK_S)) if block else (self._redis, None)
        async with guarded(client):
            answer: Any = await client.xread({f"{_key(job_id)}:events": after}, count=PAGE, block=block_ms)
        return [_event(event_id, fields) for _, entries in answer for event_id, fields in entries]

    async def _call(self, command: str, *arguments: str | float) -> Any:
        async with guarded(self._redis):
            return await self._script(keys=[PREFIX], args=[command, *arguments])


@final
class RedisRuns:
    """`ports.Runs` for the threads of a worker."""

    def __init__(self, settings: Settings) -> None:
        self._lease_ms = round(1000 * settings.lease_s)
        self._max_attempts = settings.max_attempts
        self._redis = connect_sync(settings)
        self._script = self._redis.register_script(script("jobs"))

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

    def state(self, job_id: str) -> State | None:
        with guarded_sync(self._redis):
            state: Any = self._redis.hget(_key(job_id), "state")
        return State(state) if state else None

    def expire(self) -> Sequence[str]:
        with guarded_sync(self._redis):
            for name in ("jobs", "queued", "running"):
                drop_foreign(self._redis, f"{PREFIX}{name}", "zset")
        ids: Sequence[str] = self._call("expire", self._max_attempts, LOST.model_dump_json())
        return ids

    def untold(self, older_s: float) -> Sequence[str]:
        ids: Sequence[str] = self._call("untold", round(1000 * older_s))
        return ids

    def waiting(self) -> int:
        with guarded_sync(self._redis):
            drop_foreign(self._redis, f"{PREFIX}{QUEUE}", "list")
            n: Any = self._redis.llen(f"{PREFIX}{QUEUE}")
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
            return self._script(keys=[PREFIX], args=[command, *arguments])


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
