"""Requests that a worker has taken and not yet replied to: their frames, their gateways, and what was cancelled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Container, Iterator
from dataclasses import dataclass
from typing import NamedTuple, final

from pushforward.service.dispatch.frames import Answered, AnyReply, Frame, Previewed, Refusal
from pushforward.service.dispatch.stream import StreamEntry
from pushforward.service.engine.tickets import Key, Ticket, Turn

CANCELLED = 10_000  # remembered, for frames that are read later than their cancellation

RequestId = tuple[str, int]  # a gateway's reply list, and the request's number there


@final
@dataclass(eq=False)
class TakenFrame:
    """A frame in hand."""

    entry: StreamEntry
    payload_key: bytes | None
    reply_to: str
    sent_at: float  # by time.monotonic()
    left: int  # requests without a reply


@final
@dataclass
class Outgoing:
    """Replies to one gateway about one key, and the frames that are complete with them."""

    replies: list[AnyReply]
    finished: list[TakenFrame]


class Ended(NamedTuple):
    """A request whose reply is ready."""

    ticket: Ticket
    frame: TakenFrame
    was_cancelled: bool


@final
class InFlight:
    """Knows for each ticket its frame and its gateway. One thread only."""

    def __init__(self) -> None:
        self._frames: dict[tuple[str, bytes], TakenFrame] = {}
        self._of: dict[Ticket, tuple[TakenFrame, int]] = {}
        self._tickets: dict[RequestId, Ticket] = {}
        self._cancelled: OrderedDict[RequestId, None] = OrderedDict()

    def __bool__(self) -> bool:
        return bool(self._of)

    @property
    def frames(self) -> Container[tuple[str, bytes]]:
        """Stream and id of each frame in hand."""
        return self._frames

    @property
    def tickets(self) -> list[Ticket]:
        """All tickets without a reply."""
        return list(self._of)

    def take(self, entry: StreamEntry, frame: Frame, sent_at: float) -> list[Ticket]:
        """Take a frame in; gives a ticket for each of its requests."""
        taken = TakenFrame(entry, entry.fields.get(b"key"), frame.reply_to, sent_at, len(frame.requests))
        self._frames[entry.stream, entry.id] = taken
        tickets = []
        for framed in frame.requests:
            ticket = Ticket(framed.request, sent_at + framed.left_ms / 1000)
            self._of[ticket] = taken, framed.id
            self._tickets[frame.reply_to, framed.id] = ticket
            tickets.append(ticket)
        return tickets

    def cancel(self, request_id: RequestId) -> Ticket | None:
        """Remember a cancellation; gives its ticket, if the request is in hand."""
        self._cancelled[request_id] = None
        while len(self._cancelled) > CANCELLED:
            self._cancelled.popitem(last=False)
        return self._tickets.get(request_id)

    def cancelled(self, tickets: list[Ticket]) -> list[Ticket]:
        """Those of the tickets whose cancellation came before their frame."""
        return [ticket for ticket in tickets if self._request_id(ticket) in self._cancelled] if self._cancelled else []

    def preview_replies(self, turn: Turn, outgoing: dict[tuple[str, Key], Outgoing]) -> None:
        """Add the previews of a turn to what goes out."""
        for ticket, preview in turn.previews:
            taken, ask_id = self._of[ticket]
            out = outgoing.setdefault((taken.reply_to, ticket.key), Outgoing([], []))
            out.replies.append(Previewed(ask_id, preview.arrays, preview.step, preview.steps))

    def end(self, turn: Turn, outgoing: dict[tuple[str, Key], Outgoing]) -> Iterator[Ended]:
        """Add the replies of a turn to what goes out; gives each request that ends, and forgets it."""
        for ticket in turn.done:
            taken, ask_id = self._of.pop(ticket)
            del self._tickets[taken.reply_to, ask_id]
            yield Ended(ticket, taken, (taken.reply_to, ask_id) in self._cancelled)
            out = outgoing.setdefault((taken.reply_to, ticket.key), Outgoing([], []))
            out.replies.append(_reply(ask_id, ticket))
            taken.left -= 1
            if taken.left == 0:
                self._frames.pop((taken.entry.stream, taken.entry.id), None)
                out.finished.append(taken)

    def _request_id(self, ticket: Ticket) -> RequestId:
        taken, ask_id = self._of[ticket]
        return taken.reply_to, ask_id


def _reply(ask_id: int, ticket: Ticket) -> Answered | Refusal:
    if ticket.error is not None:
        return Refusal.of(ask_id, ticket.error)
    return Answered(ask_id, ticket.arrays, ticket.compute_ms, ticket.batch_rows, ticket.info)
