"""Kombu's transport over Redis, made to survive malformed messages.

Kombu does not catch errors when it parses an item of the queue, so one item that is not JSON ends the worker's
consumer. Here such an item is dropped, counted and logged: it has left the queue already, and its writer is unknown.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from queue import Empty
from time import sleep
from typing import Any, final

from kombu.transport import redis
from redis import ResponseError

from pushforward.service.processes.outages import Outage

log = logging.getLogger(__name__)

NO_MESSAGE = (ValueError, LookupError, TypeError, AttributeError, RecursionError)  # of its JSON, its fields, its body
_n_dropped = [0]
_QUEUE = Outage(log, "the queue of jobs")


def dropped_wakeups() -> int:
    """The number of messages that this process has dropped."""
    return _n_dropped[0]


def _drop(error: Exception) -> None:
    _n_dropped[0] += 1
    log.warning("dropped an item of the queue that is not a message: %r", error)


class QueueOrder(ABC):
    """Kombu's `queue_order_strategy`: which queues are read next. It learns of malformed messages too."""

    @abstractmethod
    def discarded(self) -> None:
        """The item that was read last was malformed, and starts no job."""


@final
class TolerantChannel(redis.Channel):
    """Drops malformed messages."""

    def _brpop_read(self, **options: Any) -> Any:
        try:
            return super()._brpop_read(**options)  # type: ignore[no-untyped-call]  # kombu is untyped
        except ResponseError as error:
            if "WRONGTYPE" not in str(error):
                raise
            sleep(_QUEUE.failed(error))  # until a reconciler has dropped the key
            raise Empty from None
        except NO_MESSAGE as error:
            _drop(error)
            if isinstance(self._queue_cycle, QueueOrder):
                self._queue_cycle.discarded()
            raise Empty from None

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        try:
            return super()._get(queue)  # type: ignore[no-untyped-call]  # kombu is untyped
        except NO_MESSAGE as error:
            _drop(error)
            raise Empty from None


@final
class TolerantTransport(redis.Transport):
    """The transport with these channels."""

    Channel = TolerantChannel
