"""A machine that lacks something: its jobs wait, no attempt counts, and they run when it is repaired."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.errors import Hindered
from pushforward.service.domain.jobs import Job, Sampling, State
from pushforward.service.engine.devices import present
from pushforward.service.stores.disk_models import read_versions
from tests.full_disk import full_disk
from tests.service.conftest import Bench, small_run
from tests.service.models_on_disk import MOONS, put_model

MOST_ATTEMPTS = 2  # of the bench


@pytest.fixture
def quick(bench: Bench) -> Iterator[Bench]:
    """Short pauses, and longer than the runner takes to look whether one is over."""
    quick = Bench(bench.settings.model_copy(update={"pause_s": 0.1}))
    yield quick
    quick.close()


def tried(bench: Bench, job_id: str, times: int) -> Job:
    """The job after so many attempts, each once its pause is over."""
    for epoch in range(1, times + 1):
        while bench.job(job_id).epoch < epoch:
            bench.supervisor.run(bench.job(job_id).kind)
    return bench.job(job_id)


def test_a_full_disk_burns_no_attempts_of_a_hundred_jobs(quick: Bench, caplog: pytest.LogCaptureFixture) -> None:
    ids = [quick.create(small_run(2)) for _ in range(100)]
    with full_disk(0):
        quick.supervisor.run("train")
        assert all(quick.job(job_id).epoch for job_id in ids)
        job = tried(quick, ids[0], MOST_ATTEMPTS + 2)
    assert (job.state, job.waiting_for) == (State.QUEUED, "the disk takes no file so large")
    assert {quick.job(job_id).state for job_id in ids} == {State.QUEUED}
    assert quick.supervisor.trouble == "the disk takes no file so large"
    assert len([line for line in caplog.messages if "waits" in line]) == 1
    for job_id in ids[1:]:
        quick.cancel(job_id)
    tried(quick, ids[0], job.epoch + 1)
    assert quick.job(ids[0]).state is State.SUCCEEDED
    assert quick.supervisor.trouble is None
    told = [event.data["waiting_for"] for event in quick.events(ids[0]) if event.kind == "state"]
    assert "the disk takes no file so large" in told


def test_a_training_waits_for_several_faults_and_none_counts_as_an_attempt(quick: Bench, tmp_path: Path) -> None:
    """Data root, disk, store: more than it may be tried for its own faults."""
    bench = Bench(quick.settings.model_copy(update={"data_root": tmp_path / "mounted"}))
    wide = {"family": "vae", "latent": 2, "width": 512, "depth": 2}
    job_id = bench.create(small_run(20, family=wide, data={"source": "npy", "path": "x.npy"}))
    job = tried(bench, job_id, 1)
    root = "the data root is not there; mount it, or set PUSHFORWARD_DATA_ROOT"
    assert (job.state, job.waiting_for) == (State.QUEUED, root)
    (tmp_path / "mounted").mkdir()
    np.save(tmp_path / "mounted" / "x.npy", np.random.default_rng(0).normal(size=(40, 2)))
    with full_disk(4000):  # its order, and neither checkpoint nor model
        job = tried(bench, job_id, 2)
    assert (job.state, job.waiting_for) == (State.QUEUED, "the disk takes no file so large")
    (bench.settings.store / "moons").write_text("in the way")
    job = tried(bench, job_id, 3)
    assert (job.state, job.epoch) == (State.QUEUED, MOST_ATTEMPTS + 1)
    assert job.waiting_for
    assert str(bench.settings.store) not in job.waiting_for
    assert bench.checkpoints(job_id)
    (bench.settings.store / "moons").unlink()
    tried(bench, job_id, 4)
    assert [card.job for card in read_versions(bench.settings.store, "moons")] == [job_id]
    bench.close()


def test_data_that_are_too_large_for_memory_and_for_the_disk_wait_for_room_on_it(quick: Bench, tmp_path: Path) -> None:
    root = tmp_path / "data"
    bench = Bench(quick.settings.model_copy(update={"data_root": root, "job_memory_bytes": 2**29}))
    root.mkdir()
    x = np.random.default_rng(0).integers(0, 9, (2**20, 129), np.uint8)  # 129 MiB: more than a quarter
    np.savez(root / "x.npz", x=x)
    job_id = bench.create(small_run(2, data={"source": "npy", "path": "x.npz"}))
    with full_disk(2**20):
        job = tried(bench, job_id, 1)
    waiting_for = "the data are decoded into a file beside the models, and the disk takes no file so large"
    assert (job.state, job.waiting_for) == (State.QUEUED, waiting_for)
    assert tried(bench, job_id, 2).state is State.SUCCEEDED
    assert not list((bench.settings.store / ".jobs").glob("*/scratch"))
    bench.close()


def test_a_sampling_whose_file_cannot_grow_waits_and_is_drawn_when_it_can(quick: Bench) -> None:
    put_model(quick.settings.store)
    job_id = quick.create_sampling(Sampling(model=MOONS, n=2000, seed=0))
    with full_disk(9000):
        job = tried(quick, job_id, 1)
    assert (job.state, job.waiting_for) == (State.QUEUED, "the disk takes no file so large")
    tried(quick, job_id, 2)
    assert quick.job(job_id).file_bytes == 128 + 2000 * 2 * 4


def test_a_device_that_is_not_there_is_the_fault_of_the_machine() -> None:
    with pytest.raises(Hindered, match="the device cuda:63 is not there"):
        present("cuda:63")


def test_a_cancelled_job_that_waits_for_a_machine_ends_at_once(quick: Bench) -> None:
    job_id = quick.create(small_run(2))
    with full_disk(0):
        tried(quick, job_id, 1)
    job = quick.cancel(job_id)
    assert (job.state, job.waiting_for, job.retry_at) == (State.CANCELLED, None, None)


def test_rows_that_take_more_memory_than_there_is_are_refused_once_and_with_figures(
    quick: Bench, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 100_000)))
    small = Bench(quick.settings.model_copy(update={"job_memory_bytes": 2**28}))
    run = small_run(2, family={"family": "flow"}, data={"source": "npy", "path": "x.npy"})
    job = tried(small, small.create(run), 1)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert job.error.type == "too-large"
    assert "0.2 GiB" in job.error.detail
    assert "/" not in job.error.detail
    small.close()


def test_the_detail_of_a_crash_has_no_trace_and_the_log_has_it(quick: Bench, caplog: pytest.LogCaptureFixture) -> None:
    job_id = quick.create({"seed": "no run"})
    quick.supervisor.run("train")
    job = quick.job(job_id)
    assert job.error is not None
    assert job.error.detail == "the process exited with 1; the worker's log has its last words"
    assert "Traceback" in caplog.text
