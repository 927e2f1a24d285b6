"""A worker thread in this process, and clients that ask until they are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from subprocess import Popen

import psutil

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import TimedOut, Unavailable
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.service.models_on_disk import MOONS

ONE = InferenceRequest(MOONS, "sample", 1, 1)
SOON_S = 15.0  # a bound for a test that fails, not a measurement


@contextmanager
def worker(settings: Settings) -> Iterator[InferenceThread]:
    thread = InferenceThread(settings)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


async def until_alive(settings: Settings, n: int = 1) -> list[str]:
    """The ids of the workers, once there are so many."""
    workers = RedisWorkers(settings)
    try:
        async with asyncio.timeout(60):
            while len(live := await workers.live()) < n:
                await asyncio.sleep(0.02)
        return [each.id for each in live]
    finally:
        await workers.close()


async def by_id(settings: Settings, processes: Sequence[Popen[bytes]]) -> dict[str, Popen[bytes]]:
    """Workers by their ids, once they live."""
    await until_alive(settings, len(processes))
    workers = RedisWorkers(settings)
    ids = {each.port: each.id for each in await workers.announced()}
    await workers.close()
    ports = {process: {at.laddr.port for at in psutil.Process(process.pid).net_connections()} for process in processes}
    return {ids[port]: process for process, used in ports.items() for port in used & ids.keys()}


async def until_answered(asks: Dispatcher) -> None:
    """Clients try again, as they are told to."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await asks.ask(ONE, timeout_s=2.0)
                return
            except (Unavailable, TimedOut):
                await asyncio.sleep(0.02)


async def until_reached(asks: Dispatcher, n: int = 1) -> None:
    """Until so many workers take requests."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                if len(await asks.reach()) >= n:
                    return
            except Unavailable:
                pass
            await asyncio.sleep(0.02)
