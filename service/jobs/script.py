"""Calls of `jobs.lua`, each of them atomic: on asyncio for gateways, from threads for workers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, final

import redis
import redis.asyncio

from pushforward.service.domain.errors import Unavailable
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import (
    COMMAND_S,
    PREFIX,
    RETRY_AFTER_S,
    guarded,
    guarded_sync,
)

SCRIPT = (Path(__file__).parent / "jobs.lua").read_text()
CONNECTIONS = 32  # for the calls of one process


@final
class AsyncJobScript:
    """Calls on asyncio."""

    def __init__(self, client: redis.asyncio.Redis, settings: Settings) -> None:
        self._redis = client
        self._keep_s = _keep_s(settings)
        self._script = client.register_script(SCRIPT)
        self._connections = asyncio.Semaphore(CONNECTIONS)  # the pool never shrinks, so it may not grow

    async def call(self, command: str, *arguments: str | float) -> Any:
        """The result of a command. Raises Unavailable."""
        async with self._connection(), guarded(self._redis):
            return await self._script(keys=[PREFIX], args=[command, self._keep_s, *arguments])

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[None]:
        """Hold one of the connections. Raises Unavailable where none is free in the time that Redis may take."""
        try:
            async with asyncio.timeout(COMMAND_S):
                await self._connections.acquire()
        except TimeoutError:
            raise Unavailable("Redis does not answer; try again", retry_after_s=RETRY_AFTER_S) from None
        try:
            yield
        finally:
            self._connections.release()


@final
class JobScript:
    """Calls from threads."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._keep_s = _keep_s(settings)
        self._script = client.register_script(SCRIPT)

    def call(self, command: str, *arguments: str | float) -> Any:
        """The result of a command. Raises Unavailable."""
        with guarded_sync(self._redis):
            return self._script(keys=[PREFIX], args=[command, self._keep_s, *arguments])


def _keep_s(settings: Settings) -> int:
    """How long the record of a finished job is kept, in whole seconds."""
    return max(1, round(settings.keep_jobs_s))
