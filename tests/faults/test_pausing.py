"""Jobs are paused, resumed and preempted by real workers, while these and Redis die."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest
import redis

from pushforward.service.domain.jobs import Job, State
from pushforward.service.jobs.redis_record import RedisJobs
from tests.faults.place import Place, trainings_of

LONG = 10_000_000  # steps


@pytest.fixture
async def jobs(place: Place) -> AsyncIterator[RedisJobs]:
    jobs = RedisJobs(place.settings)
    yield jobs
    await jobs.close()


async def until_marked(place: Place, job: Job) -> None:
    async with asyncio.timeout(30):
        while not (place.settings.store / ".jobs" / job.id / "paused").exists():
            await asyncio.sleep(0.02)


async def test_a_worker_that_is_killed_while_it_pauses_leaves_a_paused_job_that_goes_on(
    place: Place, jobs: RedisJobs
) -> None:
    job = await place.create(800)
    with place.worker() as process:
        await place.until_checkpointed(job)
        [child] = trainings_of(job)
        os.kill(child, signal.SIGSTOP)  # it cannot do as it is told
        await jobs.pause(job.id)
        await asyncio.sleep(0.3)
        assert (await jobs.get(job.id)).state is State.RUNNING
        process.kill()
        process.wait()
        os.kill(child, signal.SIGCONT)
        await place.until_childless(job)
    with place.worker():
        paused = await place.until(job, State.PAUSED, State.QUEUED, State.SUCCEEDED)
        assert (paused.state, paused.epoch) == (State.PAUSED, 1)
        await jobs.resume(job.id)
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 2)
    assert place.versions() == [(1, job.id)]


async def test_a_pause_outlasts_redis_and_the_data_of_redis(place: Place, jobs: RedisJobs) -> None:
    job = await place.create(LONG)
    with place.worker():
        await place.until_checkpointed(job)
        await jobs.pause(job.id)
        place.kill_redis()
        await asyncio.sleep(0.5)
        place.start_redis()
        await place.until(job, State.PAUSED)
        await until_marked(place, job)
        with redis.Redis.from_url(place.settings.redis_url) as client:
            client.flushall()
            async with asyncio.timeout(30):
                while not client.exists(f"pf:job:{job.id}"):
                    await asyncio.sleep(0.02)
        assert (await jobs.get(job.id)).state is State.PAUSED
        await jobs.resume(job.id)
        again = await place.until(job, State.RUNNING)
        assert again.epoch == 2
        await jobs.cancel(job.id)
        await place.until(job, State.CANCELLED)


async def test_with_two_slots_two_run_and_the_highest_that_waits_preempts_the_lowest(
    place: Place, jobs: RedisJobs
) -> None:
    with place.worker(training_slots=2):
        low, middle = await place.create(LONG, priority=-5), await place.create(LONG)
        for job in (low, middle):
            await place.until_checkpointed(job)
        lower, high = await place.create(3, priority=-9), await place.create(3, priority=9)
        done = await place.until(high, State.SUCCEEDED, State.FAILED)
        assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
        again = await place.until(low, State.RUNNING)
        assert (again.epoch, (await jobs.get(middle.id)).epoch) == (2, 1)
        assert (await jobs.get(lower.id)).state is State.QUEUED  # behind both
        assert len(trainings_of(low)) <= 1
        for job in (low, middle):
            await jobs.cancel(job.id)
        await place.until(lower, State.SUCCEEDED)
    said = [each.data["message"] async for each in jobs.watch(low.id, after="0") if each.kind == "log"]
    [told] = [each for each in said if each.startswith("preempted")]
    assert told.startswith(f"preempted by job {high.id} of priority 9 at step ")
