"""The jobs that this worker process runs, each in one of Celery's threads."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from pushforward.service.domain.ports import Runs
from pushforward.service.runner.supervisor import Supervisor
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers


@final
class JobRunner:
    """Shared by the threads of the worker's task."""

    def __init__(self, runs: Runs, settings: Settings, trackers: Trackers) -> None:
        self._draining = threading.Event()
        self._running: set[str] = set()
        worker = f"{socket.gethostname()}-{os.getpid()}"
        self._supervisor = Supervisor(runs, settings, worker=worker, draining=self._draining, trackers=trackers)

    def run(self, job_id: str) -> None:
        """Run a job in this thread, if it can be claimed."""
        with self._listed(job_id):
            self._supervisor.run(job_id)

    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run."""
        return tuple(sorted(self._running))

    def trouble(self) -> str | None:
        """What this machine lacked when a job was last tried."""
        return self._supervisor.trouble

    def drain(self) -> None:
        """Claim no more jobs; checkpoint those that run, and put them back into the queue."""
        self._draining.set()

    @contextmanager
    def _listed(self, job_id: str) -> Iterator[None]:
        self._running.add(job_id)
        try:
            yield
        finally:
            self._running.discard(job_id)
