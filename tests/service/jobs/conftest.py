"""The record of jobs in Redis and in memory, and jobs to put into it."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from pushforward.service.domain.jobs import Fault, Job, ModelEvaluation, Sampling
from pushforward.service.domain.ports import Jobs, NewJob, Runs, Update
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings

NEW = NewJob(model="moons", run={"seed": 1})
DRAW = NewJob(model="moons", ask=Sampling(model="moons@3", n=2**40, seed=2**64 - 1, options={"steps": 5}))
COMPARE = NewJob(
    model="moons",
    evaluation=ModelEvaluation(
        model="moons@3", against={"source": "two_moons"}, metrics=("mmd2",), n=100, seed=2**64 - 1
    ),
)
CRASH = Fault(type="crashed", detail="ended by SIGKILL")


@dataclass(frozen=True)
class Record:
    jobs: Jobs
    runs: Runs
    outlive_the_leases: Callable[[], None]
    outlive_the_pauses: Callable[[], None]
    now: Callable[[], float]
    wait_some_beats: Callable[[], None]


class Clock:
    now = 1e9

    def __call__(self) -> float:
        return self.now

    def pass_a_minute(self) -> None:
        self.now += 60

    def pass_some_beats(self) -> None:
        self.now += 4


@pytest.fixture(params=["redis", "memory"])
async def record(request: pytest.FixtureRequest) -> AsyncIterator[Record]:
    if request.param == "memory":
        clock = Clock()
        memory = MemoryJobs(Settings(max_attempts=2, max_queued_jobs=3), clock)
        yield Record(memory, memory, clock.pass_a_minute, clock.pass_a_minute, clock, clock.pass_some_beats)
        return
    url = request.getfixturevalue("redis_url")
    settings = Settings(redis_url=url, max_attempts=2, max_queued_jobs=3)
    jobs, runs = RedisJobs(settings), RedisRuns(settings)
    with redis.Redis.from_url(url) as client:
        yield Record(
            jobs, runs, lambda: outdate(client), lambda: unpause(client), time.time, lambda: announce_long_ago(client)
        )
    await jobs.close()
    runs.close()


def outdate(client: redis.Redis) -> None:
    """Every lease ends in 1970."""
    for job_id in client.zrange("pf:running", 0, -1):
        client.zadd("pf:running", {job_id: 0})


def unpause(client: redis.Redis) -> None:
    """Every pause ended in 1970."""
    for job_id in client.zrange("pf:paused", 0, -1):
        client.zadd("pf:paused", {job_id: 0})
        client.hset(f"pf:job:{job_id.decode()}", "retry_ms", 0)


def announce_long_ago(client: redis.Redis) -> None:
    """Every job that waits was announced in 1970, and no slot became free since."""
    client.delete("pf:freed:train", "pf:freed:sample")
    for job_id in client.zrangebyscore("pf:queued", 1, "+inf"):
        client.zadd("pf:queued", {job_id: 1})


def progress(step: int, **changes: Any) -> Update:
    told = {"step": step, "total_steps": 100, "losses": {"kl_nats": 0.5}, "steps_per_s": 10.0}
    return Update("progress", told | changes)


async def claimed(record: Record) -> Job:
    await record.jobs.create(NEW)
    running = record.runs.claim("train", "w")
    assert running is not None
    return running
