"""The threads of the trackers: what happens in jobs waits in a queue, so that no tracker slows or fails a job."""

from __future__ import annotations

import logging
import queue
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import final

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Update
from pushforward.service.processes.background import Thread
from pushforward.service.trackers.tracker import Tracker

log = logging.getLogger(__name__)

MOST_WAITING = 1_000  # for one tracker; what comes beyond is dropped
IDLE_S = 2.0  # after which what was written is flushed


@final
class TrackerThread(Thread):
    """One tracker, and what waits for it."""

    def __init__(self, tracker: Tracker) -> None:
        super().__init__(f"tracker {tracker.name}")
        self._tracker = tracker
        self._waiting: queue.Queue[tuple[str, Callable[[], None]] | None] = queue.Queue(MOST_WAITING)
        self._told: set[str] = set()  # jobs whose trouble was told

    def begin(self, job: Job) -> None:
        """As `Tracker.begin`, soon."""
        self._put(job.id, partial(self._tracker.begin, job))

    def record(self, job_id: str, update: Update) -> None:
        """As `Tracker.record`, soon."""
        self._put(job_id, partial(self._tracker.record, job_id, update))

    def end(self, job_id: str, state: State | None, metrics: Mapping[str, float]) -> None:
        """As `Tracker.end`, soon."""
        self._put(job_id, partial(self._tracker.end, job_id, state, metrics))

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most so long."""
        self.stopping.set()
        self._put("", None)
        self.join(timeout_s)

    def work(self) -> None:
        """Write what comes, in its order, until `close`."""
        is_flushed = True
        while True:
            try:
                task = self._waiting.get(timeout=None if is_flushed else IDLE_S)
            except queue.Empty:
                self._do("", self._tracker.flush)
                is_flushed = True
                continue
            if task is None:
                self._do("", self._tracker.flush)
                return
            self._do(*task)
            is_flushed = False

    def _put(self, job_id: str, write: Callable[[], None] | None) -> None:
        try:
            self._waiting.put_nowait(None if write is None else (job_id, write))
        except queue.Full:
            self._tell(job_id, f"it is {MOST_WAITING} updates behind")

    def _do(self, job_id: str, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:
            self._tell(job_id, f"{type(error).__name__}: {error}")

    def _tell(self, job_id: str, trouble: str) -> None:
        """One line for each job."""
        if job_id not in self._told:
            self._told.add(job_id)
            log.warning("not all of job %s is written to %s: %s", job_id, self._tracker.name, trouble)


@final
class Trackers:
    """All trackers of a worker; they are made by `start`."""

    def __init__(self, makers: Sequence[Callable[[], Tracker]] = ()) -> None:
        self._makers = makers
        self._threads: list[TrackerThread] = []

    def start(self) -> None:
        """Make them, each in a thread. Raises what a maker raises."""
        self._threads = [TrackerThread(make()) for make in self._makers]
        for thread in self._threads:
            thread.start()

    def begin(self, job: Job) -> None:
        """An attempt begins."""
        for thread in self._of(job):
            thread.begin(job)

    def record(self, job: Job, update: Update) -> None:
        """Something happened in it."""
        for thread in self._of(job):
            thread.record(job.id, update)

    def end(self, job: Job, state: Callable[[], State | None], metrics: Mapping[str, float]) -> None:
        """It is over; `state` of the job is asked for where there is a tracker, and may raise Unavailable."""
        threads, now = self._of(job), None
        with suppress(Unavailable):
            now = state() if threads else None
        for thread in threads:
            thread.end(job.id, now, metrics)

    def close(self, timeout_s: float) -> None:
        """Write what waits, for at most so long each."""
        for thread in self._threads:
            thread.close(timeout_s)
        self._threads = []

    def _of(self, job: Job) -> Sequence[TrackerThread]:
        """Trainings are tracked, and no other jobs."""
        return self._threads if job.kind == "train" else ()
