"""Requests that wait for room in a forward pass, earliest deadline first."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import final

from pushforward.service.engine.tickets import Ticket


@final
class WaitingTickets:
    """A heap by deadline, then arrival. A refused ticket stays until it is first."""

    def __init__(self) -> None:
        self.rows = 0  # of tickets that were not refused, without those that joined
        self._heap: list[tuple[float, int, Ticket]] = []

    def __bool__(self) -> bool:
        return bool(self._heap)

    @property
    def first(self) -> Ticket:
        """The one with the earliest deadline. Raises IndexError where none is left."""
        return self._heap[0][2]

    @property
    def tickets(self) -> list[Ticket]:
        """Those that were not refused."""
        return [ticket for _, _, ticket in self._heap if ticket.error is None]

    def add(self, ticket: Ticket, arrival: int) -> None:
        """Take one in."""
        heappush(self._heap, (ticket.deadline, arrival, ticket))
        self.rows += ticket.question.rows

    def pop(self) -> Ticket:
        """Take the first one out."""
        return heappop(self._heap)[2]

    def is_late(self, now: float) -> bool:
        """Whether a deadline has passed."""
        return bool(self._heap) and self._heap[0][0] <= now

    def late(self, now: float) -> list[Ticket]:
        """Take out those whose deadline has passed, and refused ones that are first."""
        found = []
        while self._heap and (self._heap[0][0] <= now or self._heap[0][2].error):
            ticket = self.pop()
            if ticket.error is None:
                found.append(ticket)
        return found
