"""Jobs under faults: a real Redis that dies, a real Celery worker that dies, real trainings."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from service import redis_server
from service.adapters.celery_wakeups import CeleryWakeups
from service.adapters.disk_models import read_versions
from service.adapters.redis_jobs import RedisJobs
from service.domain import Job, State
from service.errors import Unavailable
from service.ports import NewJob
from service.settings import Settings

FINAL_S = 90.0


class Place:
    """A Redis of its own, a store, and workers by the process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.redis, url = redis_server.start(folder / "redis")
        self.settings = Settings(redis_url=url, store=folder / "store", data_root=folder)

    def kill_redis(self) -> None:
        self.redis.kill()
        self.redis.wait()

    def start_redis(self) -> None:
        self.redis, _ = redis_server.start(self.folder / "redis")

    @contextmanager
    def worker(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = {
            **os.environ,
            "PUSHFORWARD_REDIS_URL": self.settings.redis_url,
            "PUSHFORWARD_STORE": str(self.settings.store),
            "PUSHFORWARD_DATA_ROOT": str(self.settings.data_root),
            "PUSHFORWARD_BEAT_S": "0.1",
            "PUSHFORWARD_LEASE_S": "1.5",
            "PUSHFORWARD_RECONCILE_S": "0.3",
            "PUSHFORWARD_CHECKPOINT_S": "0.2",
        }
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen([sys.executable, "-m", "service.worker"], env=environment, stdout=log, stderr=log)
        try:
            yield worker
        finally:
            worker.terminate()
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    async def create(self, steps: int) -> Job:
        run: dict[str, Any] = {
            "family": {"family": "vae", "latent": 2, "width": 8, "depth": 1},
            "data": {"source": "two_moons"},
            "optimizer": {"batch_size": 16},
            "budget": {"steps": steps},
        }
        jobs = RedisJobs(self.settings)
        job, _ = await jobs.create(NewJob(model="moons", run=run))
        await jobs.close()
        return job

    async def until(self, job: Job, *states: State) -> Job:
        """The job, once in one of these states; rides out an outage of Redis."""
        jobs = RedisJobs(self.settings)
        try:
            async with asyncio.timeout(FINAL_S):
                while True:
                    try:
                        seen = await jobs.get(job.id)
                        if seen.state in states:
                            return seen
                    except Unavailable:
                        pass
                    await asyncio.sleep(0.05)
        except TimeoutError:
            log = (self.folder / "worker.log").read_text()[-3000:]
            raise AssertionError(f"{(await jobs.get(job.id))!r} is not {states}; the worker said: {log}") from None
        finally:
            await jobs.close()

    async def until_checkpointed(self, job: Job) -> None:
        async with asyncio.timeout(FINAL_S):
            while not list(self.settings.store.glob(f".jobs/{job.id}/*/states/step-*")):
                await asyncio.sleep(0.02)

    async def until_childless(self, job: Job) -> None:
        async with asyncio.timeout(10):
            while trainings_of(job):
                await asyncio.sleep(0.02)

    async def until_said(self, words: str) -> None:
        async with asyncio.timeout(FINAL_S):
            while words not in (self.folder / "worker.log").read_text():
                await asyncio.sleep(0.02)

    async def until_all_told(self) -> None:
        with redis.Redis.from_url(self.settings.redis_url) as client:
            async with asyncio.timeout(FINAL_S):
                while client.llen("pf:train"):
                    await asyncio.sleep(0.05)

    def versions(self) -> list[tuple[int, str]]:
        return [(card.version, card.job) for card in read_versions(self.settings.store, "moons")]


def trainings_of(job: Job) -> list[int]:
    """Processes that train a job, whoever's children they are."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any(f"/.jobs/{job.id}/" in argument for argument in process.info["cmdline"] or ())
    ]


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.redis.terminate()
    place.redis.wait(10)


async def test_a_job_whose_wakeup_was_lost_is_found_and_trained(place: Place) -> None:
    job = await place.create(20)
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
    assert place.versions() == [(1, job.id)]


async def test_many_wakeups_train_a_job_once(place: Place) -> None:
    job = await place.create(20)
    wakeups = CeleryWakeups(place.settings)
    for _ in range(5):
        await wakeups.wake(job.id)
    with place.worker():
        await place.until(job, State.SUCCEEDED, State.FAILED)
        await place.until_all_told()
    done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
    assert place.versions() == [(1, job.id)]


async def test_a_killed_worker_takes_its_child_along_and_the_job_resumes_and_ends_once(place: Place) -> None:
    job = await place.create(2000)
    with place.worker() as worker:
        await place.until_checkpointed(job)
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        await place.until_childless(job)
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert (done.state, done.epoch) == (State.SUCCEEDED, 2)
    assert place.versions() == [(1, job.id)]


async def test_a_training_goes_on_while_redis_is_killed_and_restarted(place: Place) -> None:
    job = await place.create(2000)
    with place.worker():
        await place.until_checkpointed(job)
        place.kill_redis()
        await place.until_said(f"job {job.id} trains on while Redis does not answer")
        place.start_redis()
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
        assert (done.state, done.epoch) == (State.SUCCEEDED, 1)
        another = await place.create(3)
        await CeleryWakeups(place.settings).wake(another.id)
        await place.until(another, State.SUCCEEDED)
    assert place.versions() == [(1, job.id), (2, another.id)]


async def test_a_worker_told_to_stop_checkpoints_and_leaves_the_job_waiting(place: Place) -> None:
    job = await place.create(10_000_000)
    with place.worker() as worker:
        await place.until_checkpointed(job)
        worker.terminate()
        assert worker.wait(30) == 0
    seen = await place.until(job, State.QUEUED)
    assert seen.progress.step > 0
    assert trainings_of(job) == []


async def test_a_foreign_message_on_the_queue_does_not_stop_other_jobs(place: Place) -> None:
    job = await place.create(3)
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.lpush("pf:train", '{"body": "e30=", "headers": {}, "properties": {}}')
    with place.worker():
        done = await place.until(job, State.SUCCEEDED, State.FAILED)
    assert done.state is State.SUCCEEDED
