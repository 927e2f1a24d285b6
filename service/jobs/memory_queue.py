"""The jobs in memory that wait and run: who is claimed first, who is preempted, and when each will start."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import mean

from pushforward.service.domain.jobs import Event, Job, Kind, Progress, State
from pushforward.service.domain.sweeps import TrialRecord

AHEAD = 10  # jobs that a queued job lists before it
FORESEEN = 100  # waiting jobs of a kind whose start is foreseen
PATIENCE_BEATS = 3  # a job that waits for so long finds no free slot


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
    ends_at: float | None = None  # while it runs
    takes_s: float | None = None  # from its first step to its last
    trials: tuple[TrialRecord, ...] = ()  # of a search
    yields_to: str | None = None  # the job that preempts it
    left_at: float = 0.0  # when it last ceased to run
    changed: asyncio.Event = field(default_factory=asyncio.Event)  # set, and replaced, by every event

    @property
    def is_ending(self) -> bool:
        """Whether it is about to end: it is scored, or published."""
        progress = self.job.progress
        return self.reserved is not None or 0 < progress.total_steps <= progress.step

    @property
    def may_stop(self) -> bool:
        """Whether it is not too late to cancel or to pause it."""
        return not (self.job.state.is_final or self.job.cancel_requested or self.reserved)

    def foresee(self, left_s: float, progress: Progress, now: float) -> None:
        """Keep when the job ends, and how long it takes in all."""
        self.ends_at = now + left_s
        if progress.step < progress.total_steps:
            self.takes_s = left_s * progress.total_steps / (progress.total_steps - progress.step)


def with_place(entry: JobEntry, entries: Sequence[JobEntry], now: float) -> Job:
    """The job; of a queued one with its place in the queue."""
    if entry.job.state is not State.QUEUED:
        return entry.job
    kind, job_id = entry.job.kind, entry.job.id
    waiting = [each.job.id for each in line(entries, kind)]
    place = waiting.index(job_id)
    ahead = (*(each.job.id for each in running(entries, kind)), *waiting[:place])[:AHEAD]
    starts_at = starts(entries, kind, now).get(job_id)
    return entry.job.model_copy(update={"queue_position": place + 1, "ahead": ahead, "starts_at": starts_at})


def line(entries: Iterable[JobEntry], kind: Kind) -> list[JobEntry]:
    """The waiting jobs of a kind: by priority, the highest first, then by creation."""
    waiting = [each for each in entries if each.job.kind == kind and each.job.state is State.QUEUED]
    return sorted(waiting, key=lambda each: -each.job.priority)


def running(entries: Iterable[JobEntry], kind: Kind) -> list[JobEntry]:
    """The running jobs of a kind."""
    return [each for each in entries if each.job.kind == kind and each.job.state is State.RUNNING]


def starts(entries: Sequence[JobEntry], kind: Kind, now: float) -> Mapping[str, float]:
    """When each of the first waiting jobs will start, as `starts` of jobs.lua."""
    at_work, waiting = running(entries, kind), line(entries, kind)[:FORESEEN]
    known = [each.takes_s for each in (*at_work, *waiting) if each.takes_s is not None]
    usual_s = mean(known) if known else None
    free_at = []
    for each in at_work:
        ends_at = each.ends_at if each.ends_at is not None or usual_s is None else now + usual_s
        if ends_at is None:
            return {}
        free_at.append(max(now, ends_at))
    found: dict[str, float] = {}
    for each in waiting if free_at else ():
        if (each.job.retry_at or 0.0) <= now:
            free_at.sort()
            found[each.job.id] = free_at[0]
            left_s = usual_s if each.job.seconds_left is None else each.job.seconds_left
            if left_s is None:
                break
            free_at[0] += left_s
    return found


def preemptor(entry: JobEntry, entries: Sequence[JobEntry], now: float, beat_s: float) -> str | None:
    """The waiting job that a running one makes room for, as `preemptor` of jobs.lua."""
    kind = entry.job.kind
    if entry.yields_to is not None:
        return entry.yields_to
    if kind == "evaluate" or entry.is_ending:
        return None
    n_freed = 0
    freed_at = max(other.left_at for other in entries if other.job.kind == kind)
    for other in running(entries, kind):
        if other.job.cancel_requested or other.job.pause_requested or other.yields_to is not None:
            n_freed += 1
        elif not other.is_ending and _rank(other) < _rank(entry):
            return None
    for place, other in enumerate(each for each in line(entries, kind) if (each.job.retry_at or 0.0) <= now):
        if place == n_freed:
            has_waited = other.announced_at > 0 and max(other.announced_at, freed_at) <= now - PATIENCE_BEATS * beat_s
            return other.job.id if has_waited and other.job.priority > entry.job.priority else None
    return None


def _rank(entry: JobEntry) -> tuple[int, float, str]:
    """The lowest is preempted first: of a priority, the one that started last."""
    return entry.job.priority, -(entry.job.started_at or 0.0), entry.job.id
