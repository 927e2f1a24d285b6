"""Large replies go by a thread of their own: while Redis takes a megabyte, the device computes the next one.

Small ones do not: to wake a thread costs more than to send them.
"""

from __future__ import annotations

import logging
import queue
from typing import final

import redis

from pushforward.service.dispatch.consumer import Mail, Sending
from pushforward.service.processes.background import Thread

log = logging.getLogger(__name__)

IN_HAND = 4  # that wait for Redis; with more, the device waits as well


@final
class Postman(Thread):
    """Sends in the order given."""

    def __init__(self, mail: Mail) -> None:
        super().__init__("postman")
        self._mail = mail
        self._bag: queue.Queue[Sending | None] = queue.Queue(IN_HAND)
        self._returned: list[Sending] = []

    def send(self, sending: Sending) -> None:
        """Take it along; waits while the bag is full."""
        self._bag.put(sending)

    @property
    def idle(self) -> bool:
        """Whether nothing is on its way, or has come back."""
        return self._bag.unfinished_tasks == 0 and not self._returned

    def returned(self) -> list[Sending]:
        """What could not be sent, once; some of it may have arrived, which does no harm."""
        returned, self._returned = self._returned, []
        return returned

    def work(self) -> None:
        """Until `stop`."""
        while (sending := self._bag.get()) is not None:
            try:
                self._mail.post([sending])
            except redis.RedisError as error:
                log.debug("a reply comes back: %s", error)
                self._returned.append(sending)
                self._mail.reconnect()
            except Exception:
                log.exception("a reply cannot be sent")
            finally:
                self._bag.task_done()
        self._mail.close()

    def finish(self) -> list[Sending]:
        """Wait until the bag is empty; what could not be sent."""
        self._bag.join()
        return self.returned()

    def stop(self) -> None:
        """The bag is emptied first."""
        self.stopping.set()
        self._bag.put(None)
        self.join()
