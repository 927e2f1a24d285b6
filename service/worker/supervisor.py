"""From a claimed job to a published model: one training child, watched by one thread.

    claim ─ start the child ─┬─ done ──────────────── reserve a version ─ publish ─ succeeded
                             ├─ refused ───────────── failed
                             ├─ cancel wanted ─────── SIGTERM, checkpoint ─ cancelled
                             ├─ worker drains ─────── SIGTERM, checkpoint ─ queued again
                             ├─ crashed or stalled ── queued again, or failed when tried often
                             └─ stale epoch ───────── SIGKILL; another runner has the job

While Redis is away the training goes on and its news wait. An epoch that is still the newest when Redis returns
revives its lease; a stale one is refused everything.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from pathlib import Path
from time import monotonic, sleep
from typing import TypeVar, final

from service.adapters.disk_models import newest_number, publish
from service.domain import Fault, Job
from service.errors import Conflict, Unavailable
from service.ports import Runs, Stale, Update
from service.settings import Settings
from service.worker.lines import DONE, INTERRUPTED, Advanced, Finished, Noted, Order, Refused
from service.worker.process import Child

log = logging.getLogger(__name__)

T = TypeVar("T")
JOBS = ".jobs"  # folder of the store: `{job}/{epoch}/{order.json,states,model}`
GLANCE_S = 0.2  # how soon a drain is noticed
BUFFER = 500  # updates kept while Redis is away; the oldest go first


@dataclass
class Ending:
    """What is known of how an attempt ends."""

    metrics: dict[str, float] | None = None  # the child finished its model
    fault: Fault | None = None  # the laboratory refused
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
        work = self._settings.store.resolve() / JOBS / job.id
        log.info("job %s: attempt %d", job.id, job.epoch)
        try:
            child = Child(self._prepare(job, work))
        except OSError as error:
            fault = Fault(type="crashed", detail=f"the training process could not be started: {error}")
            self._settle(lambda: self._runs.lose(job.id, job.epoch, fault))
            return
        with child:
            ending = self._follow(job, child)
        self._conclude(job, child, ending, work)

    def _prepare(self, job: Job, work: Path) -> Path:
        """Make the attempt's folder; returns its order."""
        attempt = work / str(job.epoch)
        shutil.rmtree(attempt, ignore_errors=True)
        earlier = sorted((folder for folder in work.glob("[0-9]*")), key=lambda folder: int(folder.name), reverse=True)
        attempt.mkdir(parents=True)
        order = Order(
            run=job.run,
            data_root=self._settings.data_root.resolve(),
            states=attempt / "states",
            earlier=tuple(folder / "states" for folder in earlier),
            model=attempt / "model",
            checkpoint_s=self._settings.checkpoint_s,
            device=self._settings.device,
            torch_threads=self._settings.torch_threads,
        )
        order_file = attempt / "order.json"
        order_file.write_text(order.model_dump_json())
        return order_file

    def _follow(self, job: Job, child: Child) -> Ending:
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
                    case Refused():
                        ending.fault = line.fault
                    case Finished():
                        ending.metrics = line.metrics
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
            log.warning("job %s trains on while Redis does not answer", job.id)
            return False
        news.clear()
        return wanted

    def _conclude(self, job: Job, child: Child, ending: Ending, work: Path) -> None:
        if ending.metrics is not None and child.exit_code == DONE:
            self._publish(job, ending.metrics, work)
        elif ending.fault is not None:
            fault = ending.fault
            self._settle(lambda: self._runs.fail(job.id, job.epoch, fault))
            shutil.rmtree(work, ignore_errors=True)
        elif ending.cancelled or self._draining.is_set() or child.exit_code == INTERRUPTED:
            self._settle(lambda: self._runs.give_back(job.id, job.epoch))
        else:
            fault = Fault(type="crashed", detail=child.ending)
            if ending.stalled:
                fault = Fault(type="stalled", detail=f"no word for {self._settings.stall_s:g} s; {child.ending}")
            log.warning("job %s: %s", job.id, fault.detail)
            self._settle(lambda: self._runs.lose(job.id, job.epoch, fault))

    def _publish(self, job: Job, metrics: dict[str, float], work: Path) -> None:
        store = self._settings.store.resolve()
        floor = newest_number(store, job.model)
        version = self._settle(lambda: self._runs.reserve_version(job.id, job.epoch, floor))
        if version is None:
            self._settle(lambda: self._runs.give_back(job.id, job.epoch))
            return
        try:
            card = publish(work / str(job.epoch) / "model", store, model=job.model, version=version, job=job.id)
        except (OSError, Conflict, json.JSONDecodeError) as error:
            fault = Fault(type="store", detail=f"the model could not be published: {error}")
            self._settle(lambda: self._runs.lose(job.id, job.epoch, fault))
            return
        self._settle(lambda: self._runs.succeed(job.id, job.epoch, version, metrics))
        log.info("job %s: published %s", job.id, card.reference)
        shutil.rmtree(work, ignore_errors=True)

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
