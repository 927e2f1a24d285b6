"""A worker without a device: it beats, shakes hands and takes requests, and answers, dies or lies as a test says."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from time import time

import numpy as np

from pushforward.service.dispatch.frames import decode_from_gateway, encode_message, encode_replies
from pushforward.service.dispatch.framing import FrameBuffer
from pushforward.service.dispatch.handshake import is_proven, new_nonce, new_secret
from pushforward.service.dispatch.messages import (
    Answered,
    Beat,
    Cancelled,
    FramedRequest,
    FromGateway,
    FromWorker,
    Hello,
    Proof,
    Replies,
    Requests,
)
from pushforward.service.dispatch.workers import Announcement, Heartbeats
from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings

Said = FromWorker | bytes


def encoded(said: Said) -> bytes:
    if isinstance(said, bytes):
        return said
    return b"".join(encode_replies(said) if isinstance(said, Replies) else encode_message(said))


def answers(requests: Iterable[FramedRequest]) -> Replies:
    """Rows that tell whose they are: each holds the seed of its request."""
    return Replies(
        tuple(
            Answered(r.id, {"samples": np.full((r.request.rows, 2), r.request.seed, np.float32)}, 0.5, r.request.rows)
            for r in requests
        )
    )


class FakeWorker:
    """Listens in the event loop of the test."""

    def __init__(self, settings: Settings, id: str) -> None:
        self.id = id
        self.secret = new_secret()
        self.hello: Callable[[bytes], Said] = lambda nonce: Hello(self.id, nonce)
        self.on_requests: Callable[[Requests], Said | None] = lambda requests: None
        self.beat: Beat | None = Beat(0.0)  # on each connection
        self.reads = True
        self.received: list[FromGateway] = []  # after the proof, by all gateways
        self.port = 0
        self.stalled_s = 0.0  # as its heartbeat tells
        self._settings = settings
        self._heartbeats = Heartbeats(settings)
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._proven: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Event()

    @property
    def requests(self) -> list[FramedRequest]:
        """All that were received."""
        return [each for message in self.received if isinstance(message, Requests) for each in message.requests]

    @property
    def cancelled(self) -> list[int]:
        return [each for message in self.received if isinstance(message, Cancelled) for each in message.ids]

    @property
    def announcement(self) -> Announcement:
        return Announcement(
            id=self.id,
            device="cpu",
            models=(),
            training=(),
            seen_at=time(),
            stalled_s=self.stalled_s,
            host="127.0.0.1",
            port=self.port,
            secret=self.secret,
        )

    async def listen(self) -> None:
        """From now on, and beat."""
        self._server = await asyncio.start_server(self._meet, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.announce()
        self._beating = asyncio.create_task(self._beat())

    def announce(self) -> None:
        with suppress(Unavailable):
            self._heartbeats.beat(self.announcement)

    def say(self, *said: Said) -> None:
        """To all gateways."""
        for writer in self._proven:
            writer.writelines([encoded(each) for each in said])

    def hang_up(self) -> None:
        """Break all connections; it goes on listening."""
        for writer in self._connections.values():
            writer.transport.abort()

    def die(self) -> None:
        """As a killed process does: its heartbeat counts for a while."""
        self._server.close()
        self._beating.cancel()
        self.hang_up()

    async def until(self, happened: Callable[[], bool], timeout_s: float = 20.0) -> None:
        """Wait until what was received makes it true."""
        async with asyncio.timeout(timeout_s):
            while not happened():
                self._changed.clear()
                await self._changed.wait()

    async def until_asked(self, n: int = 1) -> None:
        """Wait until so many requests were received."""
        await self.until(lambda: len(self.requests) >= n)

    async def until_met(self, n: int = 1) -> None:
        """Wait until so many gateways have proven that they may send."""
        await self.until(lambda: len(self._proven) >= n)

    async def close(self) -> None:
        self.die()
        await asyncio.gather(*self._connections, self._beating, return_exceptions=True)
        self._heartbeats.leave(self.id)

    async def _beat(self) -> None:
        while True:
            self.announce()
            if self.beat is not None:
                self.say(self.beat)
            await asyncio.sleep(self._settings.beat_s)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonce, buffer = new_nonce(), FrameBuffer()
        me = asyncio.current_task()
        assert me is not None
        self._connections[me] = writer
        try:
            writer.write(encoded(self.hello(nonce)))
            while self.reads or writer not in self._proven:
                data = await reader.read(len(buffer.room()))
                if not data:
                    return
                buffer.room()[: len(data)] = data
                for frame in buffer.received(len(data)):
                    message = decode_from_gateway(bytes(frame))
                    if writer not in self._proven:
                        assert isinstance(message, Proof)
                        assert is_proven(self.secret, nonce, message)
                        self._proven.add(writer)
                    else:
                        self.received.append(message)
                        said = self.on_requests(message) if isinstance(message, Requests) else None
                        if said is not None:
                            writer.write(encoded(said))
                    self._changed.set()
            await writer.wait_closed()
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            del self._connections[me]
            self._proven.discard(writer)
            self._changed.set()
            writer.transport.abort()


@asynccontextmanager
async def fake_worker(settings: Settings, id: str = "w", **traits: object) -> AsyncIterator[FakeWorker]:
    """One that is live in Redis; traits are its attributes."""
    worker = FakeWorker(settings, id)
    for name, trait in traits.items():
        assert hasattr(worker, name)
        setattr(worker, name, trait)
    await worker.listen()
    try:
        yield worker
    finally:
        await worker.close()
