"""Slots for each kind of job: a worker takes a wake-up from a queue only while its kind has a free slot.

Celery has one pool of threads and fills it with any message, so a short sampling would wait behind long trainings.
Kombu asks a *queue order strategy* which queues to read next, and reports which one a message came from. This one
leaves out the queues without a free slot. A wake-up that is not read stays for a worker that has one.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import final

from pushforward.service.jobs.celery_transport import QueueOrder

STARTED_S = 5.0  # after which a message that was read and started no job is forgotten


@final
class Slots:
    """How many jobs of each kind may run; a kind is the name of its queue. Thread-safe."""

    def __init__(self, n_slots: Mapping[str, int]) -> None:
        self._n_slots = dict(n_slots)
        self._running = dict.fromkeys(n_slots, 0)
        self._taken_at: dict[str, deque[float]] = {kind: deque() for kind in n_slots}  # read and not started yet
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """The slots of all kinds."""
        return sum(self._n_slots.values())

    def free(self, kind: str) -> int:
        """The number of free slots of a kind."""
        with self._lock:
            taken_at = self._taken_at[kind]
            while taken_at and taken_at[0] < monotonic() - STARTED_S:
                taken_at.popleft()
            return self._n_slots[kind] - self._running[kind] - len(taken_at)

    def take(self, kind: str) -> None:
        """Take a slot: a wake-up was read."""
        with self._lock:
            self._taken_at[kind].append(monotonic())

    def untake(self, kind: str) -> None:
        """Free the slot of the message that was read last: it was malformed."""
        with self._lock:
            if self._taken_at[kind]:
                self._taken_at[kind].pop()

    @contextmanager
    def running(self, kind: str) -> Iterator[None]:
        """Hold a slot while a job runs."""
        with self._lock:
            if self._taken_at[kind]:
                self._taken_at[kind].popleft()
            self._running[kind] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[kind] -= 1

    def cycle(self) -> SlotOrder:
        """The `queue_order_strategy` for kombu."""
        return SlotOrder(self)


@final
class SlotOrder(QueueOrder):
    """Queues with a free slot, the one that was read last at the end."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._queues: list[str] = []

    def update(self, queues: list[str]) -> None:
        """Set all queues."""
        self._queues = list(queues)

    def consume(self, n: int) -> list[str]:
        """The queues to read next."""
        return [queue for queue in self._queues if self._slots.free(queue) > 0][:n]

    def rotate(self, last_used: str) -> str:
        """A message was read from this queue."""
        self._slots.take(last_used)
        self._queues.sort(key=last_used.__eq__)
        return last_used

    def discarded(self) -> None:
        self._slots.untake(self._queues[-1])
