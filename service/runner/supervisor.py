"""Runs a job from its claim to its end: one child process, watched by one thread.

    claim ─ start the child ─┬─ done ──────────────── put it in its place ─ succeeded
                             ├─ blocked ────────────── queued again after a pause: the machine is at fault, uncounted
                             ├─ refused ───────────── failed
                             ├─ cancel wanted ─────── SIGTERM, keep what is done ─ cancelled
                             ├─ pause wanted ──────── SIGTERM, keep what is done ─ paused
                             ├─ a higher job waits ── SIGTERM, keep what is done ─ queued again, behind that job
                             ├─ worker drains ─────── SIGTERM, keep what is done ─ queued again
                             ├─ crashed or stalled ── queued again, or failed when tried often
                             └─ stale epoch ───────── SIGKILL; another runner has the job

A slot claims the job of its kind that is first in line, and goes on claiming until none waits.

While Redis does not answer, the child goes on and its updates wait. If its epoch is still the newest when Redis answers
again, its lease is renewed; a stale epoch is refused every write.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf
from time import monotonic, sleep
from typing import TypeVar, final

from pushforward.models.errors import in_words
from pushforward.service.domain.errors import Conflict, Unavailable
from pushforward.service.domain.jobs import Fault, Job, Kind, Wish
from pushforward.service.domain.ports import Runs, Stale
from pushforward.service.runner.attempts import JobAttempt, attempt_of
from pushforward.service.runner.child_process import JobProcess
from pushforward.service.runner.messages import (
    DONE,
    INTERRUPTED,
    BlockedMessage,
    LogMessage,
    MetricsMeasured,
    ModelWritten,
    PictureMessage,
    ProgressMessage,
    RefusalMessage,
    ReportWritten,
    Result,
    RowsWritten,
)
from pushforward.service.runner.watch.updates import PendingUpdates
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers

log = logging.getLogger(__name__)

T = TypeVar("T")
GLANCE_S = 0.2  # of one read, so that a drain is soon noticed
TROUBLE_S = 180.0  # after the last job that met it, trouble is over: more than twice the longest pause


@dataclass
class Outcome:
    """How an attempt ends, as far as it is known."""

    made: Result | None = None  # the child's result
    fault: Fault | None = None  # of the run or its data
    blocked: str | None = None  # what the machine lacks
    cancelled: bool = False
    stopped: bool = False  # to be cancelled, to be paused, or to make room
    stalled: bool = False


@final
class Supervisor:
    """Runs jobs in the calling thread, one at a time."""

    def __init__(
        self,
        runs: Runs,
        settings: Settings,
        *,
        worker: str,
        draining: threading.Event,
        trackers: Trackers | None = None,
    ) -> None:
        self._runs, self._settings = runs, settings
        self._worker, self._draining = worker, draining
        self._trackers = trackers or Trackers()
        self._running: set[str] = set()
        self._away: set[str] = set()  # jobs whose latest beat Redis did not take
        self._trouble: tuple[str, float] | None = None  # what the machine lacked when a job was last tried, and when

    @property
    def trouble(self) -> str | None:
        """What the machine lacks, as far as jobs were tried lately."""
        if self._trouble is None or monotonic() - self._trouble[1] > TROUBLE_S:
            return None
        return self._trouble[0]

    @property
    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run."""
        return tuple(sorted(self._running.copy()))

    def run(self, kind: Kind) -> None:
        """Claim and attempt jobs of a kind, the first in line first, until none waits."""
        try:
            while not self._draining.is_set():
                job = self._runs.claim(kind, self._worker)
                if job is None:
                    return
                with self._listed(job.id):
                    self._attempt(job)
        except Unavailable:
            log.warning("jobs are left to the reconciler: Redis does not answer")

    @contextmanager
    def _listed(self, job_id: str) -> Iterator[None]:
        """Have the job among those that run; leave it alone once another runner has it."""
        self._running.add(job_id)
        try:
            yield
        except Stale:
            log.warning("job %s has another runner; left alone", job_id)
        finally:
            self._running.discard(job_id)

    def _attempt(self, job: Job) -> None:
        attempt = attempt_of(job, self._runs, self._settings)
        log.info("job %s: attempt %d", job.id, job.epoch)
        try:
            child = JobProcess(attempt.prepare())
        except OSError as error:
            self._defer(job, in_words(error))
            return
        outcome = Outcome()
        self._trackers.begin(job)
        try:
            with child:
                self._follow(job, child, outcome)
            self._conclude(job, child, outcome, attempt)
        finally:
            metrics = outcome.made.metrics if isinstance(outcome.made, ModelWritten) else {}
            self._trackers.end(job, lambda: self._runs.state(job.id), metrics)

    def _follow(self, job: Job, child: JobProcess, outcome: Outcome) -> None:
        """Read messages and send beats until the child has ended. Raises Stale."""
        updates = PendingUpdates()
        message_at = beaten_at = monotonic()
        kill_at = inf
        while not child.ended:
            messages = child.read(GLANCE_S)
            now = monotonic()
            for message in messages:
                message_at = now
                match message:
                    case ProgressMessage() | MetricsMeasured() | LogMessage() | PictureMessage():
                        updates.add(message.update)
                        self._trackers.record(job, message.update)
                    case RefusalMessage():
                        outcome.fault = message.fault
                    case BlockedMessage():
                        outcome.blocked = message.reason
                    case ModelWritten() | RowsWritten() | ReportWritten():
                        outcome.made = message
            if now - beaten_at >= self._settings.beat_s:
                wish = self._beat(job, updates)
                outcome.cancelled |= wish is Wish.CANCEL
                outcome.stopped |= wish is not Wish.GO_ON
                beaten_at = now
            if kill_at == inf and (outcome.stopped or self._draining.is_set()):
                child.terminate()
                kill_at = now + self._settings.cancel_grace_s
            outcome.stalled |= now - message_at > self._settings.stall_s
            if now >= kill_at or outcome.stalled:
                child.kill()
        self._beat(job, updates)

    def _beat(self, job: Job, updates: PendingUpdates) -> Wish:
        """Send the updates; what is to be done. They are kept while Redis does not answer."""
        try:
            wish = self._runs.beat(job.id, job.epoch, updates.all())
        except Unavailable:
            if job.id not in self._away:
                log.warning("job %s goes on while Redis does not answer", job.id)
                self._away.add(job.id)
            return Wish.GO_ON
        self._away.discard(job.id)
        updates.clear()
        return wish

    def _conclude(self, job: Job, child: JobProcess, outcome: Outcome, attempt: JobAttempt) -> None:
        if outcome.made is not None and child.exit_code == DONE:
            self._deliver(attempt, outcome.made)
        elif outcome.fault is not None:
            fault = outcome.fault
            self._retry(lambda: self._runs.fail(job.id, job.epoch, fault))
            attempt.forget_failed()
        elif outcome.blocked is not None:
            self._defer(job, outcome.blocked)
        elif outcome.stopped or self._draining.is_set() or child.exit_code == INTERRUPTED:
            self._retry(lambda: self._runs.give_back(job.id, job.epoch))
            if outcome.cancelled and not attempt.keep_when_cancelled:
                attempt.forget()
        else:
            fault = Fault(type="crashed", detail=f"{child.ending}; the worker's log has its last words")
            if outcome.stalled:
                fault = Fault(type="stalled", detail=f"no word for {self._settings.stall_s:g} s; {child.ending}")
            log.warning("job %s: %s: %s", job.id, fault.detail, child.stderr_end)
            self._retry(lambda: self._runs.lose(job.id, job.epoch, fault))

    def _deliver(self, attempt: JobAttempt, made: Result) -> None:
        job = attempt.job
        try:
            delivered = attempt.deliver(made, self._retry)
        except OSError as error:
            self._defer(job, in_words(error))
            return
        except (ValueError, Conflict) as error:
            fault = Fault(type="store", detail=f"what it made could not be put into the store: {error}")
            self._retry(lambda: self._runs.lose(job.id, job.epoch, fault))
            return
        self._trouble = None
        if not delivered:
            self._retry(lambda: self._runs.give_back(job.id, job.epoch))
        if delivered or not attempt.keep_when_cancelled:
            attempt.forget()

    def _defer(self, job: Job, reason: str) -> None:
        """The machine is at fault: the job waits, and this attempt does not count."""
        level = logging.DEBUG if reason == self.trouble else logging.ERROR  # one line for each fault, not for each job
        log.log(level, "job %s waits: %s", job.id, reason)
        self._trouble = reason, monotonic()
        self._retry(lambda: self._runs.defer(job.id, job.epoch, reason))

    def _retry(self, write: Callable[[], T]) -> T:
        """Write to the record until Redis answers; a draining worker retries for the grace period only."""
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
