"""Evaluations of models, through both APIs."""

from __future__ import annotations

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from pushforward.models.storage.evaluation import (
    ClassifierCard,
    EvaluationReport,
    LabelCounts,
    MetricReport,
    MetricValue,
)
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.fakes import MemoryModels

REPORT = EvaluationReport(
    against={"source": "npy", "path": "new.npy"},
    n=100,
    n_reference=50,
    seed=2**64 - 1,
    metrics=(
        MetricReport(
            name="c2st_logistic",
            better="lower",
            ideal=0.5,
            model=MetricValue(value=0.75, std_error=0.01, interval=(0.7, 0.8), p_value=1e-9),
            floor=MetricValue(value=0.5),
        ),
        MetricReport(
            name="nearest_training_row_ratio", better="nearer", ideal=1.0, model=MetricValue(value=float("nan"))
        ),
    ),
    classifier=ClassifierCard(weights_sha256="0" * 64, n_classes=10, data_fingerprint="1" * 64, accuracy=0.98),
    labels=LabelCounts(samples=(60, 40), reference=(20, 30)),
    job="0123456789abcdef",
    created_at=1.5,
)


def request(**fields: Any) -> pb.EvaluateRequest:
    message = pb.EvaluateRequest(model=fields.get("model", "moons"), metrics=fields.get("metrics", ()))
    for name in ("n", "seed"):
        if name in fields:
            setattr(message, name, fields[name])
    if "against" in fields:
        message.against.update(fields["against"])
    return message


async def test_an_evaluation_becomes_a_job_through_rest(apis: Apis) -> None:
    started = await apis.rest.post("/evaluate", json={"model": "moons", "metrics": ["mmd2"], "n": 60, "seed": 2})
    job = started.json()
    assert started.status_code == 202
    assert started.headers["location"] == f"/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["version"], job["ask"]) == ("evaluate", "queued", 1, None)
    expected = {"model": "moons@1", "against": "held_out", "metrics": ["mmd2"], "target": None, "n": 60, "seed": 2}
    assert job["evaluation"] == expected
    seen = await apis.stub.GetJob(pb.GetJobRequest(id=job["id"]))
    assert (seen.kind, seen.job_kind) == ("evaluate", pb.JOB_KIND_EVALUATE)
    assert (seen.evaluation.model, list(seen.evaluation.metrics), seen.evaluation.n) == ("moons@1", ["mmd2"], 60)
    assert not seen.evaluation.HasField("against")


async def test_an_evaluation_becomes_the_same_job_through_grpc(apis: Apis) -> None:
    body = {"model": "moons", "against": {"source": "npy", "path": "rows.npy"}, "seed": 2**64 - 1}
    started = await apis.stub.Evaluate(request(**body))
    seen = (await apis.rest.get(f"/jobs/{started.id}")).json()
    twin = (await apis.rest.post("/evaluate", json=body)).json()
    assert seen["evaluation"] == twin["evaluation"]
    assert (twin["evaluation"]["n"], twin["evaluation"]["seed"]) == (1000, 2**64 - 1)
    assert started.evaluation.against["path"] == "rows.npy"
    defaults = await apis.stub.Evaluate(request())
    assert (defaults.evaluation.n, defaults.evaluation.seed) == (1000, 0)


async def test_the_same_key_starts_one_evaluation_through_both_apis(apis: Apis) -> None:
    started = (await apis.rest.post("/evaluate", json={"model": "moons"}, headers={"Idempotency-Key": "k"})).json()
    same = request()
    same.idempotency_key = "k"
    assert (await apis.stub.Evaluate(same)).id == started["id"]
    other = await apis.rest.post("/evaluate", json={"model": "moons", "n": 51}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"model": "nobody"}, 404, None),
        ({"model": "moons", "metrics": ["recal"]}, 422, "metrics.0"),
        ({"model": "moons", "metrics": ["mmd2", "FD_cnn"]}, 422, "metrics.1"),
        ({"model": "moons", "n": 5}, 422, "n"),
        ({"model": "moons", "against": {"source": "npy", "path": "../outside.npy"}}, 422, "against.path"),
        ({"model": "moons", "against": {"source": "digits"}}, 422, "against"),
        ({"model": "moons", "against": {"source": "styled_digits", "styles": ["plain"]}}, 422, "against.styles"),
    ],
)
async def test_an_evaluation_is_refused_alike_through_both_apis(
    apis: Apis, body: dict[str, Any], status: int, field: str | None
) -> None:
    refused = (await apis.rest.post("/evaluate", json=body)).json()
    assert refused["status"] == status
    assert [error["field"] for error in refused.get("errors", [])] == ([field] if field else [])
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Evaluate(request(**body))
    assert failed.value.details() == refused["detail"]


async def test_a_model_that_was_never_evaluated_has_a_null_and_lists_have_none(apis: Apis) -> None:
    assert (await apis.rest.get("/models/moons")).json()["evaluation"] is None
    assert not (await apis.stub.GetModel(pb.GetModelRequest(model="moons"))).HasField("evaluation")
    assert "evaluation" not in (await apis.rest.get("/models")).json()["models"][0]


async def test_the_card_of_an_evaluated_model_has_its_report_through_both_apis(apis: Apis) -> None:
    published = apis.application.catalog.published
    assert isinstance(published, MemoryModels)
    published.reports["moons@1"] = REPORT
    shown = (await apis.rest.get("/models/moons@1")).json()["evaluation"]
    assert shown == REPORT.model_dump(mode="json")
    assert shown["metrics"][1]["model"]["value"] == "NaN"
    message = (await apis.stub.GetModel(pb.GetModelRequest(model="moons"))).evaluation
    assert (message.n, message.n_reference, message.seed, message.job) == (100, 50, 2**64 - 1, REPORT.job)
    tested, ratio = message.metrics
    assert MessageToDict(tested, preserving_proto_field_name=True) == {
        "name": "c2st_logistic",
        "better": "lower",
        "ideal": 0.5,
        "model": {"value": 0.75, "std_error": 0.01, "interval": [0.7, 0.8], "p_value": 1e-9},
        "floor": {"value": 0.5},
    }
    assert not ratio.HasField("floor")
    assert message.classifier.accuracy == 0.98
    assert (list(message.labels.samples), list(message.labels.reference)) == ([60, 40], [20, 30])
    assert message.against["path"] == "new.npy"
