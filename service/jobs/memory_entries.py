"""Jobs in memory, and the transitions between their states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import Event, Fault, Job, State
from pushforward.service.domain.ports import Stale
from pushforward.service.settings import Settings

AHEAD = 10  # jobs that a queued job lists before it


@dataclass
class JobEntry:
    """A job, and the part of its record that is not public."""

    job: Job
    announced_at: float
    events: list[Event] = field(default_factory=list)
    lease_until: float = 0.0
    pauses: int = 0
    attempts: int = 0
    best_step: int = 0
    reserved: int | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # set, and replaced, by every event


@final
class Entries:
    """All jobs by id, the newest last."""

    def __init__(self, settings: Settings, clock: Callable[[], float]) -> None:
        self.by_id: dict[str, JobEntry] = {}
        self._settings = settings
        self._clock = clock
        self._n_events = 0

    def entry(self, job_id: str) -> JobEntry:
        """Raises NotFound."""
        if job_id not in self.by_id:
            raise NotFound(f"there is no job {job_id[:100]!r}")
        return self.by_id[job_id]

    def of_epoch(self, job_id: str, epoch: int) -> JobEntry:
        """The entry of a job, if its epoch is the present one. Raises NotFound, Stale."""
        entry = self.entry(job_id)
        if entry.job.epoch != epoch:
            raise Stale(f"epoch {epoch} of job {job_id} is over")
        return entry

    def held(self, job_id: str, epoch: int) -> JobEntry:
        """The entry of a job that is not over, if its epoch is the present one. Raises NotFound, Stale."""
        entry = self.of_epoch(job_id, epoch)
        if entry.job.state.is_final:
            raise Stale(f"job {job_id} is over")
        return entry

    def is_already(self, job_id: str, epoch: int, state: State) -> bool:
        """Whether the job of this epoch is in a state. Raises NotFound, Stale."""
        return self.of_epoch(job_id, epoch).job.state is state

    def lease(self, entry: JobEntry) -> None:
        """Renew a lease."""
        entry.lease_until = self._clock() + self._settings.lease_s

    def lose(self, entry: JobEntry, fault: Fault) -> None:
        """The job's runner is lost: queue the job again, or fail it after too many attempts."""
        if entry.job.cancel_requested:
            self.finish(entry, State.CANCELLED)
        elif entry.attempts >= self._settings.max_attempts:
            self.finish(entry, State.FAILED, error=fault)
        else:
            entry.announced_at = 0.0
            self.change(entry, state=State.QUEUED)

    def finish(self, entry: JobEntry, state: State, **changes: Any) -> None:
        """Put a job into a final state."""
        over = {"waiting_for": None, "retry_at": None, **changes}
        self.change(entry, state=state, finished_at=self._clock(), **over)

    def change(self, entry: JobEntry, **changes: Any) -> None:
        """Change fields of a job, and emit its state."""
        entry.job = entry.job.model_copy(update=changes)
        self.emit_state(entry)

    def emit_state(self, entry: JobEntry) -> None:
        """Emit the job as it is."""
        self.emit(entry, "state", self.seen(entry).model_dump(mode="json"))

    def seen(self, entry: JobEntry) -> Job:
        """The job, with its place in the queue."""
        if entry.job.state is not State.QUEUED:
            return entry.job
        others = [other.job for other in self.by_id.values() if other.job.kind == entry.job.kind]
        running = [job.id for job in others if job.state is State.RUNNING]
        waiting = [job.id for job in others if job.state is State.QUEUED]
        place = waiting.index(entry.job.id)
        ahead = (*running, *waiting[:place])[:AHEAD]
        return entry.job.model_copy(update={"queue_position": place + 1, "ahead": ahead})

    def emit(self, entry: JobEntry, kind: str, data: dict[str, Any]) -> None:
        """Add an event."""
        self._n_events += 1
        event = Event.model_validate({"id": str(self._n_events), "kind": kind, "data": data})
        entry.events.append(event)
        entry.changed.set()
        entry.changed = asyncio.Event()
