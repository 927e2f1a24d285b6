"""A connection refuses a request of an overloaded gateway, however its bytes come, and stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from pushforward.service.http.connections import SHED, HttpConnection, UvicornConfig
from pushforward.service.http.shedding import FULL_S
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry

HEAD = b"POST /sample HTTP/1.1\r\nhost: x\r\ncontent-length: 12\r\n\r\n"
BODY = b'{"model": 1}'
CUTS = [
    [HEAD + BODY],
    [HEAD, BODY],
    [HEAD[:30], HEAD[30:], BODY],
    [HEAD + BODY[:3], BODY[3:]],
    [HEAD, BODY[:5], BODY[5:]],
]


async def never(scope: Scope, receive: Receive, send: Send) -> None:
    raise AssertionError("a request that is refused reaches no route")


@asynccontextmanager
async def overloaded() -> AsyncIterator[Callable[[list[bytes]], Awaitable[bytes]]]:
    """What a gateway whose loop runs late says to pieces of requests that come one by one."""
    config = UvicornConfig(never, Settings(), Telemetry(), frozenset({b"/sample"}), log_config=None, lifespan="off")
    config.load()
    config.shedding.lag_s = FULL_S
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpConnection(config, ServerState(), {}), "127.0.0.1", 0
    )
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())

    async def said(pieces: list[bytes]) -> bytes:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)  # so that each comes by itself
        return await reader.readexactly(len(SHED))

    try:
        yield said
    finally:
        writer.close()
        server.close()
        await server.wait_closed()


@pytest.mark.parametrize("pieces", CUTS)
async def test_a_request_is_refused_in_however_many_pieces_it_comes_and_the_connection_stays(
    pieces: list[bytes],
) -> None:
    async with overloaded() as said:
        for _ in range(3):
            assert await said(pieces) == SHED
