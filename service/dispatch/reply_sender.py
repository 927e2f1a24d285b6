"""Sends large replies in a thread: while Redis takes a megabyte, the device computes the next one.

The inference thread sends small replies itself: to wake a thread costs more than to send them.
"""

from __future__ import annotations

import logging
import queue
from typing import final

from pushforward.service.dispatch.consumer import Consumer, StreamLost
from pushforward.service.dispatch.stream import ReplyBatch
from pushforward.service.domain.errors import Unavailable
from pushforward.service.processes.background import Thread

log = logging.getLogger(__name__)

QUEUED = 4  # batches; where more wait for Redis, the device waits as well


@final
class ReplySender(Thread):
    """Sends in the order given."""

    def __init__(self, consumer: Consumer) -> None:
        super().__init__("reply sender")
        self._consumer = consumer
        self._queue: queue.Queue[ReplyBatch | None] = queue.Queue(QUEUED)
        self._failed: list[ReplyBatch] = []

    def send(self, batch: ReplyBatch) -> None:
        """Put a batch on the queue; waits while the queue is full."""
        self._queue.put(batch)

    @property
    def idle(self) -> bool:
        """Whether no batch is on the queue, or has failed."""
        return self._queue.unfinished_tasks == 0 and not self._failed

    def take_failed(self) -> list[ReplyBatch]:
        """The batches that could not be sent, each once. Redis may have got some of them, which does no harm."""
        failed, self._failed = self._failed, []
        return failed

    def work(self) -> None:
        """Send until `stop`."""
        while (batch := self._queue.get()) is not None:
            try:
                self._consumer.send([batch])
            except (Unavailable, StreamLost) as error:
                log.debug("a reply was not sent: %s", error)
                self._failed.append(batch)
                self._consumer.reconnect()
            except Exception:
                log.exception("a reply cannot be sent")
            finally:
                self._queue.task_done()
        self._consumer.close()

    def flush(self) -> list[ReplyBatch]:
        """Wait until the queue is empty; the batches that could not be sent."""
        self._queue.join()
        return self.take_failed()

    def stop(self) -> None:
        """Send what is on the queue, and end."""
        self.stopping.set()
        self._queue.put(None)
        self.join()
