"""Requests that wait for room in a call: earliest deadline first."""

from __future__ import annotations

from heapq import heappop, heappush
from math import inf
from typing import final

from pushforward.service.engine.batching.rows import Segment
from pushforward.service.engine.tickets import Ticket


@final
class WaitingQueue:
    """Requests not all of whose rows have joined. Refused requests (those with an error) are skipped."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Ticket]] = []  # deadline, arrival
        self.rows = 0

    @property
    def deadline(self) -> float:
        """The earliest one; infinite where nothing waits."""
        first = self.first
        return inf if first is None else first.deadline

    @property
    def first(self) -> Ticket | None:
        """The request with the earliest deadline."""
        while self._heap and self._heap[0][2].error is not None:
            heappop(self._heap)
        return self._heap[0][2] if self._heap else None

    @property
    def tickets(self) -> list[Ticket]:
        """All that wait."""
        return [ticket for _, _, ticket in self._heap if ticket.error is None]

    def push(self, ticket: Ticket, arrival: int) -> None:
        """Add a request; of equal deadlines the earlier arrival is first."""
        heappush(self._heap, (ticket.deadline, arrival, ticket))
        self.rows += ticket.request.rows

    def pop_late(self, now: float) -> list[Ticket]:
        """Requests whose deadline has passed. They are to be refused."""
        late = []
        while (first := self.first) is not None and first.deadline <= now:
            late.append(first)
            heappop(self._heap)
        return late

    def refused(self, ticket: Ticket) -> None:
        """Its rows no longer count."""
        self.rows -= ticket.request.rows - ticket.joined

    def take(self, room: int) -> Segment | None:
        """At most so many rows of the first request join a call."""
        ticket = self.first
        if ticket is None:
            return None
        n = min(room, ticket.request.rows - ticket.joined)
        segment = Segment(ticket, ticket.joined, n)
        ticket.joined += n
        self.rows -= n
        if ticket.joined == ticket.request.rows:
            heappop(self._heap)
        return segment
