"""A proxy before Redis whose connections are cut, reset or stalled one by one: for faults that kill nobody."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field


@dataclass(eq=False)
class Connection:
    """Two sockets, and what was said."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    said: bytearray = field(default_factory=bytearray)  # by the client
    stalled: bool = False

    def cut(self) -> None:
        """Closed in both directions, as by a server that leaves."""
        for writer in (self.client, self.server):
            writer.close()

    def reset(self) -> None:
        """RST to the client; Redis sees the end as well."""
        raw = self.client.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.cut()

    def stall(self) -> None:
        """Half-open: from now on nothing passes, and nobody is told. Redis keeps its side open."""
        self.stalled = True


class Proxy:
    """On a TCP port of 127.0.0.1, before a Redis on a unix socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.connections: list[Connection] = []
        self.refuses = False
        self.port = 0

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def of(self, *words: bytes) -> list[Connection]:
        """The open connections on which a client said all of this."""
        return [each for each in self.connections if all(word in each.said for word in words)]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuses:
            writer.close()
            return
        from_server, to_server = await asyncio.open_unix_connection(self._path)
        connection = Connection(writer, to_server)
        self.connections.append(connection)
        there = asyncio.create_task(_pass_on(connection, reader, to_server, connection.said))
        back = asyncio.create_task(_pass_on(connection, from_server, writer, bytearray()))
        await asyncio.wait({there, back}, return_when=asyncio.FIRST_COMPLETED)
        connection.cut()
        for task in (there, back):
            task.cancel()
        await asyncio.gather(there, back, return_exceptions=True)
        self.connections.remove(connection)


async def _pass_on(
    connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, said: bytearray
) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            said += data[:4096]
            if not connection.stalled:
                writer.write(data)
                await writer.drain()
        while connection.stalled:  # not even an end passes
            await asyncio.sleep(0.05)


@asynccontextmanager
async def proxied(redis_url: str) -> AsyncIterator[Proxy]:
    """A proxy before the Redis of this URL of a unix socket."""
    proxy = Proxy(redis_url.removeprefix("unix://"))
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
