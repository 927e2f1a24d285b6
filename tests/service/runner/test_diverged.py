"""A diverged training never takes the place of a good version: real children, a real record."""

from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward.models.run import Run
from pushforward.models.training.checkpoint import save_state
from pushforward.models.training.data import load_data
from pushforward.models.training.state import fresh
from pushforward.service.domain.jobs import Job, State
from pushforward.service.stores.disk_models import read_versions
from tests.service.conftest import Bench, small_run


def flow(steps: int, **optimizer: Any) -> dict[str, Any]:
    family = {"family": "flow", "n_transforms": 2, "width": 16}
    return small_run(steps, family=family, optimizer={"batch_size": 64, **optimizer})


def ended(bench: Bench, job_id: str) -> Job:
    bench.supervisor.run("train")
    return bench.job(job_id)


def assert_diverged(bench: Bench, job: Job) -> None:
    """Failed at the first attempt, with a remedy, and the good version is the newest still."""
    assert (job.state, job.epoch, job.version) == (State.FAILED, 1, None)
    assert job.error is not None
    assert job.error.type == "diverged"
    assert "lower optimizer.lr" in job.error.detail
    assert [card.version for card in read_versions(bench.settings.store, "moons")] == [1]
    assert not (bench.settings.store / ".jobs" / job.id / "job.json").exists()  # nothing resumes it


@pytest.fixture
def good(bench: Bench) -> Bench:
    assert ended(bench, bench.create(small_run(10))).version == 1
    return bench


@pytest.mark.parametrize("lr", [50, 1e9])
def test_a_learning_rate_far_too_large_leaves_the_good_version_in_place(good: Bench, lr: float) -> None:
    assert_diverged(good, ended(good, good.create(flow(60, lr=lr))))


def test_weights_that_are_no_numbers_are_not_published(good: Bench, tmp_path: Path) -> None:
    run = Run.model_validate(flow(20))
    job_id = good.create(run.model_dump(mode="json"))
    state = fresh(run, load_data(run, tmp_path), torch.device("cpu"))
    state.step = state.total_steps
    with torch.no_grad():
        for weight in state.average.parameters():
            weight.fill_(torch.nan)
    save_state(good.settings.store / ".jobs" / job_id / "0" / "states", state)
    assert_diverged(good, ended(good, job_id))


def test_a_job_and_its_card_tell_the_curve_and_the_notes(bench: Bench) -> None:
    job_id = bench.create(small_run(40))
    job = ended(bench, job_id)
    [card] = read_versions(bench.settings.store, "moons")
    assert job.curve is not None
    assert job.curve == card.curve
    assert job.curve.name == "nll_nats_upper_bound"
    assert job.curve.steps == (10, 20, 30, 40)
    assert job.curve.best_step in job.curve.steps
    told = [event.data["curve"] for event in bench.events(job_id) if event.kind == "progress"]
    assert told[-1]["steps"] == [10, 20, 30, 40]
    assert any(note.startswith("An ordinary Gaussian fits held-out rows better") for note in card.notes)
