"""`service.worker.trainings`: what the reconciler does, and does not."""

import os
import time
from pathlib import Path

import pytest

from service.adapters.memory import MemoryJobs
from service.adapters.redis_jobs import RedisRuns
from service.domain import State
from service.errors import Unavailable
from service.ports import NewJob
from service.settings import Settings
from service.worker.trainings import Reconciler, Trainings, sweep, sweep_files

NEW = NewJob(model="moons", run={})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_job_nobody_was_told_of_is_told_again_once_in_a_while() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(), clock)
    reconciler = Reconciler(jobs, Settings(reconcile_s=5), lambda job_id, _: told.append(job_id))
    job, _ = await jobs.create(NEW)
    for clock.now in (1.0, 14.0, 16.0, 20.0, 30.0, 32.0):
        reconciler.reconcile()
    assert told == [job.id, job.id]


async def test_a_job_whose_runner_vanished_is_told_at_once() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(lease_s=30), clock)
    reconciler = Reconciler(jobs, Settings(), lambda job_id, _: told.append(job_id))
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
    reconciler = Reconciler(RedisRuns(settings), settings, lambda _, __: None)
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


async def test_old_checkpoints_of_jobs_that_ended_are_swept_and_no_others(tmp_path: Path) -> None:
    jobs = MemoryJobs(Settings(), Clock())
    ended_long_ago, ended_lately, waiting = [(await jobs.create(NEW))[0].id for _ in range(3)]
    for job_id in (ended_long_ago, ended_lately):
        await jobs.cancel(job_id)
    for job_id in (ended_long_ago, ended_lately, waiting, "forgotten"):
        states = tmp_path / ".jobs" / job_id / "1" / "states"
        states.mkdir(parents=True)
        for folder in (states, states.parent, states.parent.parent):
            os.utime(folder, (0, 0) if job_id != ended_lately else None)
    os.utime(tmp_path / ".jobs" / ended_lately, (0, 0))
    sweep(jobs, tmp_path, keep_s=60)
    assert {work.name for work in (tmp_path / ".jobs").iterdir()} == {ended_lately, waiting}


async def test_old_files_of_samplings_that_ended_are_swept_and_no_others(tmp_path: Path) -> None:
    jobs = MemoryJobs(Settings(), Clock())
    ended_long_ago, ended_lately, at_work = [(await jobs.create(NEW))[0].id for _ in range(3)]
    for job_id in (ended_long_ago, ended_lately):
        await jobs.cancel(job_id)
    (tmp_path / ".files").mkdir()
    for job_id in (ended_long_ago, ended_lately, at_work, "forgotten"):
        file = tmp_path / ".files" / f"{job_id}-1.npy"
        file.write_bytes(b"")
        os.utime(file, (0, 0) if job_id != ended_lately else None)
    sweep_files(jobs, tmp_path, keep_s=60)
    assert {file.name for file in (tmp_path / ".files").iterdir()} == {f"{ended_lately}-1.npy", f"{at_work}-1.npy"}


def test_nothing_is_swept_while_redis_is_away(tmp_path: Path) -> None:
    work = tmp_path / ".jobs" / "0123456789abcdef"
    work.mkdir(parents=True)
    os.utime(work, (0, 0))
    with pytest.raises(Unavailable):
        sweep(RedisRuns(Settings(redis_url="unix:///nonexistent/redis.sock")), tmp_path, keep_s=60)
    assert work.exists()


def test_a_store_without_jobs_has_nothing_to_sweep(tmp_path: Path) -> None:
    sweep(MemoryJobs(Settings(), time.time), tmp_path, keep_s=0)
    assert list(tmp_path.iterdir()) == []
