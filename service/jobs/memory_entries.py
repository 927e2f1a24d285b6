"""Jobs in memory, and the transitions between their states."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, final

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import Event, Fault, Job, State
from pushforward.service.domain.ports import Stale
from pushforward.service.jobs.memory_queue import JobEntry, with_place
from pushforward.service.settings import Settings


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
        elif entry.job.pause_requested:
            self.hold(entry)
        elif entry.attempts >= self._settings.max_attempts:
            self.finish(entry, State.FAILED, error=fault)
        else:
            self.queue(entry, 0.0)

    def queue(self, entry: JobEntry, announced_at: float, **changes: Any) -> None:
        """The job waits for a slot."""
        entry.announced_at, entry.ends_at, entry.yields_to = announced_at, None, None
        self.change(entry, state=State.QUEUED, pause_requested=False, **changes)

    def hold(self, entry: JobEntry) -> None:
        """Its user paused the job, and it does not run."""
        entry.ends_at, entry.yields_to = None, None
        self.change(entry, state=State.PAUSED, pause_requested=False, waiting_for=None, retry_at=None)

    def finish(self, entry: JobEntry, state: State, **changes: Any) -> None:
        """Put a job into a final state."""
        entry.takes_s, entry.ends_at, entry.yields_to = None, None, None
        over = {"waiting_for": None, "retry_at": None, "pause_requested": False, "seconds_left": None, **changes}
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
        return with_place(entry, list(self.by_id.values()), self._clock())

    def emit_preemption(self, entry: JobEntry) -> None:
        """Tell those who follow a job which one preempted it, if it only makes room."""
        if entry.yields_to is not None and not (entry.job.cancel_requested or entry.job.pause_requested):
            other = self.entry(entry.yields_to).job
            what = f"preempted by job {other.id} of priority {other.priority} at step {entry.job.progress.step}"
            self.emit(entry, "log", {"level": "info", "message": f"{what}; it goes on when a slot is free"})

    def emit(self, entry: JobEntry, kind: str, data: dict[str, Any]) -> None:
        """Add an event."""
        self._n_events += 1
        event = Event.model_validate({"id": str(self._n_events), "kind": kind, "data": data})
        entry.events.append(event)
        entry.changed.set()
        entry.changed = asyncio.Event()
