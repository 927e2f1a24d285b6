"""The thread that writes a process's metrics into the folder that processes share."""

from __future__ import annotations

import logging
from typing import final

from pushforward.service.processes.background import Thread
from pushforward.service.telemetry.registry import Metrics

SHARE_S = 1.0  # between two writes of a process

log = logging.getLogger(__name__)


@final
class MetricsSharing(Thread):
    """Writes once a second, from the start of the process to its end."""

    def __init__(self, metrics: Metrics) -> None:
        super().__init__("metrics")
        self._metrics = metrics

    def work(self) -> None:
        """Write until `stop`."""
        while not self.stopping.is_set():
            self._share(ended=False)
            self.stopping.wait(SHARE_S)

    def stop(self) -> None:
        """Write a last time."""
        self.stopping.set()
        self.join()
        self._share(ended=True)

    def _share(self, *, ended: bool) -> None:
        try:
            self._metrics.share(ended=ended)
        except OSError as error:
            log.debug("the metrics cannot be written: %s", error)
