"""Requests that a worker has taken and not yet replied to, and whose they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

from pushforward.service.dispatch.messages import Answered, AnyReply, Previewed, Refusal, Requests
from pushforward.service.engine.tickets import Key, Ticket, Turn
from pushforward.service.worker.peer import Peer

Outgoing = dict[tuple[Peer, Key], list[AnyReply]]  # replies to one gateway about one key


@final
@dataclass(eq=False, slots=True)
class Taken:
    """A request in hand."""

    peer: Peer
    id: int  # the gateway's own
    sent_at: float  # by time.monotonic()
    was_cancelled: bool = False


class Ended(NamedTuple):
    """A request whose reply is ready."""

    ticket: Ticket
    taken: Taken


@final
class InFlight:
    """Knows for each ticket its gateway. One thread only."""

    def __init__(self) -> None:
        self._of: dict[Ticket, Taken] = {}
        self._tickets: dict[Peer, dict[int, Ticket]] = {}

    def __bool__(self) -> bool:
        return bool(self._of)

    @property
    def tickets(self) -> list[Ticket]:
        """All tickets without a reply."""
        return list(self._of)

    def take(self, peer: Peer, frame: Requests) -> list[Ticket]:
        """Take requests in; gives a ticket for each of them."""
        sent_at = peer.sent_at(frame.sent_at)
        of_peer = self._tickets.setdefault(peer, {})
        tickets = []
        for framed in frame.requests:
            if framed.id in of_peer:
                continue  # no gateway of ours sends it twice
            ticket = Ticket(framed.request, sent_at + framed.left_ms / 1000)
            self._of[ticket] = Taken(peer, framed.id, sent_at)
            of_peer[framed.id] = ticket
            tickets.append(ticket)
        return tickets

    def cancel(self, peer: Peer, ids: Iterable[int]) -> list[Ticket]:
        """The tickets of cancelled requests that are still in hand."""
        of_peer = self._tickets.get(peer, {})
        tickets = [of_peer[each] for each in ids if each in of_peer]
        for ticket in tickets:
            self._of[ticket].was_cancelled = True
        return tickets

    def lose(self, peer: Peer) -> list[Ticket]:
        """The tickets of a gateway that is gone."""
        return self.cancel(peer, list(self._tickets.get(peer, ())))

    def end(self, turn: Turn, outgoing: Outgoing) -> Iterator[Ended]:
        """Add the previews and replies of a turn to what goes out; gives each request that ends, and forgets it."""
        for ticket, preview in turn.previews:
            taken = self._of[ticket]
            replies = outgoing.setdefault((taken.peer, ticket.key), [])
            replies.append(Previewed(taken.id, preview.arrays, preview.step, preview.steps))
        for ticket in turn.done:
            taken = self._of.pop(ticket)
            of_peer = self._tickets[taken.peer]
            del of_peer[taken.id]
            if not of_peer:
                del self._tickets[taken.peer]
            yield Ended(ticket, taken)
            outgoing.setdefault((taken.peer, ticket.key), []).append(_reply(taken.id, ticket))


def _reply(id: int, ticket: Ticket) -> Answered | Refusal:
    if ticket.error is not None:
        return Refusal.of(id, ticket.error)
    return Answered(id, ticket.arrays, ticket.compute_ms, ticket.batch_rows, ticket.info)
