"""Gateways whose connections to workers lead through proxies.

The workers announce themselves in database 0 of Redis, each such gateway looks at a database of its own, and heartbeats
are copied from there to here with the ports of proxies in them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import Any

import redis.asyncio

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.workers import IDS, beat_key
from pushforward.service.processes.background import Tasks
from pushforward.service.settings import Settings
from tests.faults.proxy import Connection, Proxy, served

COPY_S = 0.03


class Detour:
    """A gateway, and a proxy for each worker."""

    def __init__(self, settings: Settings, database: int, of: Callable[[str], bool]) -> None:
        url = f"{settings.redis_url}?db={database}"
        self.gateway = Dispatcher(settings.model_copy(update={"redis_url": url}))
        self.proxies: dict[str, Proxy] = {}
        self._of = of
        self._redis = redis.asyncio.Redis.from_url(url)
        self._stack = AsyncExitStack()

    @property
    def connections(self) -> list[Connection]:
        return [connection for proxy in self.proxies.values() for connection in proxy.connections]

    async def copy(self, beat: dict[str, Any], left_ms: int) -> None:
        """Announce a worker at its proxy's port."""
        if not self._of(beat["id"]):
            return
        if beat["id"] not in self.proxies:
            proxy = Proxy(partial(asyncio.open_connection, beat["host"], beat["port"]))
            self.proxies[beat["id"]] = await self._stack.enter_async_context(served(proxy))
        told = beat | {"host": "127.0.0.1", "port": self.proxies[beat["id"]].port}
        await self._redis.set(beat_key(beat["id"]), json.dumps(told), px=left_ms)
        await self._redis.sadd(IDS, beat["id"])

    async def close(self) -> None:
        await self.gateway.close()
        await self._stack.aclose()
        await self._redis.aclose()


@asynccontextmanager
async def detoured(
    settings: Settings, n: int = 1, of: Callable[[str], bool] = lambda worker_id: True
) -> AsyncIterator[list[Detour]]:
    """So many gateways, which know the workers `of` these ids."""
    detours = [Detour(settings, 1 + i, of) for i in range(n)]
    copying = Tasks()
    copying.keep("copy heartbeats", lambda: _copy(settings, detours))
    try:
        yield detours
    finally:
        await copying.close()
        for detour in detours:
            await detour.close()


async def _copy(settings: Settings, detours: list[Detour]) -> None:
    async with redis.asyncio.Redis.from_url(settings.redis_url, decode_responses=True) as client:
        while True:
            for worker_id in map(str, await client.smembers(IDS)):
                beat, left_ms = await client.get(beat_key(worker_id)), await client.pttl(beat_key(worker_id))
                if beat is not None and left_ms > 0:
                    for detour in detours:
                        await detour.copy(json.loads(beat), left_ms)
            await asyncio.sleep(COPY_S)
