"""Evaluations with real children: every way in which a report is made, or not."""

import asyncio
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.evaluation import CLASSIFIER, CLASSIFIER_WEIGHTS, REPORT, read_report
from pushforward.models.storage.model import load_model
from pushforward.service.domain.jobs import ModelEvaluation, State
from pushforward.service.stores.disk_models import DiskModels, read_card
from tests.apis.fakes import MOONS as FAMILY
from tests.apis.fakes import card
from tests.service.conftest import Bench, small_run, until
from tests.service.models_on_disk import MOONS, STEPS, TOLD, put_model, put_spoiled, put_steps, put_told

from .test_supervisor import child_of, kill_child

torch.set_num_threads(1)

SOME = ModelEvaluation(model=MOONS, metrics=("mmd2", "precision", "coverage"), n=100, seed=3)
LONG = ModelEvaluation(model=STEPS, metrics=("mmd2", "precision", "recall", "density", "coverage"), n=5_000, seed=3)


def folder_of(bench: Bench, reference: str) -> Path:
    return bench.settings.store / reference.replace("@", "/")


def trained(bench: Bench) -> str:
    """A model that a job trained and published."""
    job_id = bench.create(small_run(20))
    bench.supervisor.run("train")
    assert bench.job(job_id).state is State.SUCCEEDED
    return MOONS


def fault_of(bench: Bench, asked: ModelEvaluation) -> tuple[str, str]:
    job_id = bench.create_evaluation(asked)
    bench.supervisor.run("evaluate")
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.FAILED, 1)
    assert job.error is not None
    assert not (folder_of(bench, asked.model) / REPORT).exists()
    return job.error.type, job.error.detail


def test_an_evaluation_ends_as_a_report_beside_the_card(bench: Bench) -> None:
    trained(bench)
    before = (folder_of(bench, MOONS) / "card.json").read_bytes()
    job_id = bench.create_evaluation(SOME)
    bench.supervisor.run("evaluate")
    job = bench.job(job_id)
    assert (job.state, job.kind, job.version) == (State.SUCCEEDED, "evaluate", 1)
    assert (job.progress.step, job.progress.total_steps) == (3, 3)
    report = read_report(folder_of(bench, MOONS))
    assert report is not None
    assert (report.against, report.n, report.n_reference, report.seed, report.job) == ("held_out", 100, 5000, 3, job_id)
    assert {each.name: each.model.value for each in report.metrics} == job.metrics
    assert [each.name for each in report.metrics] == [*SOME.metrics]
    assert all(each.floor is not None and each.gaussian is not None for each in report.metrics)
    assert not (bench.settings.store / ".jobs" / job_id).exists()
    card = read_card(folder_of(bench, MOONS))
    assert card is not None
    assert asyncio.run(DiskModels(bench.settings.store).evaluation(card)) == report
    assert (folder_of(bench, MOONS) / "card.json").read_bytes() == before
    load_model(folder_of(bench, MOONS), torch.device("cpu"))


def test_its_events_tell_how_far_it_has_come_and_each_metric(bench: Bench) -> None:
    put_model(bench.settings.store)
    job_id = bench.create_evaluation(SOME)
    bench.supervisor.run("evaluate")
    events = bench.events(job_id)
    progress = [event.data for event in events if event.kind == "progress"]
    fractions = [each["fraction"] for each in progress]
    assert fractions == sorted(fractions)
    assert (progress[-1]["fraction"], progress[-1]["measured"]) == (1.0, [*SOME.metrics])
    assert {"draws samples", "measures mmd2", "measures precision"} <= {each["what"] for each in progress}
    said = [event.data["message"] for event in events if event.kind == "log"]
    assert [line.split(" ", 1)[0] for line in said] == [*SOME.metrics]
    assert "training rows" in said[0]


def test_the_same_evaluation_of_another_attempt_has_the_same_values(bench: Bench) -> None:
    put_steps(bench.settings.store)
    short = LONG.model_copy(update={"n": 300})
    values = []
    for _ in range(2):
        job_id = bench.create_evaluation(short)
        bench.supervisor.run("evaluate")
        values.append(bench.job(job_id).metrics)
    assert values[0] == values[1] != {}


def test_a_killed_child_is_tried_again_and_ends_once(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_evaluation(LONG)
    runner = bench.supervise("evaluate")
    until(lambda: bench.job(job_id).progress.total_steps > 0)
    kill_child(job_id)
    runner.join(120)
    job = bench.job(job_id)
    assert (job.state, job.epoch) == (State.SUCCEEDED, 2)
    assert read_report(folder_of(bench, STEPS)) is not None


def test_a_cancelled_evaluation_leaves_nothing(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_evaluation(LONG)
    runner = bench.supervise("evaluate")
    until(lambda: child_of(job_id) is not None)
    bench.cancel(job_id)
    runner.join(30)
    assert bench.job(job_id).state is State.CANCELLED
    assert child_of(job_id) is None
    assert not (bench.settings.store / ".jobs" / job_id).exists()
    assert read_report(folder_of(bench, STEPS)) is None


def test_a_drained_evaluation_waits_again(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_evaluation(LONG)
    runner = bench.supervise("evaluate")
    until(lambda: child_of(job_id) is not None)
    bench.draining.set()
    runner.join(30)
    assert bench.job(job_id).state is State.QUEUED


def test_a_later_evaluation_takes_the_place_of_the_one_before_and_uses_its_classifier(bench: Bench) -> None:
    put_told(bench.settings.store)
    before = list(folder_of(bench, TOLD).iterdir())
    asked = ModelEvaluation(model=TOLD, metrics=("label_divergence", "classification_accuracy"), n=60, seed=0)
    digests = []
    for seed in (0, 1):
        job_id = bench.create_evaluation(asked.model_copy(update={"seed": seed}))
        bench.supervisor.run("evaluate")
        assert bench.job(job_id).state is State.SUCCEEDED, bench.job(job_id).error
        report = read_report(folder_of(bench, TOLD))
        assert report is not None
        assert report.classifier is not None
        assert (report.job, report.seed) == (job_id, seed)
        assert report.labels is not None
        assert sum(report.labels.samples) == 60
        digests.append(report.classifier.weights_sha256)
    assert digests[0] == digests[1]
    names = {file.name for file in folder_of(bench, TOLD).iterdir()}
    assert {REPORT, CLASSIFIER, CLASSIFIER_WEIGHTS} == names - {file.name for file in before}


def test_rows_of_another_source_are_read_from_the_data_root(bench: Bench) -> None:
    put_model(bench.settings.store)
    np.save(bench.settings.data_root / "far.npy", 50 + np.random.default_rng(0).standard_normal((60, 2)))
    against = {"source": "npy", "path": "far.npy"}
    job_id = bench.create_evaluation(SOME.model_copy(update={"against": against}))
    bench.supervisor.run("evaluate")
    report = read_report(folder_of(bench, MOONS))
    assert report is not None
    assert (report.against, report.n_reference) == (against, 60)
    assert bench.job(job_id).metrics["precision"] == 0.0


def test_rows_that_are_gone_are_named(bench: Bench) -> None:
    put_model(bench.settings.store)
    kind, detail = fault_of(bench, SOME.model_copy(update={"against": {"source": "npy", "path": "gone.npy"}}))
    assert kind == "invalid-data"
    assert "against.path: there is no 'gone.npy'" in detail


def test_a_model_that_draws_what_is_not_finite_is_not_evaluated(bench: Bench) -> None:
    put_spoiled(bench.settings.store)
    kind, detail = fault_of(bench, SOME)
    assert kind == "diverged"
    assert "not finite" in detail


def test_a_model_that_is_gone_fails_the_job_at_once_and_says_so(bench: Bench) -> None:
    kind, detail = fault_of(bench, SOME.model_copy(update={"model": "nobody@3"}))
    assert kind == "bad-checkpoint"
    assert "nobody@3 is gone" in detail


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"metrics": ("mmd2", "news")}, "metrics: this worker does not know news"),
     ({"against": {"source": "news"}}, "against: is no source of data that this worker knows")],
)  # fmt: skip
def test_what_a_newer_gateway_asks_is_refused_by_name(bench: Bench, changes: dict[str, object], what: str) -> None:
    put_model(bench.settings.store)
    assert fault_of(bench, SOME.model_copy(update=changes)) == ("invalid-data", what)


async def test_a_damaged_report_is_none_and_the_model_is_served(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "moons" / "1").mkdir(parents=True)
    (tmp_path / "moons" / "1" / REPORT).write_text("{")
    models = DiskModels(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert await models.evaluation(card("moons", FAMILY, DataSpec(shape=(2,)))) is None
    assert "cannot be read" in caplog.text


def test_a_model_that_is_deleted_meanwhile_has_no_report_and_the_job_says_so(bench: Bench) -> None:
    put_steps(bench.settings.store)
    job_id = bench.create_evaluation(LONG)
    runner = bench.supervise("evaluate")
    until(lambda: bench.job(job_id).progress.total_steps > 0)
    shutil.rmtree(folder_of(bench, STEPS))
    runner.join(120)
    job = bench.job(job_id)
    assert job.state is State.FAILED
    assert job.error is not None
    assert (job.error.type, job.epoch) == ("bad-checkpoint", 2)
    assert not folder_of(bench, STEPS).exists()
