"""Searches through both APIs."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from pushforward.service.domain.ports import Update
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.structs import to_struct
from tests.apis.conftest import Apis

SWEEP: dict[str, Any] = {"method": "grid", "fields": {"budget.steps": [20, 40]}}


def request(sweep: dict[str, Any] = SWEEP, **fields: Any) -> pb.TrainRequest:
    return pb.TrainRequest(model="m", preset="flow-two-moons", sweep=to_struct(sweep), **fields)


async def started(apis: Apis, **headers: str) -> dict[str, Any]:
    body = {"model": "m", "preset": "flow-two-moons", "sweep": SWEEP}
    answer = await apis.rest.post("/train", json=body, headers=headers)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert answer.headers["location"] == f"/jobs/{job['id']}"
    return job


def train(apis: Apis, version: int, loss: float) -> None:
    """The first trial that waits, to its end."""
    record = apis.application.jobs.record
    assert isinstance(record, MemoryJobs)
    job = record.claim("train", "w")
    assert job is not None
    curve = {"name": "loss_nats", "rows": 9, "steps": [20], "values": [loss], "best_step": None}
    record.beat(job.id, 1, [Update("progress", {"step": 20, "total_steps": 20, "losses": {}, "curve": curve})])
    record.succeed(job.id, 1, version, {})


async def test_a_search_is_the_same_job_through_both(apis: Apis) -> None:
    by_rest = await started(apis)
    by_rpc = await apis.stub.Train(request())
    assert (by_rest["kind"], by_rpc.kind, by_rpc.job_kind) == ("sweep", "sweep", pb.JOB_KIND_SWEEP)
    assert (by_rest["state"], by_rpc.state) == ("running", pb.JOB_STATE_RUNNING)
    assert (by_rest["progress"], by_rpc.progress.total_steps) == ({"step": 0, "total_steps": 2}, 2)
    assert (by_rest["sweep"]["method"], by_rest["sweep"]["fields"]) == ("grid", SWEEP["fields"])
    assert (by_rpc.sweep.method, MessageToDict(by_rpc.sweep.fields)) == ("grid", SWEEP["fields"])
    values = [trial["values"] for trial in by_rest["sweep"]["trials"]]
    assert sorted(each["budget.steps"] for each in values) == [20, 40]
    assert [MessageToDict(trial.values) for trial in by_rpc.sweep.trials] == values
    assert {trial.state for trial in by_rpc.sweep.trials} == {pb.JOB_STATE_QUEUED}
    assert not any(trial.HasField("score") for trial in by_rpc.sweep.trials)
    child = (await apis.rest.get(f"/jobs/{by_rest['sweep']['trials'][0]['job']}")).json()
    assert (child["kind"], child["part_of"], child["sweep"]) == ("train", by_rest["id"], None)
    assert (await apis.stub.GetJob(pb.GetJobRequest(id=by_rpc.sweep.trials[0].job))).part_of == by_rpc.id


async def test_both_tell_the_scores_and_the_best(apis: Apis) -> None:
    job = await started(apis)
    for version, loss in ((1, 2.5), (2, 1.5)):
        train(apis, version, loss)
    told = (await apis.rest.get(f"/jobs/{job['id']}")).json()
    first, second = told["sweep"]["trials"]
    assert (told["state"], told["sweep"]["score_name"], told["sweep"]["best"]) == (
        "succeeded",
        "loss_nats",
        second["job"],
    )
    assert [(trial["state"], trial["version"], trial["score"]) for trial in (first, second)] == [
        ("succeeded", 1, 2.5),
        ("succeeded", 2, 1.5),
    ]
    over_grpc = await apis.stub.GetJob(pb.GetJobRequest(id=job["id"]))
    assert (over_grpc.sweep.best, over_grpc.sweep.score_name) == (second["job"], "loss_nats")
    assert [(trial.state, trial.version, trial.score) for trial in over_grpc.sweep.trials] == [
        (pb.JOB_STATE_SUCCEEDED, 1, 2.5),
        (pb.JOB_STATE_SUCCEEDED, 2, 1.5),
    ]


async def test_a_search_is_followed_to_the_end_of_its_last_trial(apis: Apis) -> None:
    job = await started(apis)
    for version in (1, 2):
        train(apis, version, 1.0)
    events = [event async for event in apis.stub.WatchJob(pb.WatchJobRequest(id=job["id"]))]
    assert [event.data["progress"]["step"] for event in events] == [0, 1, 2]
    assert events[-1].data["state"] == "succeeded"
    streamed = (await apis.rest.get(f"/jobs/{job['id']}/events")).text
    assert streamed.count("event: state") == 3


async def test_a_search_is_paused_resumed_and_cancelled_through_both(apis: Apis) -> None:
    job = (await started(apis))["id"]
    assert (await apis.rest.post(f"/jobs/{job}/pause")).json()["state"] == "paused"
    assert (await apis.stub.ResumeJob(pb.ResumeJobRequest(id=job))).state == pb.JOB_STATE_RUNNING
    assert (await apis.stub.PauseJob(pb.PauseJobRequest(id=job))).state == pb.JOB_STATE_PAUSED
    assert (await apis.rest.post(f"/jobs/{job}/cancel")).json()["state"] == "cancelled"
    assert (await apis.rest.post(f"/jobs/{job}/resume")).status_code == 409


async def test_a_key_gives_the_same_search_through_both(apis: Apis) -> None:
    job = await started(apis, **{"Idempotency-Key": "k"})
    assert (await started(apis, **{"Idempotency-Key": "k"}))["id"] == job["id"]
    assert (await apis.stub.Train(request(idempotency_key="k"))).id == job["id"]


async def test_both_plans_tell_how_many_trainings_there_would_be(apis: Apis) -> None:
    body = {"model": "m", "preset": "flow-two-moons", "sweep": SWEEP}
    assert (await apis.rest.post("/train?dry_run=true", json=body)).json()["trials"] == 2
    assert (await apis.stub.PlanTraining(request())).trials == 2
    assert (await apis.stub.PlanTraining(pb.TrainRequest(model="m", preset="flow-two-moons"))).trials == 0
    assert (await apis.rest.get("/jobs")).json()["jobs"] == []


@pytest.mark.parametrize(
    ("sweep", "field"),
    [
        ({}, "sweep.fields"),
        ({"fields": {"optimizer.lr": [-1]}}, "sweep.fields.optimizer.lr"),
        ({"fields": {"optimizer.lr": {"low": 1}}}, "sweep.fields.optimizer.lr.high"),
        ({"fields": {"data.noise": [1]}}, "sweep.fields"),
        ({"fields": {"seed": [1]}, "method": "tpe"}, "sweep.method"),
        ({"fields": {"seed": [1]}, "folds": 5}, "sweep.folds"),
    ],
)
async def test_both_refuse_the_same_search_and_name_the_field(apis: Apis, sweep: dict[str, Any], field: str) -> None:
    refused = await apis.rest.post("/train", json={"model": "m", "preset": "flow-two-moons", "sweep": sweep})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.Train(request(sweep))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == refused.json()["detail"]
