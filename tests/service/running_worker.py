"""A real inference thread beside the event loop of a test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread


@asynccontextmanager
async def running_worker(settings: Settings) -> AsyncIterator[InferenceThread]:
    """One that is live in Redis. It is stopped while the loop goes on, because gateways bid it farewell."""
    thread = InferenceThread(settings)
    thread.start()
    try:
        await until_live(settings, thread.id)
        yield thread
    finally:
        await asyncio.to_thread(thread.stop)
        assert not thread.is_alive()


async def until_live(settings: Settings, *ids: str) -> None:
    """Wait for the heartbeats of these workers."""
    workers = RedisWorkers(settings)
    try:
        async with asyncio.timeout(20):
            while not {each.id for each in await workers.live()} >= set(ids):
                await asyncio.sleep(0.01)
    finally:
        await workers.close()
