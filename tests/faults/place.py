"""A Redis that dies, Celery workers that die, and trainings: all of them real."""

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
import redis

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.local import redis_server
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_models import read_versions

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

    def stop_redis(self) -> None:
        """Also one that a test left paused, or that hangs in a script."""
        self.redis.send_signal(signal.SIGCONT)
        self.redis.terminate()
        try:
            self.redis.wait(10)
        except subprocess.TimeoutExpired:
            self.kill_redis()

    def start_redis(self) -> None:
        self.redis, _ = redis_server.start(self.folder / "redis")

    @contextmanager
    def worker(self, redis_url: str | None = None, **settings: str | float) -> Iterator[subprocess.Popen[bytes]]:
        """By default with the same URL."""
        environment = {
            **os.environ,
            "PUSHFORWARD_REDIS_URL": redis_url or self.settings.redis_url,
            "PUSHFORWARD_STORE": str(self.settings.store),
            "PUSHFORWARD_DATA_ROOT": str(self.settings.data_root),
            "PUSHFORWARD_BEAT_S": "0.1",
            "PUSHFORWARD_LEASE_S": "1.5",
            "PUSHFORWARD_RECONCILE_S": "0.3",
            "PUSHFORWARD_CHECKPOINT_S": "0.2",
            "PUSHFORWARD_COMPILE": "off",
            **{f"PUSHFORWARD_{name.upper()}": str(value) for name, value in settings.items()},
        }
        with (self.folder / "worker.log").open("ab") as log:
            worker = subprocess.Popen(
                [sys.executable, "-m", "pushforward.service.worker"], env=environment, stdout=log, stderr=log
            )
        try:
            yield worker
        finally:
            worker.send_signal(signal.SIGCONT)  # where a test has stopped it
            worker.terminate()
            try:
                worker.wait(30)
            except subprocess.TimeoutExpired:
                worker.kill()
                worker.wait()

    async def create(self, steps: int, priority: int = 0) -> Job:
        run: dict[str, Any] = {
            "family": {"family": "vae", "latent": 2, "width": 8, "depth": 1},
            "data": {"source": "two_moons"},
            "optimizer": {"batch_size": 16},
            "budget": {"steps": steps},
        }
        jobs = RedisJobs(self.settings)
        job, _ = await jobs.create(NewJob(model="moons", run=run, priority=priority))
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
