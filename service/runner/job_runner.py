"""The jobs that this worker process runs, each in one of Celery's threads."""

from __future__ import annotations

import os
import socket
import threading
from typing import final

from pushforward.service.domain.jobs import Kind
from pushforward.service.domain.ports import Runs
from pushforward.service.runner.supervisor import Supervisor
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers


@final
class JobRunner:
    """Shared by the threads of the worker's task."""

    def __init__(self, runs: Runs, settings: Settings, trackers: Trackers) -> None:
        self._draining = threading.Event()
        worker = f"{socket.gethostname()}-{os.getpid()}"
        self._supervisor = Supervisor(runs, settings, worker=worker, draining=self._draining, trackers=trackers)

    def run(self, kind: Kind) -> None:
        """Run jobs of a kind in this thread, until none waits."""
        self._supervisor.run(kind)

    def running(self) -> tuple[str, ...]:
        """The ids of the jobs that run."""
        return self._supervisor.running

    def trouble(self) -> str | None:
        """What this machine lacked when a job was last tried."""
        return self._supervisor.trouble

    def drain(self) -> None:
        """Claim no more jobs; checkpoint those that run, and put them back into the queue."""
        self._draining.set()
