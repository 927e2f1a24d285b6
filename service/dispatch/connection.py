"""A gateway's connection to one worker.

Requests and cancellations leave in order, in one write for each turn of the event loop, or for `AT_ONCE` requests of a
long turn: else gateway and worker would take turns. Any bytes that come are a sign of life; a connection without them
for `SILENT_BEATS` beats is lost. Silence is counted in checks: a gateway that was suspended has lost nothing.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from time import monotonic
from typing import cast, final

from pushforward.service.dispatch.frames import decode_from_worker, encode_message, encode_requests
from pushforward.service.dispatch.framing import Buffer, FrameBuffer, MalformedFrame
from pushforward.service.dispatch.handshake import HANDSHAKE_S, proof
from pushforward.service.dispatch.messages import (
    Beat,
    Cancelled,
    Farewell,
    FramedRequest,
    FromWorker,
    Hello,
    Leaving,
    Previewed,
    Replies,
    Requests,
)
from pushforward.service.dispatch.pending import PendingRequest, frames_of
from pushforward.service.dispatch.workers import Announcement
from pushforward.service.domain.errors import Failed

log = logging.getLogger(__name__)

SILENT_BEATS = 5.0  # without any bytes, after which a connection is lost
AT_ONCE = 32  # requests that do not wait for the end of the turn: the worker computes while the others are read
UNSENT_BYTES = 32 * 2**20  # above it a connection is full until the worker reads


class Dispatching(ABC):
    """What a connection tells the one who opened it."""

    @abstractmethod
    def joined(self, connection: WorkerConnection) -> None:
        """A connection is ready for requests."""

    @abstractmethod
    def checked(self) -> None:
        """All connections were checked for silence."""

    @abstractmethod
    def sent(self, connection: WorkerConnection, frame: Sequence[PendingRequest], now: float) -> None:
        """A frame of one key has left."""

    @abstractmethod
    def replied(self, replies: Replies) -> None:
        """Replies have come."""

    @abstractmethod
    def unsendable(self, pending: PendingRequest, error: Failed) -> None:
        """No frame can hold a request."""

    @abstractmethod
    def leaving(self, connection: WorkerConnection, unsent: Sequence[PendingRequest]) -> None:
        """The worker stops; it replies to what was sent to it, and these were not."""

    @abstractmethod
    def lost(self, connection: WorkerConnection) -> None:
        """The connection has ended; its requests are in `in_flight`."""


@final
class WorkerConnection(asyncio.BufferedProtocol):
    """Opened by `connect`."""

    def __init__(self, worker: Announcement, dispatching: Dispatching) -> None:
        self.worker = worker
        self.is_full = False  # the worker does not read what is sent
        self.is_leaving = False
        self.silent_s = 0.0
        self.stalled_s = 0.0  # the worker's inference thread, as of its latest beat
        self.in_flight: dict[int, PendingRequest] = {}  # assigned to this worker, most of them sent
        self.ready = asyncio.get_running_loop().create_future()  # done after the handshake, or when it failed
        self._dispatching = dispatching
        self._buffer = FrameBuffer()
        self._outbox: list[PendingRequest] = []
        self._cancelled: list[int] = []
        self._is_scheduled = False
        self._heard = False  # since the last check
        self._transport: asyncio.Transport | None = None

    @property
    def id(self) -> str:
        """The worker's."""
        return self.worker.id

    @property
    def is_closed(self) -> bool:
        """Whether it has ended, or is about to."""
        return self._transport is None or self._transport.is_closing()

    def send(self, pending: PendingRequest) -> None:
        """Send a request at the end of this turn of the loop."""
        self.in_flight[pending.id] = pending
        self._outbox.append(pending)
        if len(self._outbox) >= AT_ONCE:
            self._flush()
        else:
            self._schedule()

    def forget(self, pending: PendingRequest) -> None:
        """Nobody waits for the request any more; the worker is told, unless it has replied."""
        if self.in_flight.pop(pending.id, None) is not None and pending.sent_at is not None:
            self._cancelled.append(pending.id)
            self._schedule()

    def check(self, passed_s: float, beat_s: float) -> None:
        """Called every so often: how long has the worker been silent?"""
        self.silent_s = 0.0 if self._heard else self.silent_s + passed_s
        self._heard = False
        if self.silent_s >= SILENT_BEATS * beat_s:
            self.close(f"it has been silent for {self.silent_s:.1f} s")

    def close(self, why: str) -> None:
        """End the connection."""
        if self._transport is not None and not self._transport.is_closing():
            log.debug("the connection to worker %s is closed: %s", self.id, why)
            self._transport.abort()

    # --- asyncio.BufferedProtocol ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is no subclass of it
        self._transport.set_write_buffer_limits(high=UNSENT_BYTES)

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer.room()

    def buffer_updated(self, nbytes: int) -> None:
        self._heard = True
        try:
            for frame in self._buffer.received(nbytes):
                self._take(decode_from_worker(frame))
        except MalformedFrame as error:
            log.warning("worker %s sent what is no message: %s", self.id, error)
            self.close("malformed")

    def pause_writing(self) -> None:
        self.is_full = True

    def resume_writing(self) -> None:
        self.is_full = False

    def connection_lost(self, error: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_result(False)
        else:
            self._dispatching.lost(self)

    # --- messages ---

    def _take(self, message: FromWorker) -> None:
        if not self.ready.done():
            if not isinstance(message, Hello) or message.worker != self.id:
                raise MalformedFrame(f"worker {self.id} does not listen there any more")
            self._write(encode_message(proof(self.worker.secret, message)))
            self.ready.set_result(True)
            return
        match message:
            case Replies():
                for reply in message.replies:
                    if not isinstance(reply, Previewed):
                        self.in_flight.pop(reply.id, None)
                self._dispatching.replied(message)
            case Beat(stalled_s):
                self.stalled_s = stalled_s
            case Leaving():
                self._leave()
            case Hello():
                raise MalformedFrame("a second hello")

    def _leave(self) -> None:
        unsent, self._outbox = self._outbox, []
        unsent = [pending for pending in unsent if self.in_flight.pop(pending.id, None) is not None]
        self.is_leaving = True
        self._flush()
        self._write(encode_message(Farewell()))
        self._dispatching.leaving(self, unsent)

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._flush_gathered)

    def _flush_gathered(self) -> None:
        self._is_scheduled = False
        self._flush()

    def _flush(self) -> None:
        """Write what has gathered."""
        outbox, self._outbox = self._outbox, []
        cancelled, self._cancelled = self._cancelled, []
        parts: list[Buffer] = []
        now = monotonic()
        for frame in frames_of([each for each in outbox if each.id in self.in_flight and not each.reply.done()]):
            parts += self._encoded(frame, now)
        if cancelled:
            parts += encode_message(Cancelled(tuple(cancelled)))
        if parts:
            self._write(parts)

    def _encoded(self, frame: list[PendingRequest], now: float) -> list[Buffer]:
        """A frame; a request that no frame can hold is refused, and the others are sent without it."""
        try:
            framed = tuple(FramedRequest(p.id, p.request, 1000 * (p.deadline - now)) for p in frame)
            parts = encode_requests(Requests(now, framed))
        except Exception:
            if len(frame) > 1:
                return [part for pending in frame for part in self._encoded([pending], now)]
            log.exception("a request could not be written as a frame")
            del self.in_flight[frame[0].id]
            self._dispatching.unsendable(frame[0], Failed("the request could not be sent; the service's log tells why"))
            return []
        for pending in frame:
            pending.sent_at = now
        self._dispatching.sent(self, frame, now)
        return parts

    def _write(self, parts: Sequence[Buffer]) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.writelines(parts)


async def connect(worker: Announcement, dispatching: Dispatching) -> WorkerConnection | None:
    """A connection after the handshake; None where there is nobody, or not this worker."""
    connection = WorkerConnection(worker, dispatching)
    try:
        async with asyncio.timeout(HANDSHAKE_S):
            await asyncio.get_running_loop().create_connection(lambda: connection, worker.host, worker.port)
            return connection if await asyncio.shield(connection.ready) else None
    except (OSError, ValueError, OverflowError) as error:  # TimeoutError, or no host and port
        log.debug("worker %s at %s port %d: %s", worker.id, worker.host, worker.port, error)
        connection.close("no handshake")
        return None
    except BaseException:
        connection.close("given up")
        raise
