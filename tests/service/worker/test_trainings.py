"""`service.worker.trainings`: what the reconciler does, and does not."""

from pathlib import Path

import pytest

from service.adapters.memory import MemoryJobs
from service.adapters.redis_jobs import RedisRuns
from service.domain import State
from service.errors import Unavailable
from service.ports import NewJob
from service.settings import Settings
from service.worker.trainings import Reconciler, Trainings

NEW = NewJob(model="moons", run={})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_job_nobody_was_told_of_is_told_again_once_in_a_while() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(), clock)
    reconciler = Reconciler(jobs, Settings(reconcile_s=5), told.append)
    job, _ = await jobs.create(NEW)
    for clock.now in (1.0, 14.0, 16.0, 20.0, 30.0, 32.0):
        reconciler.reconcile()
    assert told == [job.id, job.id]


async def test_a_job_whose_runner_vanished_is_told_at_once() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(lease_s=30), clock)
    reconciler = Reconciler(jobs, Settings(), told.append)
    job, _ = await jobs.create(NEW)
    jobs.claim(job.id, "w")
    clock.now = 29.0
    reconciler.reconcile()
    assert told == []
    clock.now = 31.0
    reconciler.reconcile()
    assert told == [job.id]
    assert (await jobs.get(job.id)).state is State.QUEUED


def test_a_round_without_redis_is_unavailable_and_the_thread_lives_on() -> None:
    settings = Settings(redis_url="unix:///nonexistent/redis.sock", reconcile_s=0.01)
    reconciler = Reconciler(RedisRuns(settings), settings, lambda _: None)
    with pytest.raises(Unavailable):
        reconciler.reconcile()
    reconciler.start()
    reconciler.join(0.1)
    assert reconciler.is_alive()
    reconciler.stop()
    reconciler.join(5)
    assert not reconciler.is_alive()


def test_a_draining_worker_claims_nothing(tmp_path: Path) -> None:
    settings = Settings(redis_url="unix:///nonexistent/redis.sock", store=tmp_path)
    trainings = Trainings(RedisRuns(settings), settings)
    trainings.drain()
    trainings.run("0123456789abcdef")  # would log Unavailable if it asked
    assert trainings.running() == ()
    assert list(tmp_path.iterdir()) == []
