"""`service.application.trainings.outlines`: what a training would do is told without making a job of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pushforward.service.application.application import Application
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Invalid, NotFound, ServiceError, TimedOut, Unavailable
from tests.apis.fakes import Wakeups
from tests.service.application.conftest import FORESEEN, Recorded

FLOW = {"family": "flow"}


@pytest.fixture
def trees(tmp_path: Path) -> dict[str, Any]:
    lines = [f"{'oak' if i % 3 else 'ash'},{i / 7},{i}" for i in range(60)]
    (tmp_path / "trees.csv").write_text("\n".join(["kind,height,number", *lines]))
    return {"source": "table", "path": "trees.csv"}


def command(**fields: Any) -> TrainModel:
    return parse(TrainModel, {"model": "m", **fields})


async def test_a_plan_has_the_run_that_the_job_would_have_and_leaves_no_job(app: Application) -> None:
    asked = command(preset="vae-digits", run={"budget": {"steps": 7}})
    plan = await app.jobs.plan(asked)
    assert list((await app.jobs.list()).jobs) == []
    assert isinstance(app.jobs.wakeups, Wakeups)
    assert app.jobs.wakeups.woken == []
    assert plan.run == (await app.jobs.train(asked)).run
    assert (plan.model, plan.preset, plan.data.rows) == ("m", "vae-digits", 1797)
    assert plan.data.reasons == {}


async def test_of_a_table_the_form_its_capabilities_the_columns_and_notes_are_told(
    app: Application, trees: dict[str, Any]
) -> None:
    data = trees | {"columns": {"number": {"kind": "drop"}}}
    plan = await app.jobs.plan(command(run={"family": FLOW, "data": data}))
    assert plan.form == "A flow, its rows those of a table."
    assert plan.capabilities == ("sample", "likelihood", "complete")
    assert plan.data.rows == 60
    assert plan.data.spec.table is not None
    assert {each.name: each.kind for each in plan.data.spec.table.columns} == {"kind": "category", "height": "number"}
    assert plan.data.reasons == {"kind": "texts with 2 distinct values", "height": "floats"}
    assert plan.notes == ("Columns that were left out: number.",)


async def test_of_a_density_that_is_drawn_afresh_there_are_no_rows(app: Application) -> None:
    plan = await app.jobs.plan(command(run={"family": FLOW, "data": {"source": "two_moons"}}))
    assert plan.data.rows is None
    assert plan.form.startswith("Normalizing flow")


async def test_what_a_worker_foresees_of_the_run_is_told(app: Application, asks: Recorded) -> None:
    plan = await app.jobs.plan(command(preset="vae-digits"))
    (request, _) = asks.requests[0]
    assert (request.op, request.options) == ("forecast", {"run": plan.run})
    assert (plan.forecast, plan.no_forecast) == (FORESEEN, None)


@pytest.mark.parametrize("error", [Unavailable("no worker is alive"), TimedOut("no answer within 60 s")])
async def test_where_no_worker_foresees_it_the_plan_says_why(
    asks: Recorded, app: Application, error: ServiceError
) -> None:
    asks.error = error
    plan = await app.jobs.plan(command(preset="vae-digits"))
    assert (plan.forecast, plan.no_forecast) == (None, error.detail)


async def test_what_cannot_be_trained_by_the_worker_is_refused(asks: Recorded, app: Application) -> None:
    asks.error = Invalid.field("run.optimizer.batch_size", "give batch_size 64")
    with pytest.raises(Invalid, match="give batch_size 64"):
        await app.jobs.plan(command(preset="vae-digits"))


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"preset": "xyz"}, NotFound),
        ({"run": {"family": FLOW, "data": {"source": "npy", "path": "none.npy"}}}, Invalid),
        ({"run": {"family": {"family": "infogan"}, "data": {"source": "two_moons", "condition": "label"}}}, Invalid),
        ({"run": {"family": {"family": "ae"}, "data": {"source": "table", "path": "trees.csv"}}}, Invalid),
    ],
)
async def test_a_plan_is_refused_as_the_training_would_be(
    app: Application, trees: dict[str, Any], fields: dict[str, Any], kind: type[ServiceError]
) -> None:
    with pytest.raises(kind) as planned:
        await app.jobs.plan(command(**fields))
    with pytest.raises(kind) as trained:
        await app.jobs.train(command(**fields))
    assert (planned.value.detail, planned.value.errors) == (trained.value.detail, trained.value.errors)
