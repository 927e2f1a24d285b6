"""Redis loses all it had: models stay, and jobs go on from what lies on the disk."""

import asyncio
import shutil

import redis

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.jobs import State
from pushforward.service.jobs.redis_record import RedisJobs
from tests.faults.asking import ONE, until_alive, until_answered, worker
from tests.faults.place import Place
from tests.service.models_on_disk import put_model


async def until_known(place: Place, job_id: str) -> None:
    with redis.Redis.from_url(place.settings.redis_url) as client:
        async with asyncio.timeout(60):
            while not client.exists(f"pf:job:{job_id}"):
                await asyncio.sleep(0.02)


async def test_a_running_job_goes_on_after_a_flush_under_the_same_attempt(place: Place) -> None:
    job = await place.create(800)
    with place.worker():
        await place.until_checkpointed(job)
        with redis.Redis.from_url(place.settings.redis_url) as client:
            client.flushall()
        await until_known(place, job.id)
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
        assert (done.state, done.epoch, done.run) == (State.SUCCEEDED, 1, job.run)
        another = await place.create(3)
        await place.until(another, State.SUCCEEDED)
    assert place.versions() == [(1, job.id), (2, another.id)]
    assert not list(place.settings.store.glob(".jobs/*/job.json"))


async def test_a_job_that_nobody_runs_is_found_on_the_disk_and_resumes_from_its_checkpoint(place: Place) -> None:
    job = await place.create(800)
    with place.worker() as process:
        await place.until_checkpointed(job)
        process.kill()
        process.wait()
        await place.until_childless(job)
    place.kill_redis()
    for kept in (place.folder / "redis").glob("appendonly*"):
        shutil.rmtree(kept) if kept.is_dir() else kept.unlink()
    place.start_redis()
    with place.worker():
        await until_known(place, job.id)
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 2)
    assert done.created_at == job.created_at
    jobs = RedisJobs(place.settings)
    assert [each.id for each in (await jobs.list(state=None, model=None, limit=9)).jobs] == [job.id]
    await jobs.close()
    assert place.versions() == [(1, job.id)]


async def test_models_are_served_after_a_flush(place: Place) -> None:
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread, redis.Redis.from_url(settings.redis_url) as client:
        await until_alive(settings)
        before = await asks.ask(ONE, timeout_s=20)
        client.flushall()
        await until_answered(asks)
        after = await asks.ask(ONE, timeout_s=20)
        assert (after.arrays["samples"] == before.arrays["samples"]).all()
        await asks.close()
        await asyncio.to_thread(thread.stop)
