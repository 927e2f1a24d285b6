"""The heartbeat of a worker, which goes on while a long call computes.

It runs beside the inference thread and so proves nothing of it. Therefore each beat says how long that thread has been
in its present round.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import final

from pushforward.service.dispatch.workers import Announcement, Heartbeats
from pushforward.service.domain.errors import Unavailable
from pushforward.service.processes.background import Thread
from pushforward.service.processes.outages import Outage
from pushforward.service.settings import Settings

log = logging.getLogger(__name__)


@final
class HeartbeatThread(Thread):
    """Writes a heartbeat every `beat_s`."""

    def __init__(self, settings: Settings, status: Callable[[], Announcement]) -> None:
        super().__init__("heartbeat")
        self._beat_s = settings.beat_s
        self._heartbeats = Heartbeats(settings)
        self._outage = Outage(log, "Redis, for beats,")
        self._status = status

    def work(self) -> None:
        """Beat until `stop`."""
        while not self.stopping.is_set():
            pause_s = self._beat_s
            try:
                self._heartbeats.beat(self._status())
                self._outage.over()
            except Unavailable as error:
                pause_s = min(self._beat_s, self._outage.failed(error))
            self.stopping.wait(pause_s)

    def stop(self) -> None:
        """End the thread, and remove the worker from the live ones."""
        self.stopping.set()
        self.join()
        self._heartbeats.leave(self._status().id)
