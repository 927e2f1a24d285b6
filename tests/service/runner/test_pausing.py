"""Jobs that stop for their user or for another job, and go on: real children, and the same result."""

import time
from typing import Any

import numpy as np
import pytest

from pushforward.service.domain.jobs import Job, Sampling, State
from tests.service.conftest import Bench, small_run, until
from tests.service.models_on_disk import STEPS, put_steps

SLOW: dict[str, Any] = {
    "family": {"family": "vae", "latent": 2, "width": 128, "depth": 2},
    "optimizer": {"batch_size": 1024},
}  # some milliseconds a step
N_STEPS = 400
DRAW = Sampling(model=STEPS, n=60_000, seed=3, options={})


@pytest.fixture
def one_thread(bench: Bench) -> Bench:
    """More threads add in another order."""
    return Bench(bench.settings.model_copy(update={"torch_threads": 1}))


def weights(bench: Bench, job: Job) -> bytes:
    return (bench.settings.store / job.model / str(job.version) / "weights.safetensors").read_bytes()


def paused(bench: Bench, job_id: str) -> Job:
    """The job, once it is paused and its slot is free."""
    bench.pause(job_id)
    until(lambda: bench.job(job_id).state is not State.RUNNING)
    job = bench.job(job_id)
    assert (job.state, job.pause_requested, job.error) == (State.PAUSED, False, None)
    return job


def messages(bench: Bench, job_id: str) -> list[str]:
    return [event.data["message"] for event in bench.events(job_id) if event.kind == "log"]


def test_a_training_that_is_paused_at_random_moments_ends_with_the_same_weights(one_thread: Bench) -> None:
    bench, rng = one_thread, np.random.default_rng()
    broken = bench.create(small_run(N_STEPS, **SLOW))
    steps = []
    for wait_for_step in (False, True, True):
        runner = bench.supervise()
        epoch, step = bench.job(broken).epoch, bench.job(broken).progress.step
        until(lambda epoch=epoch: bench.job(broken).epoch > epoch or bench.job(broken).state is State.RUNNING)
        if wait_for_step:
            until(lambda step=step: bench.job(broken).progress.step > step)
        time.sleep(rng.uniform(0, 0.3))
        steps.append(paused(bench, broken).progress.step)
        runner.join(30)
        assert bench.resume(broken).state is State.QUEUED
    whole = bench.create(small_run(N_STEPS, **SLOW))
    bench.supervisor.run("train")
    jobs = [bench.job(job_id) for job_id in (broken, whole)]
    assert [job.state for job in jobs] == [State.SUCCEEDED] * 2
    assert (jobs[0].epoch, jobs[1].epoch) == (4, 1)
    assert steps == sorted(steps)
    assert 0 < steps[-1] < N_STEPS
    assert f"resumed from the checkpoint of step {steps[-1]}" in messages(bench, broken)
    assert weights(bench, jobs[0]) == weights(bench, jobs[1])
    bench.close()


def test_a_sampling_that_is_paused_goes_on_after_its_rows(bench: Bench) -> None:
    put_steps(bench.settings.store)
    broken = bench.create_sampling(DRAW)
    runner = bench.supervise("sample")
    until(lambda: bench.job(broken).progress.step > 0)
    rows = paused(bench, broken).progress.step
    runner.join(30)
    assert 0 < rows < DRAW.n
    bench.resume(broken)
    whole = bench.create_sampling(DRAW)
    bench.supervisor.run("sample")
    jobs = [bench.job(job_id) for job_id in (broken, whole)]
    assert [job.state for job in jobs] == [State.SUCCEEDED] * 2
    assert jobs[0].file_sha256 == jobs[1].file_sha256
    assert any(int(each.removeprefix("goes on at row ")) >= rows for each in messages(bench, broken))


def test_a_paused_job_that_is_cancelled_ends_at_once_and_keeps_its_checkpoint(bench: Bench) -> None:
    job_id = bench.create(small_run(N_STEPS, **SLOW))
    runner = bench.supervise()
    bench.until_checkpointed(job_id)
    paused(bench, job_id)
    runner.join(30)
    assert bench.cancel(job_id).state is State.CANCELLED
    assert bench.checkpoints(job_id)


def test_a_low_training_makes_room_for_a_high_one_and_goes_on(one_thread: Bench) -> None:
    bench = one_thread
    low = bench.create(small_run(N_STEPS, **SLOW), priority=-1)
    runner = bench.supervise()
    until(lambda: bench.job(low).seconds_left is not None)
    high = bench.create(small_run(N_STEPS, **SLOW), priority=5)
    assert bench.job(high).starts_at is not None
    runner.join(60)
    first, second = bench.job(high), bench.job(low)
    assert (first.state, first.version, first.epoch) == (State.SUCCEEDED, 1, 1)
    assert (second.state, second.version, second.epoch) == (State.SUCCEEDED, 2, 2)
    [told] = [each for each in messages(bench, low) if each.startswith("preempted")]
    resumed = next(each for each in messages(bench, low) if each.startswith("resumed"))
    step = int(resumed.rpartition(" ")[2])
    assert told == f"preempted by job {high} of priority 5 at step {step}; it goes on when a slot is free"
    assert weights(bench, first) == weights(bench, second)
    bench.close()


def test_of_two_slots_the_lower_one_makes_room(bench: Bench) -> None:
    low, middle = (bench.create(small_run(10_000_000), priority=each) for each in (0, 1))
    runners = [bench.supervise() for _ in range(2)]
    until(lambda: all(bench.job(job_id).progress.step for job_id in (low, middle)))
    assert bench.supervisor.running == tuple(sorted((low, middle)))
    high = bench.create(small_run(10_000_000), priority=2)
    until(lambda: bench.job(high).state is State.RUNNING)
    assert [bench.job(job_id).state for job_id in (low, middle)] == [State.QUEUED, State.RUNNING]
    for job_id in (low, middle, high):
        bench.cancel(job_id)
    for runner in runners:
        runner.join(60)
    assert [bench.job(job_id).epoch for job_id in (low, middle, high)] == [1, 1, 1]
