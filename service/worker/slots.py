"""Slots for each kind of jobs: a wake-up is taken from its queue only while its kind has a free one.

Celery has one pool of threads and would fill it with whatever comes, so that a short sampling waits behind long
trainings. Kombu asks a *queue order strategy* which queues to read next, and tells it which one a message came from:
this one leaves out the queues whose slots are taken. A wake-up that is not read stays for a worker with a free slot.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import monotonic
from typing import final

from pushforward.service.jobs.celery_transport import Order

STARTED_S = 5.0  # a message read so long ago without starting a job was none of ours


@final
class Slots:
    """How many jobs of each kind may run; a kind is the name of its queue. Any thread may call."""

    def __init__(self, n_slots: Mapping[str, int]) -> None:
        self._n_slots = dict(n_slots)
        self._running = dict.fromkeys(n_slots, 0)
        self._taken_at: dict[str, deque[float]] = {kind: deque() for kind in n_slots}  # read, not yet started
        self._lock = threading.Lock()

    @property
    def total(self) -> int:
        """Of all kinds."""
        return sum(self._n_slots.values())

    def free(self, kind: str) -> int:
        """How many slots of a kind nobody has."""
        with self._lock:
            taken_at = self._taken_at[kind]
            while taken_at and taken_at[0] < monotonic() - STARTED_S:
                taken_at.popleft()
            return self._n_slots[kind] - self._running[kind] - len(taken_at)

    def take(self, kind: str) -> None:
        """A wake-up was read."""
        with self._lock:
            self._taken_at[kind].append(monotonic())

    def untake(self, kind: str) -> None:
        """What was read latest was no wake-up."""
        with self._lock:
            if self._taken_at[kind]:
                self._taken_at[kind].pop()

    @contextmanager
    def running(self, kind: str) -> Iterator[None]:
        """While its job runs."""
        with self._lock:
            if self._taken_at[kind]:
                self._taken_at[kind].popleft()
            self._running[kind] += 1
        try:
            yield
        finally:
            with self._lock:
                self._running[kind] -= 1

    def cycle(self) -> Cycle:
        """As kombu wants it: `queue_order_strategy`."""
        return Cycle(self)


@final
class Cycle(Order):
    """The queues with a free slot, the one read last at the end."""

    def __init__(self, slots: Slots) -> None:
        self._slots = slots
        self._queues: list[str] = []

    def update(self, queues: list[str]) -> None:
        """These are all."""
        self._queues = list(queues)

    def consume(self, n: int) -> list[str]:
        """Those to be read next."""
        return [queue for queue in self._queues if self._slots.free(queue) > 0][:n]

    def rotate(self, last_used: str) -> str:
        """A message was read from this one."""
        self._slots.take(last_used)
        self._queues.sort(key=last_used.__eq__)
        return last_used

    def unread(self) -> None:
        self._slots.untake(self._queues[-1])
