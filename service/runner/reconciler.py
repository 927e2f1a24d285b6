"""Reconciles the record of jobs with reality: lost runners, lost wake-ups, lost data, old files."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable
from math import inf
from pathlib import Path
from time import monotonic, time
from typing import final

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import KINDS, Kind
from pushforward.service.domain.ports import Runs
from pushforward.service.processes.background import Thread, end_process
from pushforward.service.runner.restoring import JOBS, SCRATCH, restore
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_files import FILES
from pushforward.service.stores.disk_models import TRASH

log = logging.getLogger(__name__)

UNANNOUNCED_ROUNDS = 3  # reconciliations after which a queued job is announced again
SWEEP_S = 600.0  # between two sweeps of old work and files, at most


@final
class Reconciler(Thread):
    """Requeues jobs whose lease expired, announces queued jobs again, and deletes the files of finished jobs.

    Every worker runs one; each transition is atomic, so several do no harm. After an outage of Redis no lease expires
    for one lease time, so that the runners can beat first.
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
        self._untaken_rounds: dict[Kind, int] = {}
        self._runs = runs
        self._settings = settings
        self._wake = wake
        self._expire_from = 0.0
        self._sweep_from = 0.0

    def work(self) -> None:
        """Reconcile now, then every `reconcile_s`."""
        while True:
            try:
                self.reconcile()
            except Unavailable:
                self._untaken_rounds.clear()
                self._expire_from = monotonic() + self._settings.lease_s
            except Exception:
                log.exception("the reconciler goes on after a defect")
            if self.stopping.wait(self._settings.reconcile_s):
                return

    def stop(self) -> None:
        """End after the present round."""
        self.stopping.set()

    def untaken_s(self) -> float:
        """How long wake-ups have waited although a slot was free, because the Celery consumer does not work.

        It counts rounds, not seconds: a process that was suspended and goes on has missed nothing.
        """
        return max(0, max(self._untaken_rounds.values(), default=0) - 1) * self._settings.reconcile_s

    def reconcile(self) -> None:
        """One round. Raises Unavailable."""
        self._check_queue()
        restore(self._runs, self._settings.store)
        if monotonic() >= self._expire_from:
            for job_id in self._runs.expire():
                log.warning("job %s lost its runner", job_id)
        for kind in KINDS:
            for job_id in self._runs.unannounced(UNANNOUNCED_ROUNDS * self._settings.reconcile_s, kind):
                self._wake(job_id, kind)
        if monotonic() >= self._sweep_from:
            self._sweep_from = monotonic() + min(SWEEP_S, max(1.0, self._settings.keep_files_s / 10))
            sweep(self._runs, self._settings.store, keep_s=self._settings.keep_work_s)
            sweep_files(self._runs, self._settings.store, keep_s=self._settings.keep_files_s)
            sweep_deleted(self._settings.store)

    def _check_queue(self) -> None:
        """End the process if its Celery consumer takes no wake-ups although it could."""
        for kind in KINDS:
            untaken = self._free(kind) > 0 and self._runs.waiting(kind) > 0
            self._untaken_rounds[kind] = self._untaken_rounds.get(kind, 0) + 1 if untaken else 0
        if self.untaken_s() > self._settings.hang_s:
            end_process(f"jobs wait, a slot is free, and none was taken for {self.untaken_s():.0f} s")


def sweep(runs: Runs, store: Path, *, keep_s: float) -> None:
    """Delete the folders of finished jobs that are older than `keep_s`, and their decoded data at once.

    Raises Unavailable: without the record it is not known which jobs have finished.
    """
    for work in (store / JOBS).glob("*"):
        state = runs.state(work.name)
        if state is not None and state.is_final:
            shutil.rmtree(work / SCRATCH, ignore_errors=True)
        if (state is None or state.is_final) and _written_at(work) < time() - keep_s:
            shutil.rmtree(work, ignore_errors=True)
            log.info("job %s: swept what it had done", work.name)


def sweep_files(runs: Runs, store: Path, *, keep_s: float) -> None:
    """Delete the files of samplings that finished longer than `keep_s` ago.

    Raises Unavailable: without the record it is not known which jobs have finished.
    """
    for file in (store / FILES).glob("*-*.*"):
        job_id = file.name.partition("-")[0]
        state = runs.state(job_id)
        if (state is None or state.is_final) and _written_at(file) < time() - keep_s:
            file.unlink(missing_ok=True)
            log.info("job %s: swept its file", job_id)


def sweep_deleted(store: Path) -> None:
    """Finish deletions of versions that failed: a process was killed, or a disk was read-only."""
    for grave in (store / TRASH).glob("*"):
        shutil.rmtree(grave, ignore_errors=True)


def _written_at(work: Path) -> float:
    """The latest modification time within a folder; infinite where another worker deletes it now."""
    try:
        return max(folder.stat().st_mtime for folder in (work, *(each for each in work.rglob("*") if each.is_dir())))
    except FileNotFoundError:
        return inf
