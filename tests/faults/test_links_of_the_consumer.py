"""The consumer of a worker, which takes wake-ups, when its connection fails, and when Redis pauses."""

import asyncio
import signal

import pytest
import redis

from pushforward.service.domain.jobs import State
from pushforward.service.jobs.redis_record import RedisJobs
from tests.faults.place import Place
from tests.faults.proxy import FAULTS, Proxy, proxied

SOON_S = 40.0  # a bound for a test that fails, not a measurement
PAUSE_S = 7.0  # longer than a lease, and than every time limit of a worker's connections
DROPPED = "dropped an item of the queue"


def n_dropped(place: Place) -> int:
    return (place.folder / "worker.log").read_text().count(DROPPED)


async def until_consumed(place: Place) -> None:
    """The consumer says so of what is no message; what a dead connection took comes again, as wake-ups do."""
    before = n_dropped(place)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        async with asyncio.timeout(SOON_S):
            while n_dropped(place) == before:
                if not client.llen("pf:train"):
                    client.lpush("pf:train", "x")
                await asyncio.sleep(0.2)


async def until_polled(proxy: Proxy) -> None:
    async with asyncio.timeout(SOON_S):
        while not proxy.of(b"BRPOP"):
            await asyncio.sleep(0.02)


async def test_a_consumer_outlives_faults_of_its_connection_and_a_long_pause_of_redis(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PUSHFORWARD_TRAINING_SLOTS", "2")  # one stays free, so it goes on taking
    job = await place.create(10_000_000)
    jobs = RedisJobs(place.settings)
    async with proxied(place.settings.redis_url) as proxy:
        with place.worker(proxy.url) as process:
            for fault in FAULTS:
                await until_polled(proxy)
                for connection in proxy.of(b"BRPOP"):
                    fault(connection)
                await until_consumed(place)
            await place.until_checkpointed(job)
            before = (await jobs.get(job.id)).progress.step
            place.redis.send_signal(signal.SIGSTOP)
            await asyncio.sleep(PAUSE_S)
            place.redis.send_signal(signal.SIGCONT)
            await until_consumed(place)
            async with asyncio.timeout(SOON_S):
                while (seen := await jobs.get(job.id)).progress.step <= before:
                    await asyncio.sleep(0.05)
            assert (seen.state, seen.epoch) == (State.RUNNING, 1)
            await jobs.cancel(job.id)
            assert (await place.until(job, State.CANCELLED)).epoch == 1
            process.terminate()
            assert await asyncio.to_thread(process.wait, 30) == 0
    await jobs.close()
