"""Trainings that start from others, through both APIs."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.fakes import MemoryModels


def request(**fields: Any) -> pb.TrainRequest:
    message = pb.TrainRequest(model="m", **{name: fields[name] for name in ("start_from", "seed") if name in fields})
    if "run" in fields:
        message.run.update(fields["run"])
    return message


async def test_a_start_makes_the_same_run_through_both(apis: Apis) -> None:
    changes = {"budget": {"steps": 7, "patience": 3}, "optimizer": {"weight_decay": 0.01}}
    started = await apis.rest.post("/train", json={"model": "m", "start_from": "moons", "run": changes})
    assert started.status_code == 202, started.text
    run = started.json()["run"]
    assert (run["start_from"], run["budget"]["steps"], run["budget"]["patience"]) == ("moons@1", 7, 3)
    assert run["optimizer"]["weight_decay"] == 0.01
    job = await apis.stub.Train(request(start_from="moons", run=changes))
    assert MessageToDict(job.run) == run


async def test_a_seed_of_its_own_field_changes_the_run_of_a_start(apis: Apis) -> None:
    job = await apis.stub.Train(request(start_from="moons", seed=2**53 + 1))
    assert (await apis.application.jobs.get(job.id)).run["seed"] == 2**53 + 1


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"start_from": "moons", "run": {"data": {"source": "digits"}}}, "start_from"),
        ({"start_from": "no model"}, "start_from"),
        ({"start_from": "moons", "run": {"budget": {"seconds": -1}}}, "run.budget.seconds"),
        ({"start_from": "moons", "run": {"budget": {"steps": 1, "patience": 0}}}, "run.budget.patience"),
        ({"start_from": "moons", "run": {"optimizer": {"weight_decay": -1}}}, "run.optimizer.weight_decay"),
    ],
)
async def test_both_refuse_the_same_and_name_the_field(apis: Apis, fields: dict[str, Any], field: str) -> None:
    refused = await apis.rest.post("/train", json={"model": "m", **fields})
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == field
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.Train(request(**fields))
    assert error.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert error.value.details() == refused.json()["detail"]


async def test_a_start_that_is_not_there_is_not_found_through_both(apis: Apis) -> None:
    assert (await apis.rest.post("/train", json={"model": "m", "start_from": "moons@9"})).status_code == 404
    with pytest.raises(grpc.aio.AioRpcError) as error:
        await apis.stub.Train(request(start_from="job:0123456789abcdef"))
    assert error.value.code() is grpc.StatusCode.NOT_FOUND


async def test_cards_tell_what_a_model_started_from_and_how_many_steps_led_to_it(apis: Apis) -> None:
    models = apis.application.catalog.published
    assert isinstance(models, MemoryModels)
    before = await apis.stub.GetModel(pb.GetModelRequest(model="moons"))
    assert not before.HasField("steps")
    assert not before.HasField("started_at_step")
    assert before.start_from == ""
    told = {"steps": 1500, "start_from": "moons@1", "started_at_step": 500}
    models.cards["moons"] = models.cards["moons"].model_copy(update=told)
    card = (await apis.rest.get("/models/moons")).json()
    assert {name: card[name] for name in told} == told
    [listed] = [each for each in (await apis.rest.get("/models")).json()["models"] if each["model"] == "moons"]
    assert {name: listed[name] for name in told} == told
    message = await apis.stub.GetModel(pb.GetModelRequest(model="moons"))
    assert {name: getattr(message, name) for name in told} == told
