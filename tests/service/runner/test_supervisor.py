"""`service.runner.supervisor` with real children: every way in which a training ends."""

import os
import signal
from base64 import b64decode
from io import BytesIO

import psutil
import pytest
import redis
from PIL import Image

from pushforward.service.domain.jobs import State
from pushforward.service.stores.disk_models import read_versions
from tests.service.conftest import ENDLESS, Bench, small_run, until


def child_of(job_id: str) -> psutil.Process | None:
    """The training child of a job, among ours."""
    for process in psutil.Process().children(recursive=True):
        try:
            if any(f"/.jobs/{job_id}/" in argument for argument in process.cmdline()):
                return process
        except psutil.Error:
            continue
    return None


def kill_child(job_id: str) -> None:
    until(lambda: child_of(job_id) is not None)
    child = child_of(job_id)
    assert child is not None
    os.kill(child.pid, signal.SIGKILL)


def test_a_job_ends_as_a_published_model(bench: Bench) -> None:
    (bench.settings.store / "moons" / "3").mkdir(parents=True)  # torn, but its number is taken
    job_id = bench.create(small_run(30))
    bench.supervisor.run("train")
    job = bench.job(job_id)
    assert (job.state, job.version, job.progress.step, job.progress.total_steps) == (State.SUCCEEDED, 4, 30, 30)
    [card] = read_versions(bench.settings.store, "moons")
    assert (card.job, card.family, card.metrics) == (job_id, "vae", job.metrics)
    assert job.metrics
    assert "negative_elbo_nats" in job.losses
    assert not (bench.settings.store / ".jobs" / job_id).exists()
    kinds = [event.kind for event in bench.events(job_id)]
    assert kinds[:2] == ["state", "state"]
    assert kinds[-1] == "state"
    assert "progress" in kinds


def test_a_job_shows_what_its_model_makes_and_how_its_training_goes(bench: Bench) -> None:
    job_id = bench.create(small_run(30))
    bench.supervisor.run("train")
    events = bench.events(job_id)
    pictures = {event.data["what"]: event.data for event in events if event.kind == "picture"}
    assert pictures.keys() == {"samples", "density"}
    for each in pictures.values():
        image = Image.open(BytesIO(b64decode(each["png"])))
        assert (image.format, image.size) == ("PNG", (each["width"], each["height"]))
        assert (each["step"], each["media_type"]) == (30, "image/png")
    last = [event.data for event in events if event.kind == "progress"][-1]
    assert last["rows_per_s"] == pytest.approx(16 * last["steps_per_s"])
    assert last["memory_bytes"] > 2**20
    assert last["seconds_left"] == 0.0
    [(loss, norms)] = last["gradient_norms"].items()
    assert loss == "negative_elbo_nats"
    assert 0 < norms["min"] <= norms["median"] <= norms["max"]
    assert 0 <= norms["clipped"] <= 1


def test_a_cancelled_job_keeps_its_last_checkpoint(bench: Bench) -> None:
    job_id = bench.create(small_run(ENDLESS))
    runner = bench.supervise()
    bench.until_checkpointed(job_id)
    assert bench.cancel(job_id).cancel_requested
    runner.join(30)
    assert bench.job(job_id).state is State.CANCELLED
    assert bench.checkpoints(job_id)
    assert child_of(job_id) is None
    assert list(read_versions(bench.settings.store, "moons")) == []


def test_a_killed_child_resumes_from_its_last_checkpoint_and_ends_once(bench: Bench) -> None:
    job_id = bench.create(small_run(1500))
    runner = bench.supervise()
    step = bench.until_checkpointed(job_id)
    kill_child(job_id)
    runner.join(60)
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.SUCCEEDED, 2)
    resumed = [event.data["message"] for event in bench.events(job_id) if event.kind == "log"]
    assert any(int(message.rpartition(" ")[2]) >= step for message in resumed if message.startswith("resumed"))
    assert [card.version for card in read_versions(bench.settings.store, "moons")] == [1]


def test_a_job_that_always_crashes_fails_with_the_signal(bench: Bench) -> None:
    job_id = bench.create(small_run(ENDLESS))
    runner = bench.supervise()
    for epoch in (1, 2):
        until(lambda epoch=epoch: bench.job(job_id).epoch == epoch)
        kill_child(job_id)
    runner.join(30)
    job = bench.job(job_id)
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.type == "crashed"
    assert "SIGKILL" in job.error.detail


def test_data_that_cannot_be_read_fail_the_job_at_once_and_say_why(bench: Bench) -> None:
    job_id = bench.create(small_run(10, data={"source": "npy", "path": "missing.npy"}))
    bench.supervisor.run("train")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "invalid-data"
    assert job.error.detail.startswith("run.data.path: there is no 'missing.npy'")


def test_a_silent_child_is_killed(bench: Bench) -> None:
    settings = bench.settings.model_copy(update={"stall_s": 0.05, "max_attempts": 1})
    hasty = Bench(settings)
    job_id = hasty.create(small_run(ENDLESS))
    hasty.supervisor.run("train")
    job = hasty.job(job_id)
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.type == "stalled"
    hasty.close()


def test_a_drained_job_waits_again_with_a_checkpoint(bench: Bench) -> None:
    job_id = bench.create(small_run(ENDLESS))
    runner = bench.supervise()
    until(lambda: bench.job(job_id).progress.step > 0)
    bench.draining.set()
    runner.join(30)
    assert bench.job(job_id).state is State.QUEUED
    assert bench.checkpoints(job_id)
    bench.supervisor.run("train")
    assert bench.job(job_id).epoch == 1  # a draining supervisor claims nothing


def test_a_runner_that_was_replaced_stops_and_touches_nothing(bench: Bench) -> None:
    job_id = bench.create(small_run(ENDLESS))
    runner = bench.supervise()
    until(lambda: bench.job(job_id).progress.step > 0)
    with redis.Redis.from_url(bench.settings.redis_url) as client:
        while bench.job(job_id).epoch == 1:  # until the lease is taken away between two beats
            client.zadd("pf:running", {job_id: 0})
            bench.runs.expire()
            bench.runs.claim("train", "another")
    runner.join(30)
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.RUNNING, 2)
    assert child_of(job_id) is None
