"""The jobs that this worker process runs, and the thread that looks after those nobody runs."""

from __future__ import annotations

import logging
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import final

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import KINDS, Kind
from pushforward.service.domain.ports import Runs
from pushforward.service.processes.background import Thread, end_process
from pushforward.service.runner.restoring import JOBS, restore
from pushforward.service.runner.supervisor import Supervisor
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_files import FILES
from pushforward.service.stores.disk_models import TRASH

log = logging.getLogger(__name__)

NEGLECT = 3  # reconciliations before a waiting job counts as untold
SWEEP_S = 600.0  # between two sweeps of old work and files, at most


@final
class Trainings:
    """What the worker's task threads share."""

    def __init__(self, runs: Runs, settings: Settings) -> None:
        self._draining = threading.Event()
        self._running: set[str] = set()
        worker = f"{socket.gethostname()}-{os.getpid()}"
        self._supervisor = Supervisor(runs, settings, worker=worker, draining=self._draining)

    def run(self, job_id: str) -> None:
        """Run a job in this thread, if there is something to claim."""
        with self._listed(job_id):
            self._supervisor.run(job_id)

    def running(self) -> tuple[str, ...]:
        """The ids of the jobs in hand."""
        return tuple(sorted(self._running))

    def trouble(self) -> str | None:
        """What this machine lacked when a job was last tried."""
        return self._supervisor.trouble

    def drain(self) -> None:
        """Claim no more; keep what is done of those that run, and put them back into the queue."""
        self._draining.set()

    @contextmanager
    def _listed(self, job_id: str) -> Iterator[None]:
        self._running.add(job_id)
        try:
            yield
        finally:
            self._running.discard(job_id)


@final
class Reconciler(Thread):
    """Requeues jobs whose lease ran out, tells workers again of jobs that wait, and sweeps what ended jobs left.

    Every worker runs one: each transition is atomic, so two do no harm. After an outage of Redis nothing expires for
    one lease, so that the runners can beat first.
    """

    def __init__(
        self,
        runs: Runs,
        settings: Settings,
        wake: Callable[[str, Kind], None],
        *,
        free: Callable[[Kind], int] = lambda _: 0,
    ) -> None:
        super().__init__("reconciler")
        self._free = free
        self._untaken_looks: dict[Kind, int] = {}
        self._runs = runs
        self._settings = settings
        self._wake = wake
        self._expire_from = 0.0
        self._sweep_from = 0.0

    def work(self) -> None:
        """Once now, then every `reconcile_s`."""
        while True:
            try:
                self.reconcile()
            except Unavailable:
                self._untaken_looks.clear()
                self._expire_from = monotonic() + self._settings.lease_s
            except Exception:
                log.exception("the reconciler goes on after a defect")
            if self.stopping.wait(self._settings.reconcile_s):
                return

    def stop(self) -> None:
        """After the present round."""
        self.stopping.set()

    def untaken_s(self) -> float:
        """How long wake-ups have waited although a slot was free: whoever should take them does not work.

        It counts looks, not seconds: a process that was stopped itself, and goes on, has missed nothing.
        """
        return max(0, max(self._untaken_looks.values(), default=0) - 1) * self._settings.reconcile_s

    def reconcile(self) -> None:
        """One round. Raises Unavailable."""
        self._look_at_queue()
        restore(self._runs, self._settings.store)
        if monotonic() >= self._expire_from:
            for job_id in self._runs.expire():
                log.warning("job %s lost its runner", job_id)
        for kind in KINDS:
            for job_id in self._runs.untold(NEGLECT * self._settings.reconcile_s, kind):
                self._wake(job_id, kind)
        if monotonic() >= self._sweep_from:
            self._sweep_from = monotonic() + min(SWEEP_S, max(1.0, self._settings.keep_files_s / 10))
            sweep(self._runs, self._settings.store, keep_s=self._settings.keep_work_s)
            sweep_files(self._runs, self._settings.store, keep_s=self._settings.keep_files_s)
            sweep_deleted(self._settings.store)

    def _look_at_queue(self) -> None:
        """A consumer that takes nothing, although it could, ends the process with it."""
        for kind in KINDS:
            untaken = self._free(kind) > 0 and self._runs.waiting(kind) > 0
            self._untaken_looks[kind] = self._untaken_looks.get(kind, 0) + 1 if untaken else 0
        if self.untaken_s() > self._settings.hang_s:
            end_process(f"jobs wait, a slot is free, and none was taken for {self.untaken_s():.0f} s")


def sweep(runs: Runs, store: Path, *, keep_s: float) -> None:
    """Delete what jobs that ended without a model or a file have done, once it is older than `keep_s`.

    Raises Unavailable: without the record nothing is known to have ended.
    """
    for work in (store / JOBS).glob("*"):
        state = runs.state(work.name)
        if (state is None or state.is_final) and _written_at(work) < time() - keep_s:
            shutil.rmtree(work, ignore_errors=True)
            log.info("job %s: swept what it had done", work.name)


def sweep_files(runs: Runs, store: Path, *, keep_s: float) -> None:
    """Delete the files of samplings that ended longer than `keep_s` ago.

    Raises Unavailable: without the record nothing is known to have ended.
    """
    for file in (store / FILES).glob("*.npy"):
        job_id = file.name.partition("-")[0]
        state = runs.state(job_id)
        if (state is None or state.is_final) and _written_at(file) < time() - keep_s:
            file.unlink(missing_ok=True)
            log.info("job %s: swept its file", job_id)


def sweep_deleted(store: Path) -> None:
    """Delete the versions whose deletion was broken off: a process was killed, or a disk was read-only."""
    for grave in (store / TRASH).glob("*"):
        shutil.rmtree(grave, ignore_errors=True)


def _written_at(work: Path) -> float:
    """When it was last written, or something made or deleted within; infinite where another worker sweeps it now."""
    try:
        return max(folder.stat().st_mtime for folder in (work, *(each for each in work.rglob("*") if each.is_dir())))
    except FileNotFoundError:
        return inf
