"""Jobs in memory, and the transitions between their states."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from typing import Any, final

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import NO_TRIAL, Event, Fault, Job, Kind, Progress, State
from pushforward.service.domain.ports import NewJob, Stale
from pushforward.service.domain.sweeps import Reached, TrialRecord, with_scores
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

    @property
    def n_waiting(self) -> int:
        """How many jobs are queued or paused; a search is neither, for its trials are."""
        waiting = (State.QUEUED, State.PAUSED)
        return sum(each.job.state in waiting and each.job.kind != "sweep" for each in self.by_id.values())

    def add(self, new: NewJob) -> JobEntry:
        """A new job that waits, or a search and its trials, which do."""
        if new.sweep is None:
            return self._added(new, new.run, new.kind, State.QUEUED)
        now = self._clock()
        entry = self._added(new, new.run, new.kind, State.RUNNING, sweep=new.sweep, started_at=now)
        trials = []
        for trial in new.trials:
            job = self._added(new, trial.run, "train", State.QUEUED, part_of=entry.job.id).job
            trials.append(TrialRecord(job=job.id, values=trial.values))
        entry.trials = tuple(trials)
        self.change(entry, progress=Progress(total_steps=len(trials)))
        return entry

    def _added(self, new: NewJob, run: dict[str, Any], kind: Kind, state: State, **fields: Any) -> JobEntry:
        job = Job(
            id=secrets.token_hex(8),
            kind=kind,
            state=state,
            model=new.model,
            version=new.version,
            preset=new.preset,
            priority=new.priority,
            run=run,
            ask=new.ask,
            evaluation=new.evaluation,
            created_at=self._clock(),
            **fields,
        )
        self.by_id[job.id] = entry = JobEntry(job, announced_at=self._clock())
        if kind != "sweep":
            self.emit_state(entry)
        return entry

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
        self._settle(entry)

    def trials_or_self(self, entry: JobEntry) -> list[JobEntry]:
        """The trials of a search, or the job that is none."""
        return [self.by_id[trial.job] for trial in entry.trials] or [entry]

    def whole(self, entry: JobEntry) -> Job:
        """The job as it is; of a search with its trials and what they reached."""
        if entry.job.sweep is None:
            return self.seen(entry)
        jobs = [self.by_id[trial.job].job for trial in entry.trials]
        reached = [Reached(job.state, job.version, job.curve, job.metrics) for job in jobs]
        sweep = with_scores(entry.job.sweep.model_copy(update={"trials": entry.trials}), reached)
        return entry.job.model_copy(update={"sweep": sweep})

    def _settle(self, trial: JobEntry) -> None:
        """After a trial ended, paused or goes on, as `settle` of jobs.lua."""
        entry = self.by_id.get(trial.job.part_of or "")
        if entry is None or entry.job.state.is_final:
            return
        states = [self.by_id[each.job].job.state for each in entry.trials]
        n_over = sum(state.is_final for state in states)
        if n_over < len(states):
            is_paused = n_over + states.count(State.PAUSED) == len(states)
            state, step = State.PAUSED if is_paused else State.RUNNING, entry.job.progress.step
            if (state, n_over) != (entry.job.state, step):
                self.change(entry, state=state, progress=Progress(step=n_over, total_steps=len(states)))
            return
        progress, n_cancelled = Progress(step=n_over, total_steps=n_over), states.count(State.CANCELLED)
        if (n_cancelled and entry.job.cancel_requested) or n_cancelled == n_over:
            self.finish(entry, State.CANCELLED, progress=progress)
        elif State.SUCCEEDED in states:
            self.finish(entry, State.SUCCEEDED, progress=progress)
        else:
            self.finish(entry, State.FAILED, progress=progress, error=NO_TRIAL)

    def hold(self, entry: JobEntry) -> None:
        """Its user paused the job, and it does not run."""
        entry.ends_at, entry.yields_to = None, None
        self.change(entry, state=State.PAUSED, pause_requested=False, waiting_for=None, retry_at=None)
        self._settle(entry)

    def finish(self, entry: JobEntry, state: State, **changes: Any) -> None:
        """Put a job into a final state."""
        entry.takes_s, entry.ends_at, entry.yields_to = None, None, None
        over = {"waiting_for": None, "retry_at": None, "pause_requested": False, "seconds_left": None, **changes}
        self.change(entry, state=state, finished_at=self._clock(), **over)
        self._settle(entry)

    def change(self, entry: JobEntry, **changes: Any) -> None:
        """Change fields of a job, and emit its state."""
        if entry.job.state is State.RUNNING and changes.get("state", State.RUNNING) is not State.RUNNING:
            entry.left_at = self._clock()
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
