"""`service.runner.reconciler`: what the reconciler does, and does not."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.jobs import State
from pushforward.service.domain.ports import NewJob
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.processes.background import EX_SOFTWARE
from pushforward.service.runner.job_runner import JobRunner
from pushforward.service.runner.reconciler import Reconciler, sweep, sweep_files
from pushforward.service.settings import Settings
from pushforward.service.trackers.thread import Trackers

NEW = NewJob(model="moons", run={})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_a_job_that_no_worker_claims_is_announced_again_now_and_then() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(), clock)
    reconciler = Reconciler(jobs, Settings(reconcile_s=5), lambda job_id, _: told.append(job_id))
    job, _ = await jobs.create(NEW)
    for clock.now in (1.0, 14.0, 16.0, 20.0, 30.0, 32.0):
        reconciler.reconcile()
    assert told == [job.id, job.id]


async def test_a_job_whose_runner_vanished_is_announced_at_once() -> None:
    clock, told = Clock(), list[str]()
    jobs = MemoryJobs(Settings(lease_s=30), clock)
    reconciler = Reconciler(jobs, Settings(), lambda job_id, _: told.append(job_id))
    job, _ = await jobs.create(NEW)
    jobs.claim("train", "w")
    clock.now = 29.0
    reconciler.reconcile()
    assert told == []
    clock.now = 31.0
    reconciler.reconcile()
    assert told == [job.id]
    assert (await jobs.get(job.id)).state is State.QUEUED


async def test_what_a_broken_deletion_left_is_swept_and_nothing_else(tmp_path: Path) -> None:
    for folder in (".deleted/moons@1-ab", ".deleted/moons@2-cd/deep", "moons/3"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "weights.safetensors").write_bytes(b"x")
    Reconciler(MemoryJobs(Settings()), Settings(store=tmp_path), lambda _, __: None).reconcile()
    assert [file.relative_to(tmp_path).as_posix() for file in tmp_path.rglob("*.safetensors")] == [
        "moons/3/weights.safetensors"
    ]


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


def test_wake_ups_that_wait_although_a_slot_is_free_are_counted_until_one_is_taken(redis_url: str) -> None:
    settings, free = Settings(redis_url=redis_url, reconcile_s=2.0), [1]
    reconciler = Reconciler(RedisRuns(settings), settings, lambda *_: None, free=lambda _: free[0])

    def seen() -> float:
        reconciler.reconcile()
        return reconciler.untaken_s()

    with redis.Redis.from_url(redis_url) as client:
        assert seen() == 0.0
        client.lpush("pf:train", "a wake-up")
        assert [seen(), seen(), seen()] == [0.0, 2.0, 4.0]
        free[0] = 0
        assert seen() == 0.0
        free[0] = 1
        assert [seen(), seen()] == [0.0, 2.0]
        client.delete("pf:train")
        assert seen() == 0.0


def test_a_consumer_that_takes_nothing_ends_its_process(redis_url: str, tmp_path: Path) -> None:
    program = """
import logging, threading
from pushforward.service.jobs.redis_runs import RedisRuns
from pushforward.service.settings import Settings
from pushforward.service.runner.reconciler import Reconciler
logging.basicConfig()
settings = Settings(hang_s=0.2, reconcile_s=0.02)
Reconciler(RedisRuns(settings), settings, print, free=lambda _: 1).start()
threading.Event().wait(60)
"""
    with redis.Redis.from_url(redis_url) as client:
        client.lpush("pf:train", "a wake-up")
    environment = {**os.environ, "PUSHFORWARD_REDIS_URL": redis_url, "PUSHFORWARD_STORE": str(tmp_path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=50)
    assert done.returncode == EX_SOFTWARE
    assert "jobs wait, a slot is free, and none was taken" in done.stderr


def test_a_draining_worker_claims_nothing(tmp_path: Path) -> None:
    settings = Settings(redis_url="unix:///nonexistent/redis.sock", store=tmp_path)
    runner = JobRunner(RedisRuns(settings), settings, Trackers())
    runner.drain()
    runner.run("0123456789abcdef")  # would log Unavailable if it asked
    assert runner.running() == ()
    assert list(tmp_path.iterdir()) == []


async def test_old_checkpoints_of_jobs_that_ended_are_swept_and_no_others(tmp_path: Path) -> None:
    jobs = MemoryJobs(Settings(), Clock())
    ended_long_ago, ended_lately, waiting, paused = [(await jobs.create(NEW))[0].id for _ in range(4)]
    for job_id in (ended_long_ago, ended_lately):
        await jobs.cancel(job_id)
    await jobs.pause(paused)
    for job_id in (ended_long_ago, ended_lately, waiting, paused, "forgotten"):
        states = tmp_path / ".jobs" / job_id / "1" / "states"
        states.mkdir(parents=True)
        for folder in (states, states.parent, states.parent.parent):
            os.utime(folder, (0, 0) if job_id != ended_lately else None)
    os.utime(tmp_path / ".jobs" / ended_lately, (0, 0))
    sweep(jobs, tmp_path, keep_s=60)
    assert {work.name for work in (tmp_path / ".jobs").iterdir()} == {ended_lately, waiting, paused}


async def test_decoded_data_of_jobs_that_ended_are_swept_at_once_and_no_others(tmp_path: Path) -> None:
    jobs = MemoryJobs(Settings(), time.time)
    ended, queued = (await jobs.create(NEW))[0].id, (await jobs.create(NEW))[0].id
    await jobs.cancel(ended)
    for name in (ended, queued, "unknown-to-redis"):
        for folder in ("scratch", "1/states"):
            (tmp_path / ".jobs" / name / folder).mkdir(parents=True)
    sweep(jobs, tmp_path, keep_s=60)
    left = {str(each.relative_to(tmp_path / ".jobs")) for each in (tmp_path / ".jobs").glob("*/*")}
    assert left == {
        f"{ended}/1",
        *(f"{name}/{each}" for name in (queued, "unknown-to-redis") for each in ("scratch", "1")),
    }


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
