"""Trainings that start from others, and that end by seconds or patience: real children, a real record."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
import torch
from torch import Tensor

from pushforward.models.run import Run
from pushforward.models.training.checkpoint import read_state, save_state
from pushforward.models.training.data import load_data
from pushforward.models.training.state import fresh
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.jobs import Job, State
from pushforward.service.runner.restoring import RECORD, restore
from pushforward.service.stores.disk_models import read_card
from tests.service.conftest import ENDLESS, Bench, small_run, until
from tests.service.runner.test_supervisor import kill_child

FLOW = {"family": "flow", "n_transforms": 2, "width": 16}
STEADY = {"batch_size": 16, "ema": 0.9, "decay": "constant", "warmup": 0.0}


def run_of(steps: int, **fields: Any) -> dict[str, Any]:
    """Of fixed rows, a constant rate and a given average."""
    run = small_run(steps, **{"data": {"source": "two_moons", "n": 200}, "optimizer": STEADY, **fields})
    return Run.model_validate(run).model_dump(mode="json")  # whole, as the service records it


def ended(bench: Bench, run: dict[str, Any], model: str = "moons") -> Job:
    job_id = bench.create(run, model)
    bench.supervisor.run("train")
    return bench.job(job_id)


def logged(bench: Bench, job_id: str) -> list[str]:
    return [event.data["message"] for event in bench.events(job_id) if event.kind == "log"]


def progress(bench: Bench, job_id: str) -> list[dict[str, Any]]:
    return [event.data for event in bench.events(job_id) if event.kind == "progress"]


def card_of(bench: Bench, job: Job) -> Card:
    card = read_card(bench.settings.store / job.model / str(job.version))
    assert card is not None
    return card


def trained_weights(bench: Bench, job: Job) -> dict[str, Tensor]:
    """Raw weights, average and moments of a version."""
    tensors = read_state(bench.settings.store / job.model / str(job.version)).tensors
    return {name: value for name, value in tensors.items() if not name.startswith("best.")}


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_a_version_is_continued_and_events_and_card_say_so(bench: Bench) -> None:
    first, second = ended(bench, run_of(30)), ended(bench, run_of(30, start_from="moons@1"))
    assert (first.version, second.version) == (1, 2)
    card = card_of(bench, second)
    assert (card.steps, card.start_from, card.started_at_step) == (60, "moons@1", 30)
    assert card.run["start_from"] == "moons@1"
    assert (card_of(bench, first).steps, card_of(bench, first).started_at_step) == (30, None)
    assert second.curve is not None
    assert second.curve.steps[0] == 30
    assert (second.progress.step, second.progress.total_steps) == (60, 60)
    assert "continues moons@1 from step 30: weights, averages, moments and random streams go on" in logged(
        bench, second.id
    )
    first_told, *_, last_told = progress(bench, second.id)
    assert first_told["fraction"] == pytest.approx((first_told["step"] - 30) / 30)
    assert (last_told["fraction"], last_told["seconds_left"]) == (1.0, 0.0)


def test_a_continued_training_whose_child_is_killed_resumes_bit_for_bit_and_needs_its_start_no_more(
    bench: Bench,
) -> None:
    ended(bench, run_of(30))
    job_id = bench.create(run_of(600, start_from="moons@1"))
    runner = bench.supervise()
    bench.until_checkpointed(job_id)
    shutil.rmtree(bench.settings.store / "moons" / "1")
    kill_child(job_id)
    runner.join(90)
    job, whole = bench.job(job_id), ended(bench, run_of(630), "whole")
    assert (job.state, job.epoch, job.progress.step) == (State.SUCCEEDED, 2, 630)
    assert any(message.startswith("resumed from the checkpoint of step") for message in logged(bench, job_id))
    assert_same(trained_weights(bench, job), trained_weights(bench, whole))


def test_a_cancelled_job_is_continued_from_its_last_checkpoint(bench: Bench) -> None:
    cancelled = bench.create(run_of(ENDLESS))
    runner = bench.supervise()
    bench.until_checkpointed(cancelled)
    bench.cancel(cancelled)
    runner.join(30)
    step = int(bench.checkpoints(cancelled)[-1].name.removeprefix("step-"))
    job = ended(bench, run_of(20, start_from=f"job:{cancelled}"))
    card = card_of(bench, job)
    assert (card.steps, card.started_at_step, card.start_from) == (step + 20, step, f"job:{cancelled}")


def test_a_diverged_job_keeps_its_checkpoints_is_not_resumed_and_can_be_continued(bench: Bench) -> None:
    hasty = Bench(bench.settings.model_copy(update={"checkpoint_s": 1e6}))  # none of weights that diverge
    run = Run.model_validate(run_of(60, family=FLOW, optimizer=STEADY | {"lr": 1e9}))
    job_id = hasty.create(run.model_dump(mode="json"))
    folder = bench.settings.store / ".jobs" / job_id
    state = fresh(run, load_data(run, bench.settings.data_root), torch.device("cpu"))
    state.step = 20
    save_state(folder / "0" / "states", state)
    hasty.supervisor.run("train")
    job = hasty.job(job_id)
    hasty.close()
    assert (job.state, job.error and job.error.type) == (State.FAILED, "diverged")
    assert [place.name for place in bench.checkpoints(job_id)] == ["step-0000000020"]
    assert not (folder / RECORD).exists()
    assert restore(bench.runs, bench.settings.store) == []
    bench.supervisor.run("train")
    assert bench.job(job_id) == job
    again = ended(bench, run_of(10, family=FLOW, optimizer=STEADY | {"lr": 1e-4}, start_from=f"job:{job_id}"))
    assert (again.state, again.progress.step, again.progress.total_steps) == (State.SUCCEEDED, 30, 30)
    assert any(message.startswith(f"continues job:{job_id} from step 20") for message in logged(bench, again.id))


def test_other_data_fine_tune_a_version_and_events_and_card_say_what_was_taken_over(bench: Bench) -> None:
    ended(bench, run_of(30))
    job = ended(bench, run_of(10, data={"source": "two_moons", "n": 200, "seed": 1}, start_from="moons@1"))
    card = card_of(bench, job)
    assert (card.steps, card.started_at_step, job.progress.total_steps) == (40, 30, 10)
    [note] = [note for note in card.notes if note.startswith("Started from moons@1")]
    assert note in logged(bench, job.id)


def test_a_start_that_was_deleted_meanwhile_fails_the_job_and_names_the_field(bench: Bench) -> None:
    ended(bench, run_of(10))
    job_id = bench.create(run_of(10, start_from="moons@1"))
    shutil.rmtree(bench.settings.store / "moons" / "1")
    bench.supervisor.run("train")
    job = bench.job(job_id)
    assert job.state is State.FAILED
    assert job.error is not None
    assert job.error.type == "invalid-data"
    assert job.error.detail.startswith("start_from: moons@1 cannot be read")


def test_a_budget_of_seconds_ends_and_its_progress_has_steps_and_time(bench: Bench) -> None:
    job = ended(bench, run_of(0, budget={"seconds": 0.4}))
    assert job.state is State.SUCCEEDED
    assert job.progress.step == job.progress.total_steps >= 1
    told = progress(bench, job.id)
    assert all(0 <= each["fraction"] <= 1 for each in told)
    assert all((each["seconds_left"] or 0) <= 0.4 for each in told)
    assert told[-1]["fraction"] == 1.0
    assert card_of(bench, job).steps == job.progress.step


def test_a_resumed_training_has_the_rest_of_its_seconds_and_tells_it(bench: Bench) -> None:
    job_id = bench.create(run_of(0, budget={"seconds": 4.0}))
    runner = bench.supervise()
    first = bench.until_checkpointed(job_id)
    until(lambda: bench.until_checkpointed(job_id) > first)  # a fifth of a second later
    kill_child(job_id)
    runner.join(90)
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.SUCCEEDED, 2)
    [left] = [message for message in logged(bench, job_id) if message.endswith("s of its 4 s are left")]
    assert 0 < float(left.partition(" ")[0]) < 4
    totals = {each["total_steps"] for each in progress(bench, job_id)}
    assert len(totals) <= 2  # as measured, and where the clock ended it


def test_patience_ends_a_job_early_and_its_log_and_card_say_so(bench: Bench) -> None:
    overfitting = {"family": FLOW, "optimizer": STEADY | {"lr": 2e-2}, "data": {"source": "two_moons", "n": 30}}
    job = ended(bench, run_of(0, budget={"steps": 400, "patience": 1}, **overfitting))
    assert job.state is State.SUCCEEDED
    assert job.progress.step == job.progress.total_steps < 400
    [told] = [message for message in logged(bench, job.id) if message.startswith("Training ended early")]
    assert f"at step {job.progress.step} of 400" in told
    assert told in card_of(bench, job).notes
