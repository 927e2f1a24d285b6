"""`service.application.trainings.training`: the run of a command, whole, changed, or of what it starts from."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.models.data import TwoMoons
from pushforward.models.run import Budget, Run
from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import Sample, TrainModel
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Conflict, Invalid, NotFound
from pushforward.service.domain.jobs import Fault
from pushforward.service.jobs.memory_record import MemoryJobs
from tests.apis.fakes import MOONS
from tests.service.application.conftest import Recorded

WHOLE = {"family": {"family": "vae", "latent": 2}, "data": {"source": "two_moons"}}
WIDE = {"family": {"family": "flow"}, "data": {"source": "digits"}}


def command(**fields: Any) -> TrainModel:
    return parse(TrainModel, {"model": "m", **fields})


async def run_of(app: Application, **fields: Any) -> Run:
    return Run.model_validate((await app.jobs.train(command(**fields))).run)


async def test_a_start_alone_is_the_run_of_that_version_pinned_to_it(app: Application) -> None:
    run = await run_of(app, start_from="moons")
    assert (run.start_from, run.family, run.data) == ("moons@1", MOONS, TwoMoons())


async def test_fields_of_the_run_change_that_of_the_start(app: Application) -> None:
    run = await run_of(
        app, start_from="moons@1", run={"budget": {"steps": 7}, "optimizer": {"lr": 0.5}, "data": {"noise": 0.2}}
    )
    assert (run.budget, run.optimizer.lr, run.data) == (Budget(steps=7), 0.5, TwoMoons(noise=0.2))
    assert run.family == MOONS


async def test_with_a_whole_run_or_a_preset_the_run_is_that_one(app: Application) -> None:
    assert await run_of(app, start_from="moons", run=WHOLE) == Run.model_validate(WHOLE | {"start_from": "moons@1"})
    preset = await run_of(app, start_from="moons", preset="flow-two-moons", run={"budget": {"steps": 3}})
    assert (preset.family.family, preset.budget.steps, preset.start_from) == ("flow", 3, "moons@1")
    assert (await run_of(app, start_from="moons", preset="flow-two-moons")).family == preset.family


async def test_a_recorded_run_is_sent_again_as_it_is(app: Application) -> None:
    run = await run_of(app, start_from="moons", run={"seed": 3})
    assert await run_of(app, run=run.model_dump(mode="json")) == run


@pytest.mark.parametrize("data", [{"source": "digits"}, {"source": "npy", "path": "none.npy"}])
async def test_data_of_another_shape_are_refused_before_there_is_a_job(app: Application, data: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as error:
        await app.jobs.train(command(start_from="moons", run={"data": data}))
    [fault] = error.value.errors
    assert fault.field == ("start_from" if data["source"] == "digits" else "run.data.path")
    assert (await app.jobs.list()).jobs == []


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"start_from": "moons", "run": {"family": {"latent": 0}}}, "run.family.latent"),
        ({"start_from": "moons", "run": {"budget": {"stepss": 3}}}, "run.budget.stepss"),
        ({"start_from": "moons", "run": {"optimiser": {}}}, "run.optimiser"),
        ({"start_from": "moons", "run": {"start_from": "images"}}, "start_from"),
        ({"start_from": "Moons"}, "start_from"),
        ({"start_from": "moons", "run": 3}, "run"),
        ({}, "run"),
    ],
)
async def test_a_field_that_is_wrong_is_named(app: Application, fields: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as error:
        await app.jobs.train(command(**fields))
    assert error.value.errors[0].field == field


@pytest.mark.parametrize("start", ["none", "moons@7", "job:0123456789abcdef"])
async def test_a_start_that_does_not_exist_is_not_found(app: Application, start: str) -> None:
    with pytest.raises(NotFound):
        await app.jobs.train(command(start_from=start))


async def test_a_cancelled_or_failed_job_may_be_started_from(app: Application) -> None:
    record = app.jobs.record
    assert isinstance(record, MemoryJobs)
    first = await app.jobs.train(command(run=WHOLE))
    with pytest.raises(Invalid, match="is queued; cancel it"):
        await app.jobs.train(command(start_from=f"job:{first.id}"))
    await app.jobs.cancel(first.id)
    run = await run_of(app, start_from=f"job:{first.id}", run={"budget": {"steps": 5}})
    assert run == Run.model_validate(WHOLE | {"budget": {"steps": 5}, "start_from": f"job:{first.id}"})
    second = await app.jobs.train(command(run=WHOLE))
    while (claimed := record.claim("train", "w")) is not None and claimed.id != second.id:
        pass  # those that were started before
    assert claimed is not None
    record.fail(second.id, claimed.epoch, Fault(type="diverged", detail="lower optimizer.lr"))
    assert (await run_of(app, start_from=f"job:{second.id}")).start_from == f"job:{second.id}"


async def test_a_job_that_published_a_model_or_trains_none_is_refused_with_what_to_give(app: Application) -> None:
    record = app.jobs.record
    assert isinstance(record, MemoryJobs)
    job = await app.jobs.train(command(run=WHOLE))
    claimed = record.claim("train", "w")
    assert claimed is not None
    version = record.reserve_version(job.id, claimed.epoch, 0)
    assert version is not None
    record.succeed(job.id, claimed.epoch, version, {})
    with pytest.raises(Invalid, match=f"published m@{version}; start from that"):
        await app.jobs.train(command(start_from=f"job:{job.id}"))
    sampling = await app.jobs.sample(Sample(model="moons", n=5))
    with pytest.raises(Invalid, match="is no training"):
        await app.jobs.train(command(start_from=f"job:{sampling.id}"))


async def test_a_key_belongs_to_one_start(app: Application, asks: Recorded) -> None:
    job = await app.jobs.train(command(start_from="moons", run={"budget": {"steps": 5}}), idempotency_key="k")
    again = await app.jobs.train(command(start_from="moons", run={"budget": {"steps": 5}}), idempotency_key="k")
    assert again.id == job.id
    with pytest.raises(Conflict):
        await app.jobs.train(command(start_from="moons@1", run={"budget": {"steps": 5}}), idempotency_key="k")
    with pytest.raises(Conflict):
        await app.jobs.train(command(start_from="moons", run={"budget": {"steps": 6}}), idempotency_key="k")


async def test_patience_without_a_held_out_loss_is_refused(app: Application) -> None:
    gan = {"family": {"family": "gan"}, "data": {"source": "two_moons"}, "budget": {"steps": 5, "patience": 2}}
    with pytest.raises(Invalid, match="gan has none; leave it out") as error:
        await app.jobs.train(command(run=gan))
    assert error.value.errors[0].field == "run.budget.patience"
    assert (await run_of(app, run=WHOLE | {"budget": {"seconds": 5, "patience": 2}})).budget.patience == 2


async def test_a_plan_tells_the_start(app: Application) -> None:
    plan = await app.jobs.plan(command(start_from="moons", run={"budget": {"steps": 5}}))
    assert plan.run["start_from"] == "moons@1"
    with pytest.raises(Invalid, match="of the same shape"):
        await app.jobs.plan(command(start_from="moons", run=WIDE))
