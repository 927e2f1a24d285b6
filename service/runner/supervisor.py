"""From a claimed job to what it leaves: one child, watched by one thread.

    claim ─ start the child ─┬─ done ──────────────── put it in its place ─ succeeded
                             ├─ barred ────────────── queued again after a pause: the machine is at fault, uncounted
                             ├─ refused ───────────── failed
                             ├─ cancel wanted ─────── SIGTERM, keep what is done ─ cancelled
                             ├─ worker drains ─────── SIGTERM, keep what is done ─ queued again
                             ├─ crashed or stalled ── queued again, or failed when tried often
                             └─ stale epoch ───────── SIGKILL; another runner has the job

While Redis is away the child goes on and its news wait. An epoch that is still the newest when Redis returns
revives its lease; a stale one is refused everything.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import monotonic, sleep
from typing import TypeVar, final

from pushforward.models.errors import in_words
from pushforward.service.domain.errors import Conflict, Unavailable
from pushforward.service.domain.jobs import Fault, Job
from pushforward.service.domain.ports import Runs, Stale, Update
from pushforward.service.runner.attempts import Work, work_of
from pushforward.service.runner.child_process import JobProcess
from pushforward.service.runner.messages import (
    DONE,
    INTERRUPTED,
    Advanced,
    AttemptRefused,
    Barred,
    Finished,
    Noted,
    RowsWritten,
)
from pushforward.service.settings import Settings

log = logging.getLogger(__name__)

T = TypeVar("T")
GLANCE_S = 0.2  # how soon a drain is noticed
TROUBLE_S = 180.0  # without another job that met it, trouble is over: twice the longest pause, and some
BUFFER = 500  # updates kept while Redis is away; the oldest go first


@dataclass
class Ending:
    """What is known of how an attempt ends."""

    made: Finished | RowsWritten | None = None  # what the child finished
    fault: Fault | None = None  # the laboratory refused
    barred: str | None = None  # what the machine lacks
    cancelled: bool = False
    stalled: bool = False


@final
class Supervisor:
    """Runs jobs in the calling thread, one at a time."""

    def __init__(self, runs: Runs, settings: Settings, *, worker: str, draining: threading.Event) -> None:
        self._runs = runs
        self._settings = settings
        self._worker = worker
        self._draining = draining
        self._away: set[str] = set()  # jobs whose latest beat was not heard
        self._trouble: tuple[str, float] | None = None  # what the machine lacked when a job was last tried, and when

    @property
    def trouble(self) -> str | None:
        """What the machine lacks, as far as jobs were tried lately."""
        if self._trouble is None or monotonic() - self._trouble[1] > TROUBLE_S:
            return None
        return self._trouble[0]

    def run(self, job_id: str) -> None:
        """Attempt the job until it is no longer there to be claimed."""
        try:
            while not self._draining.is_set():
                job = self._runs.claim(job_id, self._worker)
                if job is None:
                    return
                self._attempt(job)
        except Stale:
            log.warning("job %s has another runner; left alone", job_id)
        except Unavailable:
            log.warning("job %s is left to the reconciler: Redis does not answer", job_id)

    def _attempt(self, job: Job) -> None:
        work = work_of(job, self._runs, self._settings)
        log.info("job %s: attempt %d", job.id, job.epoch)
        try:
            child = JobProcess(work.prepare())
        except OSError as error:
            self._defer(job, in_words(error))
            return
        with child:
            ending = self._follow(job, child)
        self._conclude(job, child, ending, work)

    def _follow(self, job: Job, child: JobProcess) -> Ending:
        """Listen and beat until the child has ended. Raises Stale."""
        ending = Ending()
        news: deque[Update] = deque(maxlen=BUFFER)
        heard_at = beaten_at = monotonic()
        kill_at = inf
        while not child.ended:
            lines = child.read(GLANCE_S)
            now = monotonic()
            for line in lines:
                heard_at = now
                match line:
                    case Advanced() | Noted():
                        news.append(line.update)
                    case AttemptRefused():
                        ending.fault = line.fault
                    case Barred():
                        ending.barred = line.reason
                    case Finished() | RowsWritten():
                        ending.made = line
            if now - beaten_at >= self._settings.beat_s:
                ending.cancelled |= self._beat(job, news)
                beaten_at = now
            if kill_at == inf and (ending.cancelled or self._draining.is_set()):
                child.terminate()
                kill_at = now + self._settings.cancel_grace_s
            ending.stalled |= now - heard_at > self._settings.stall_s
            if now >= kill_at or ending.stalled:
                child.kill()
        self._beat(job, news)
        return ending

    def _beat(self, job: Job, news: deque[Update]) -> bool:
        """Tell the news; whether the job's end is wanted. While Redis is away the news stay."""
        try:
            wanted = self._runs.beat(job.id, job.epoch, tuple(news))
        except Unavailable:
            if job.id not in self._away:
                log.warning("job %s goes on while Redis does not answer", job.id)
                self._away.add(job.id)
            return False
        self._away.discard(job.id)
        news.clear()
        return wanted

    def _conclude(self, job: Job, child: JobProcess, ending: Ending, work: Work) -> None:
        if ending.made is not None and child.exit_code == DONE:
            self._deliver(work, ending.made)
        elif ending.fault is not None:
            fault = ending.fault
            self._settle(lambda: self._runs.fail(job.id, job.epoch, fault))
            work.forget()
        elif ending.barred is not None:
            self._defer(job, ending.barred)
        elif ending.cancelled or self._draining.is_set() or child.exit_code == INTERRUPTED:
            self._settle(lambda: self._runs.give_back(job.id, job.epoch))
            if ending.cancelled and not work.outlives_cancel:
                work.forget()
        else:
            fault = Fault(type="crashed", detail=f"{child.ending}; the worker's log has its last words")
            if ending.stalled:
                fault = Fault(type="stalled", detail=f"no word for {self._settings.stall_s:g} s; {child.ending}")
            log.warning("job %s: %s: %s", job.id, fault.detail, child.last_words)
            self._settle(lambda: self._runs.lose(job.id, job.epoch, fault))

    def _deliver(self, work: Work, made: Finished | RowsWritten) -> None:
        job = work.job
        try:
            delivered = work.deliver(made, self._settle)
        except OSError as error:
            self._defer(job, in_words(error))
            return
        except (ValueError, Conflict) as error:
            fault = Fault(type="store", detail=f"what it made could not be put into the store: {error}")
            self._settle(lambda: self._runs.lose(job.id, job.epoch, fault))
            return
        self._trouble = None
        if not delivered:
            self._settle(lambda: self._runs.give_back(job.id, job.epoch))
        if delivered or not work.outlives_cancel:
            work.forget()

    def _defer(self, job: Job, reason: str) -> None:
        """The machine is at fault: the job waits, as it is."""
        level = logging.DEBUG if reason == self.trouble else logging.ERROR  # one line for each trouble, not each job
        log.log(level, "job %s waits: %s", job.id, reason)
        self._trouble = reason, monotonic()
        self._settle(lambda: self._runs.defer(job.id, job.epoch, reason))

    def _settle(self, write: Callable[[], T]) -> T:
        """Write a conclusion, waiting for Redis to come back; a draining worker waits for the grace period only."""
        give_up = inf
        while True:
            try:
                return write()
            except Unavailable:
                if self._draining.is_set():
                    give_up = min(give_up, monotonic() + self._settings.cancel_grace_s)
                if monotonic() >= give_up:
                    raise
                sleep(self._settings.beat_s)
