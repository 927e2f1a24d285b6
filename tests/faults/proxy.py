"""A proxy whose connections are cut, reset or stalled one by one: for faults that kill nobody.

It stands before Redis, or between a gateway and a worker (`tests.faults.detours`).
"""

from __future__ import annotations

import asyncio
import random
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal

Way = Literal["there", "back"]  # from the client to the server; from the server to the client
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
PIECES = 4  # of what was read at once, at most
PAUSE_S = 0.003  # before each of them, at most


@dataclass(eq=False)
class Connection:
    """Two sockets, and what was said."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    said: bytearray = field(default_factory=bytearray)  # by the client
    stalled: bool = False
    left: dict[Way, int] = field(default_factory=dict)  # bytes that still pass; then the fault happens
    fault: Callable[[Connection], None] = lambda connection: connection.cut()

    def cut(self) -> None:
        """Closed in both directions, as by a server that leaves."""
        for writer in (self.client, self.server):
            writer.close()

    def reset(self) -> None:
        """RST to the client; the server sees the end as well."""
        raw = self.client.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def stall(self) -> None:
        """Half-open: from now on nothing passes, and nobody is told. The server keeps its side open."""
        self.stalled = True

    def passing(self, way: Way, data: bytes) -> bytes:
        """What of it may pass."""
        if self.stalled:
            return b""
        if way in self.left:
            data = data[: self.left[way]]
            self.left[way] -= len(data)
        return data


FAULTS: list[Callable[[Connection], None]] = [Connection.cut, Connection.reset, Connection.stall]


class Proxy:
    """On a TCP port of 127.0.0.1, before a server."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self.connections: list[Connection] = []
        self.prepare: Callable[[Connection], None] = lambda connection: None  # each that is new
        self.chops: random.Random | None = None  # what passes is cut into pieces, and joined
        self.refuses = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def of(self, *words: bytes) -> list[Connection]:
        """The open connections on which a client said all of this."""
        return [each for each in self.connections if all(word in each.said for word in words)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if self.refuses:
                raise ConnectionRefusedError
            from_server, to_server = await self._connect()
        except OSError:
            writer.close()
            return
        connection = Connection(writer, to_server)
        self.connections.append(connection)
        self.prepare(connection)
        there = asyncio.create_task(self._pass_on(connection, "there", reader, to_server))
        back = asyncio.create_task(self._pass_on(connection, "back", from_server, writer))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        connection.cut()
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        self.connections.remove(connection)

    async def _pass_on(
        self, connection: Connection, way: Way, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(ConnectionError):
            while connection.left.get(way) != 0 and (data := await reader.read(65536)):
                if way == "there":
                    connection.said += data[:4096]
                for piece in self._pieces(connection.passing(way, data)):
                    if self.chops is not None:
                        await asyncio.sleep(self.chops.uniform(0, PAUSE_S))
                    writer.write(piece)
                    await writer.drain()
                if connection.left.get(way) == 0:
                    connection.fault(connection)
            while connection.stalled:  # not even an end passes
                await asyncio.sleep(0.05)

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        if self.chops is None or len(data) < 2:
            yield data
            return
        ends = sorted({self.chops.randrange(1, len(data)) for _ in range(self.chops.randrange(PIECES))})
        for begin, end in zip([0, *ends], [*ends, len(data)], strict=True):
            yield data[begin:end]


@asynccontextmanager
async def served(proxy: Proxy) -> AsyncIterator[Proxy]:
    """Until the block ends."""
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        for connection in list(proxy.connections):
            connection.stalled = False
            connection.cut()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def proxied(redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the Redis of this URL of a unix socket."""
    path = redis_url.removeprefix("unix://")
    async with served(Proxy(lambda: asyncio.open_unix_connection(path))) as proxy:
        yield proxy
