"""Dry runs through the APIs: what a training would do, or the refusal of the training."""

from __future__ import annotations

from typing import Any

import pytest

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.structs import from_struct, to_struct
from tests.apis.conftest import Apis

ROWS = {"model": "m", "run": {"family": {"family": "flow"}, "data": {"source": "npy", "path": "rows.npy"}}}


async def test_a_dry_run_answers_with_the_run_and_its_data_and_makes_no_job(apis: Apis) -> None:
    answer = await apis.rest.post("/train?dry_run=true", json=ROWS)
    assert answer.status_code == 200, answer.text
    plan = answer.json()
    told = {"model", "preset", "run", "form", "capabilities", "data", "notes", "forecast", "no_forecast", "trials"}
    assert (plan.keys(), plan["trials"]) == (told, None)
    assert plan["forecast"]["total_steps"] == plan["run"]["budget"]["steps"]
    assert (plan["data"]["rows"], plan["data"]["spec"]["shape"]) == (20, [2])
    assert (await apis.rest.get("/jobs")).json()["jobs"] == []
    job = await apis.rest.post("/train?dry_run=false", json=ROWS)
    assert job.status_code == 202
    assert job.json()["run"] == plan["run"]


async def test_both_apis_tell_the_same_plan(apis: Apis) -> None:
    by_rest = (await apis.rest.post("/train?dry_run=true", json=ROWS)).json()
    by_rpc = await apis.stub.PlanTraining(pb.TrainRequest(model="m", run=to_struct(ROWS["run"])))
    assert (by_rpc.model, by_rpc.form, list(by_rpc.notes)) == ("m", by_rest["form"], by_rest["notes"])
    assert list(by_rpc.capabilities) == by_rest["capabilities"]
    assert from_struct(by_rpc.run, "run") == by_rest["run"]
    assert from_struct(by_rpc.data, "data") == by_rest["data"]
    assert by_rpc.forecast.n_parameters == by_rest["forecast"]["n_parameters"]
    assert (by_rpc.forecast.device, by_rpc.no_forecast) == ("cpu", "")
    assert not (await apis.stub.ListJobs(pb.ListJobsRequest())).jobs


@pytest.mark.parametrize(
    ("query", "body", "status", "field"),
    [
        ("dry_run=true", ROWS | {"run": {}}, 422, "run.family"),
        ("dry_run=maybe", ROWS, 422, "dry_run"),
        ("dry_runs=true", ROWS, 422, "dry_runs"),
        ("dry_run=true&dry_run=false", ROWS, 422, "dry_run"),
    ],
)
async def test_a_dry_run_is_refused_by_the_field(
    apis: Apis, query: str, body: dict[str, Any], status: int, field: str
) -> None:
    refused = await apis.rest.post(f"/train?{query}", json=body)
    assert refused.status_code == status
    assert refused.json()["errors"][0]["field"] == field


async def test_other_routes_take_no_dry_run(apis: Apis) -> None:
    assert (await apis.rest.post("/sample?dry_run=true", json={"model": "moons"})).status_code == 422
