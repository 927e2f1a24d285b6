"""The record of jobs in this process's memory: for tests and for embedding. Implements `ports.Jobs` and `ports.Runs`.

It passes the tests of the Redis record. One thread only: that of the event loop.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, final

from pushforward.service.domain.errors import Conflict
from pushforward.service.domain.jobs import LOST, MAX_PAUSE_S, Event, Fault, Job, Kind, Page, Progress, State, Wish
from pushforward.service.domain.ports import NewJob, Update, no_room
from pushforward.service.jobs.memory_entries import Entries
from pushforward.service.jobs.memory_queue import JobEntry, line, preemptor
from pushforward.service.settings import Settings

IDEMPOTENCY_S = 24 * 3600.0


@final
class MemoryJobs:
    """The record of jobs, for the lifetime of this object."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.time) -> None:
        self._settings = settings
        self._clock = clock
        self._entries = Entries(settings, clock)
        self._keys: dict[str, tuple[str, str, float]] = {}  # job, fingerprint, when
        self._versions: dict[str, int] = {}

    async def close(self) -> None:
        """There is nothing to close."""

    # --- for gateways ---

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        now = self._clock()
        if new.idempotency_key in self._keys:
            job_id, fingerprint, since = self._keys[new.idempotency_key]
            if now - since < IDEMPOTENCY_S:
                if fingerprint != new.fingerprint:
                    raise Conflict("this idempotency key came with another request before; use a new one")
                return self._entries.whole(self._entries.by_id[job_id]), False
        if self._entries.n_waiting + (len(new.trials) or 1) > self._settings.max_queued_jobs:
            raise no_room(new, self._settings.max_queued_jobs)
        entry = self._entries.add(new)
        if new.idempotency_key:
            self._keys[new.idempotency_key] = (entry.job.id, new.fingerprint, now)
        return self._entries.whole(entry), True

    async def get(self, job_id: str) -> Job:
        return self._entries.whole(self._entries.entry(job_id))

    async def list(self, *, state: State | None, model: str | None, limit: int, after: str | None = None) -> Page:
        newest_first = list(enumerate(self._entries.by_id.values(), 1))[::-1]
        found = [
            (number, self._entries.seen(entry))
            for number, entry in newest_first
            if number < int(after or len(self._entries.by_id) + 1)
            and state in (None, entry.job.state)
            and model in (None, entry.job.model)
        ]
        return Page([job for _, job in found[:limit]], str(found[limit - 1][0]) if len(found) > limit else None)

    async def cancel(self, job_id: str) -> Job:
        entry = self._entries.entry(job_id)
        if entry.may_stop and entry.job.kind == "sweep":
            self._entries.change(entry, cancel_requested=True)
        for each in self._entries.trials_or_self(entry):
            if each.may_stop:
                if each.job.state is State.RUNNING:
                    self._entries.change(each, cancel_requested=True)
                else:
                    self._entries.finish(each, State.CANCELLED, cancel_requested=True)
        return self._entries.whole(entry)

    async def pause(self, job_id: str) -> Job:
        entry = self._entries.entry(job_id)
        for each in self._entries.trials_or_self(entry) if entry.may_stop else ():
            if each.may_stop:
                if each.job.state is State.QUEUED:
                    self._entries.hold(each)
                elif each.job.state is State.RUNNING and not each.job.pause_requested:
                    self._entries.change(each, pause_requested=True)
        return self._entries.whole(entry)

    async def resume(self, job_id: str) -> Job:
        entry = self._entries.entry(job_id)
        for each in self._entries.trials_or_self(entry):
            if each.job.state is State.PAUSED:
                self._entries.queue(each, self._clock())
            elif each.job.state is State.RUNNING and each.job.pause_requested:
                self._entries.change(each, pause_requested=False)
        return self._entries.whole(entry)

    async def progress(self, job_id: str) -> Sequence[Mapping[str, Any]]:
        return [event.data for event in self._entries.entry(job_id).events if event.kind == "progress"]

    async def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        entry = self._entries.entry(job_id)
        seen = int(after.partition("-")[0])
        while True:
            changed = entry.changed
            for event in [event for event in entry.events if int(event.id) > seen]:
                yield event
                seen = int(event.id)
            if entry.job.state.is_final and int(entry.events[-1].id) <= seen:
                return
            await changed.wait()

    # --- for workers ---

    def claim(self, kind: Kind, worker: str) -> Job | None:
        now = self._clock()
        may_run = (each for each in line(self._entries.by_id.values(), kind) if (each.job.retry_at or 0.0) <= now)
        entry = next(may_run, None)
        if entry is None:
            return None
        entry.attempts += 1
        self._entries.lease(entry)
        started_at = entry.job.started_at or now
        left_s = entry.job.seconds_left
        entry.ends_at = None if left_s is None else now + left_s
        epoch = entry.job.epoch + 1
        self._entries.change(
            entry, state=State.RUNNING, epoch=epoch, started_at=started_at, waiting_for=None, retry_at=None
        )
        return entry.job

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> Wish:
        entry = self._entries.held(job_id, epoch)
        self._entries.lease(entry)
        last = next((update.data for update in reversed(updates) if update.kind == "progress"), None)
        if last:
            if last["step"] > entry.best_step:
                entry.best_step, entry.attempts, entry.pauses = last["step"], 0, 0
            progress = Progress(step=last["step"], total_steps=last["total_steps"])
            curves = [update.data["curve"] for update in updates if update.data.get("curve")]
            changes = {"losses": last["losses"], "curve": curves[-1] if curves else entry.job.curve}
            if last.get("seconds_left") is not None:
                changes["seconds_left"] = last["seconds_left"]
                entry.foresee(last["seconds_left"], progress, self._clock())
            entry.job = Job.model_validate({**entry.job.model_dump(), "progress": progress, **changes})
        if entry.job.state is State.QUEUED:
            self._entries.change(entry, state=State.RUNNING)
        for update in updates:
            self._entries.emit(entry, update.kind, update.data)
        if entry.job.cancel_requested:
            return Wish.CANCEL
        if entry.job.state is State.PAUSED or entry.job.pause_requested:
            return Wish.PAUSE
        others = list(self._entries.by_id.values())
        entry.yields_to = preemptor(entry, others, self._clock(), self._settings.beat_s)
        return Wish.GO_ON if entry.yields_to is None else Wish.YIELD

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        entry = self._entries.held(job_id, epoch)
        if entry.job.cancel_requested:
            return None
        if entry.reserved is None:
            entry.reserved = max(self._versions.get(entry.job.model, 0), floor) + 1
            self._versions[entry.job.model] = entry.reserved
        return entry.reserved

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        if not self._entries.is_already(job_id, epoch, State.SUCCEEDED):
            self._entries.finish(
                self._entries.held(job_id, epoch), State.SUCCEEDED, version=version, metrics=dict(metrics)
            )

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        if self._entries.is_already(job_id, epoch, State.SUCCEEDED):
            return True
        entry = self._entries.held(job_id, epoch)
        if entry.job.cancel_requested:
            return False
        self._entries.finish(entry, State.SUCCEEDED, file_bytes=file_bytes, file_sha256=file_sha256)
        return True

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        if not self._entries.is_already(job_id, epoch, State.FAILED):
            self._entries.finish(self._entries.held(job_id, epoch), State.FAILED, error=fault)

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        entry = self._entries.of_epoch(job_id, epoch)
        if entry.job.state is State.RUNNING:
            self._entries.lose(entry, fault)

    def give_back(self, job_id: str, epoch: int) -> None:
        entry = self._entries.of_epoch(job_id, epoch)
        if entry.job.state is State.RUNNING:
            entry.attempts = 0
            self._entries.emit_preemption(entry)
            self._entries.lose(entry, LOST)

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        entry = self._entries.of_epoch(job_id, epoch)
        if entry.job.state is not State.RUNNING:
            return
        if entry.job.cancel_requested:
            self._entries.finish(entry, State.CANCELLED)
            return
        pause_s = min(self._settings.pause_s * 2**entry.pauses, MAX_PAUSE_S)
        entry.attempts, entry.pauses = max(0, entry.attempts - 1), entry.pauses + 1
        if entry.job.pause_requested:
            self._entries.hold(entry)
        else:
            self._entries.queue(entry, 0.0, waiting_for=reason, retry_at=self._clock() + pause_s)

    def state(self, job_id: str) -> State | None:
        entry = self._entries.by_id.get(job_id)
        return entry.job.state if entry else None

    def expire(self) -> Sequence[str]:
        now = self._clock()
        expired = [
            e
            for e in self._entries.by_id.values()
            if e.job.state is State.RUNNING and e.lease_until <= now and e.job.kind != "sweep"
        ]
        for entry in expired:
            self._entries.lose(entry, LOST)
        return [entry.job.id for entry in expired]

    def unannounced(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        now = self._clock()
        queued = [e for e in self._entries.by_id.values() if e.job.state is State.QUEUED and e.job.kind == kind]
        waiting = [e for e in queued if e.announced_at <= now - older_s and (e.job.retry_at or 0.0) <= now]
        for entry in waiting:
            entry.announced_at = now
        return [entry.job.id for entry in waiting]

    def waiting(self, kind: Kind = "train") -> int:
        return 0  # a wake-up runs its job at once

    def restore(self, job: Job) -> None:
        if job.id not in self._entries.by_id:
            state = State.PAUSED if job.state is State.PAUSED else State.QUEUED
            waiting = job.model_copy(update={"state": state, "pause_requested": False})
            self._entries.by_id[job.id] = entry = JobEntry(waiting, announced_at=self._clock())
            self._entries.emit_state(entry)
