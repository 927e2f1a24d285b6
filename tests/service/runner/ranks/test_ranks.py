"""Trainings on two CPU ranks, real processes that speak gloo: one device's weights, and one job to the outside."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from pushforward.service.domain.jobs import Job, State
from pushforward.service.local.up import free_port
from tests.service.conftest import ENDLESS, Bench, small_run, until

FLOW = {"family": "flow", "width": 8}
GAN = {"family": "gan", "latent": 2, "width": 8, "critic_steps": 2}
MOONS = {"source": "two_moons", "n": 65}  # the last batch of an epoch has one row: none for rank 0


@pytest.fixture
def pair(bench: Bench) -> Iterator[Bench]:
    """Children of one thread, so that sums are taken in one order."""
    pair = Bench(bench.settings.model_copy(update={"torch_threads": 1}))
    yield pair
    pair.close()


def on(devices: int, steps: int, **changes: Any) -> dict[str, Any]:
    return small_run(steps, **{"optimizer": {"batch_size": 32}, "data": MOONS, "devices": devices, **changes})


def ended(bench: Bench, run: dict[str, Any], model: str = "moons") -> Job:
    job_id = bench.create(run, model)
    bench.supervisor.run("train")
    return bench.job(job_id)


def weights(bench: Bench, model: str) -> dict[str, Tensor]:
    file = bench.settings.store / model / "1" / "weights.safetensors"
    return load_file(file)


def losses(bench: Bench, job: Job) -> dict[int, dict[str, float]]:
    """By step, as far as they were told."""
    told = [event.data for event in bench.events(job.id) if event.kind == "progress"]
    return {each["step"]: each["losses"] for each in told}


def children(pid: int) -> list[int]:
    return [int(child) for task in Path(f"/proc/{pid}/task").glob("*/children") for child in task.read_text().split()]


def ranks() -> list[int]:
    """The processes of ranks that a child of this process started."""
    found = []
    for child in children(os.getpid()):
        try:
            found += [each for each in children(child) if b"runner.child" in Path(f"/proc/{each}/cmdline").read_bytes()]
        except OSError:  # it has ended meanwhile
            continue
    return found


def is_there(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


@pytest.mark.parametrize("family", [FLOW, GAN], ids=lambda family: family["family"])
def test_two_devices_train_as_two_parts_on_one(pair: Bench, family: dict[str, Any]) -> None:
    """With the same draws, each loss in turn."""
    two = ended(pair, on(2, 30, family=family), "two")
    one = ended(pair, on(1, 30, family=family, optimizer={"batch_size": 32, "accumulate": 2}), "one")
    assert (two.state, one.state) == (State.SUCCEEDED, State.SUCCEEDED)
    told, expected = losses(pair, two), losses(pair, one)
    assert told[30].keys() == expected[30].keys()
    for step in told.keys() & expected.keys():
        assert told[step] == pytest.approx(expected[step], rel=1e-4)
    mine, theirs = weights(pair, "two"), weights(pair, "one")
    assert all(torch.allclose(mine[name].double(), theirs[name].double(), atol=1e-5) for name in theirs)


def test_a_rank_that_is_killed_ends_all_and_the_job_ends_with_the_same_weights(pair: Bench) -> None:
    undisturbed = ended(pair, on(2, 250), "undisturbed")
    job_id = pair.create(on(2, 250), "killed")
    runner = pair.supervise()
    pair.until_checkpointed(job_id)
    (rank,) = ranks()
    os.kill(rank, signal.SIGKILL)
    runner.join(60)
    job = pair.job(job_id)
    assert (job.state, job.epoch, undisturbed.epoch) == (State.SUCCEEDED, 2, 1)
    assert any(
        "resumed from the checkpoint" in event.data["message"] for event in pair.events(job_id) if event.kind == "log"
    )
    mine, theirs = weights(pair, "killed"), weights(pair, "undisturbed")
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


def test_rank_0_that_is_killed_takes_the_others_with_it(pair: Bench) -> None:
    job_id = pair.create(on(2, ENDLESS))
    pair.supervise()
    pair.until_checkpointed(job_id)
    (rank,) = ranks()
    (leader,) = (pid for pid in children(os.getpid()) if rank in children(pid))
    os.kill(leader, signal.SIGKILL)
    until(lambda: not is_there(rank))
    until(lambda: pair.job(job_id).epoch == 2)


def test_a_worker_that_drains_gets_a_checkpoint_of_the_step_at_which_all_stop(pair: Bench) -> None:
    job_id = pair.create(on(2, ENDLESS))
    runner = pair.supervise()
    first = pair.until_checkpointed(job_id)
    (rank,) = ranks()
    pair.draining.set()
    runner.join(60)
    job = pair.job(job_id)
    assert (job.state, job.error) == (State.QUEUED, None)
    assert pair.until_checkpointed(job_id) > first
    assert not is_there(rank)


def test_a_divergence_is_told_once(pair: Bench) -> None:
    job = ended(pair, on(2, 500, optimizer={"batch_size": 32, "lr": 1e30}))
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "diverged"
    assert len([event for event in pair.events(job.id) if event.data.get("state") == "failed"]) == 1


def test_memory_that_fails_on_one_rank_halves_the_parts_of_all(pair: Bench) -> None:
    narrow = Bench(pair.settings.model_copy(update={"job_memory_bytes": 2 * 300 * 2**20}))
    wide = {"family": "ae", "latent": 2, "width": 128, "depth": 4}
    job = ended(narrow, small_run(3, family=wide, optimizer={"batch_size": 65536}, devices=2))
    told = [event.data["message"] for event in narrow.events(job.id) if event.kind == "log"]
    narrow.close()
    assert (job.state, job.epoch) == (State.SUCCEEDED, 1)
    assert any("each batch of 65536 rows is computed in 4 parts of 16384" in line for line in told)


def test_more_devices_than_there_are_is_refused_with_the_field_and_the_remedy(pair: Bench) -> None:
    job = ended(pair, on(32, 5))
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.detail.startswith("run.devices: is 32, and this worker has ")
    assert job.error.detail.endswith("give at most so many")


def test_ranks_on_other_machines_follow_one_training_after_another(
    pair: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes on loopback that share nothing but the store and the variables."""
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    command = [sys.executable, "-m", "pushforward.service.runner.ranks.follow"]
    follower = subprocess.Popen(command, env={**os.environ, **meeting, "RANK": "1"}, stdin=subprocess.DEVNULL)
    try:
        for name, value in {**meeting, "RANK": "0"}.items():
            monkeypatch.setenv(name, value)
        for model in ("first", "second"):
            assert ended(pair, on(2, 30), model).state is State.SUCCEEDED
        assert ended(pair, on(1, 5), "alone").state is State.SUCCEEDED
        assert all(
            torch.equal(a, b)
            for a, b in zip(weights(pair, "first").values(), weights(pair, "second").values(), strict=True)
        )
    finally:
        follower.terminate()
        assert follower.wait(30) == os.EX_OK
