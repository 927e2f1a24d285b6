"""The heartbeat of a worker, which goes on while a long call computes.

It lives beside the thread that answers, so it proves nothing of that thread: what it tells has to.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import final

import redis

from pushforward.service.dispatch.workers import Beats
from pushforward.service.domain.catalog import Worker
from pushforward.service.processes.background import Thread
from pushforward.service.processes.outages import Outage
from pushforward.service.settings import Settings

log = logging.getLogger(__name__)


@final
class Heart(Thread):
    """Beats on its own."""

    def __init__(self, settings: Settings, tell: Callable[[], Worker]) -> None:
        super().__init__("heartbeat")
        self._beat_s = settings.beat_s
        self._beats = Beats(settings)
        self._outage = Outage(log, "Redis, for beats,")
        self._tell = tell

    def work(self) -> None:
        """Until `stop`."""
        while not self.stopping.is_set():
            pause_s = self._beat_s
            try:
                self._beats.beat(self._tell())
                self._outage.over()
            except redis.RedisError as error:
                self._beats.reconnect()
                pause_s = min(self._beat_s, self._outage.failed(error))
            self.stopping.wait(pause_s)

    def stop(self) -> None:
        """The last beat is taken back."""
        self.stopping.set()
        self.join()
        self._beats.leave(self._tell().id)
