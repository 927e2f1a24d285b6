"""Jobs, their events and their wake-ups when a connection of the gateway alone fails, or Redis pauses."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import Event, State
from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs import celery_wakeups
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from tests.faults.place import Place
from tests.faults.proxy import FAULTS, Connection, Proxy, proxied

SOON_S = 15.0


@dataclass
class Apis:
    """What a gateway holds of jobs, by a proxy."""

    jobs: RedisJobs
    wakeups: CeleryWakeups
    workers: RedisWorkers
    proxy: Proxy


@pytest.fixture
async def apis(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Apis]:
    monkeypatch.setattr("pushforward.service.stores.redis_client.COMMAND_S", 0.5)
    monkeypatch.setattr("pushforward.service.jobs.redis_record.BLOCK_S", 0.5)
    monkeypatch.setitem(celery_wakeups.PATIENCE, "socket_timeout", 0.5)
    async with proxied(place.settings.redis_url) as proxy:
        settings = place.settings.model_copy(update={"redis_url": proxy.url})
        apis = Apis(RedisJobs(settings), CeleryWakeups(settings), RedisWorkers(settings), proxy)
        yield apis
        await apis.jobs.close()
        await apis.workers.close()


async def eventually(call: Callable[[], Any]) -> Any:
    """As a client does it that is told to try again."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                return await call()
            except Unavailable:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
async def test_jobs_are_made_and_told_of_after_all_idle_connections_failed(
    place: Place, apis: Apis, fault: Callable[[Connection], None]
) -> None:
    new = NewJob(model="moons", run={})
    made = await asyncio.gather(*(apis.jobs.create(new) for _ in range(5)))  # five connections
    await apis.wakeups.wake(made[0][0].id)
    await apis.workers.live()
    for connection in list(apis.proxy.connections):
        fault(connection)
    job, _ = await eventually(lambda: apis.jobs.create(new))
    assert (await apis.jobs.get(job.id)).state is State.QUEUED  # one failure, and the other idle ones are gone too
    assert await eventually(apis.workers.live) == []
    with redis.Redis.from_url(place.settings.redis_url) as client:
        told = client.llen("pf:train")
        async with asyncio.timeout(SOON_S):
            while client.llen("pf:train") == told:
                await apis.wakeups.wake(job.id)


async def test_wakeups_go_on_after_redis_lost_its_data(place: Place, apis: Apis) -> None:
    with redis.Redis.from_url(place.settings.redis_url) as client:
        await apis.wakeups.wake("a")
        client.flushall()
        await apis.wakeups.wake("b")
        assert client.llen("pf:train") == 1


async def collected(events: AsyncIterator[Event]) -> list[Event]:
    return [event async for event in events]


@pytest.mark.parametrize("fault", [*FAULTS, None], ids=lambda fault: "pause" if fault is None else fault.__name__)
async def test_a_watch_outlives_a_fault_of_its_connection(
    place: Place, apis: Apis, fault: Callable[[Connection], None] | None
) -> None:
    job, _ = await apis.jobs.create(NewJob(model="moons", run={}))
    watching = asyncio.create_task(collected(apis.jobs.watch(job.id, after="0")))
    async with asyncio.timeout(SOON_S):
        while not apis.proxy.of(b"XREAD", b"BLOCK"):
            await asyncio.sleep(0.01)
        if fault is None:
            place.redis.send_signal(signal.SIGSTOP)
            await asyncio.sleep(2.5)
            place.redis.send_signal(signal.SIGCONT)
        else:
            for connection in apis.proxy.of(b"XREAD", b"BLOCK"):
                fault(connection)
        runs = RedisRuns(place.settings)
        assert runs.claim("train", "w")
        runs.succeed(job.id, 1, 1, {})
        runs.close()
        seen = await watching
    assert [event.data["state"] for event in seen] == ["queued", "running", "succeeded"]
