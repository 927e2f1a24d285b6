"""Kombu's transport over Redis, which outlives what is no message.

Kombu parses what it popped where nothing catches an error, so one item that is not JSON ends the worker's consumer.
Here such an item is dropped, counted and logged: it is gone from the list already, and nobody knows who wrote it.
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
    """By this process, since it began."""
    return _n_dropped[0]


def _drop(error: Exception) -> None:
    _n_dropped[0] += 1
    log.warning("dropped an item of the queue that is not a message: %r", error)


class Order(ABC):
    """Which queues are read next, as kombu's `queue_order_strategy` has it; told of what was read and is no message."""

    @abstractmethod
    def unread(self) -> None:
        """The latest item that was read starts no job."""


@final
class Channel(redis.Channel):
    """Drops what is no message."""

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
            if isinstance(self._queue_cycle, Order):
                self._queue_cycle.unread()
            raise Empty from None

    def _get(self, queue: str, timeout: float | None = None) -> Any:
        try:
            return super()._get(queue)  # type: ignore[no-untyped-call]  # kombu is untyped
        except NO_MESSAGE as error:
            _drop(error)
            raise Empty from None


@final
class Transport(redis.Transport):
    """With these channels."""

    Channel = Channel
