"""A refusal names what the client sent, and what to do, in the words of the API that it came by."""

from __future__ import annotations

import re
from typing import Any, get_args

import grpc
import numpy as np
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from pushforward.service.domain.errors import Invalid, Remedy, RemedyName, names, naming
from pushforward.service.http import problems
from pushforward.service.rpc import status
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from tests.apis.conftest import Apis
from tests.apis.test_both_apis import REFUSED, call, details, tensor
from tests.apis.test_rest import NPY, npy_bytes

OF_REST = re.compile(r"REST|HTTP|[Hh]eader|application/|text/|Idempotency-Key|Last-Event-ID|`next`|(GET|POST|DELETE) /")
OF_GRPC = re.compile(r"gRPC|SampleStream|StartSampling|page_token|idempotency_key|[a-z]Request\b|JobState")

Call = tuple[str, Any, str, str]
CALLS: list[Call] = [  # method, request, field, what the detail says
    ("Sample", pb.SampleRequest(model="moons", n=501), "n", "take up to 100000 with SampleStream"),
    ("Sample", pb.SampleRequest(model="moons", n=150_000), "n", "StartSampling draws more"),
    ("Sample", pb.SampleRequest(model="moons", n=1, preview_every=2), "preview_every", "call SampleStream"),
    ("Sample", pb.SampleRequest(model="", n=1), "model", "model: is missing"),
    ("ListJobs", pb.ListJobsRequest(page_token="q"), "page_token", "page_token: must be what the page before gave"),
    ("ListJobs", pb.ListJobsRequest(limit=9999), "limit", "limit: must lie in"),
    ("Train", pb.TrainRequest(model="m", preset="vae-digits", seed=2**63), "seed", "seed: input should be less than"),
    ("Train", pb.TrainRequest(model="m", preset="vae-digits", idempotency_key="k" * 999), "idempotency_key", "must"),
    ("Sample", pb.SampleRequest(model="captioned", n=1), "condition", "give a Tensor of dtype string"),
    ("StartSampling", pb.StartSamplingRequest(ask=pb.SampleRequest(model="moons")), "ask.n", "ask.n: input should be"),
    ("StartSampling", pb.StartSamplingRequest(ask=pb.SampleRequest(model="moons", n=2), idempotency_key="k" * 999),
     "idempotency_key", "idempotency_key: must have"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "request_", "field", "says"), CALLS, ids=lambda value: str(value)[:40])
async def test_a_call_is_refused_in_the_words_of_grpc(
    apis: Apis, method: str, request_: Any, field: str, says: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await getattr(apis.stub, method)(request_)
    assert says in (failed.value.details() or "")
    assert details(failed.value)[1] == [field]
    assert not OF_REST.search(failed.value.details() or "")


async def test_a_watch_is_refused_in_the_words_of_grpc(apis: Apis) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.WatchJob(pb.WatchJobRequest(id="0", after="yesterday")).read()
    assert failed.value.details() == "after: must be the id of an event, or 0 for all"


async def test_a_key_that_came_with_another_request_is_refused_in_words_of_both(apis: Apis) -> None:
    first = pb.TrainRequest(model="m", preset="vae-digits", idempotency_key="k")
    await apis.stub.Train(first)
    first.model = "n"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Train(first)
    assert (failed.value.details() or "").startswith("this idempotency key came with another request")


@pytest.mark.parametrize(
    ("path", "body", "headers", "field", "says"),
    [
        ("/sample", {"model": "moons", "n": 501}, {}, "n", "take up to 100000 in a stream: accept application/x-npy"),
        ("/sample", {"model": "moons", "preview_every": 2}, {}, "preview_every", "accept text/event-stream"),
        ("/train", {"model": "m", "preset": "vae-digits"}, {"Idempotency-Key": "k" * 999}, "Idempotency-Key", "must"),
        ("/sample", {"model": "moons", "n": 150_000}, {"Idempotency-Key": "k" * 999}, "Idempotency-Key", "must have"),
        (
            "/train",
            {"model": "m", "preset": "vae-digits", "idempotency_key": "k"},
            {},
            "idempotency_key",
            "not a known",
        ),
    ],
)
async def test_a_request_is_refused_in_the_words_of_rest(
    apis: Apis, path: str, body: Any, headers: dict[str, str], field: str, says: str
) -> None:
    problem = (await apis.rest.post(path, json=body, headers=headers)).json()
    assert says in problem["detail"]
    assert says in problem["errors"][0]["message"]
    assert [error["field"] for error in problem["errors"]] == [field]
    assert field == "idempotency_key" or not OF_GRPC.search(problem["detail"])


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
async def test_an_ask_is_refused_without_words_of_rest(apis: Apis, case: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(apis, case.op, case.body)
    assert not OF_REST.search(failed.value.details() or "")


def test_each_api_has_words_for_each_remedy() -> None:
    assert [*problems.REMEDIES] == [*status.REMEDIES] == [*get_args(RemedyName)]
    assert not any(map(OF_GRPC.search, problems.REMEDIES.values()))
    assert not any(map(OF_REST.search, status.REMEDIES.values()))


def test_a_refusal_without_an_api_has_no_remedy_of_one() -> None:
    error = Invalid.field("n", "is too large", remedy=Remedy("stream", 7))
    assert (error.detail, error.with_remedy(problems.REMEDIES)[0]) == (
        "n: is too large",
        "n: is too large; take up to 7 in a stream: accept application/x-npy",
    )


def test_a_field_is_renamed_in_the_detail_and_the_faults() -> None:
    with pytest.raises(Invalid) as refused, naming(names(after="page_token")):
        raise Invalid.field("after", "must be after")
    assert (refused.value.detail, refused.value.errors[0].field) == ("page_token: must be after", "page_token")


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (np.array([[0, 1], [2, np.nan], [np.inf, 0]]), "every value must be finite: NaN"),
        (np.array([[0, 1], [np.inf, 0]]), "every value must be finite: infinity"),
    ],
)  # fmt: skip
async def test_the_first_value_that_is_not_finite_is_named(apis: Apis, x: np.ndarray, says: str) -> None:
    refused = await apis.rest.post("/encode?model=moons", content=npy_bytes(x), headers=NPY)
    assert (refused.status_code, says in refused.json()["detail"]) == (422, True)
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Encode(pb.EncodeRequest(model="moons", x=tensor(x)))
    assert failed.value.details() == refused.json()["detail"]


async def test_a_code_that_is_not_finite_is_named(apis: Apis) -> None:
    z = npy_bytes(np.array([[0, 1e300]]))
    refused = await apis.rest.post("/decode?model=moons", content=z, headers=NPY)
    assert refused.json()["detail"].endswith("every code must be finite: infinity in row 0, column 1")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "nan", "1e400", "-1.5E+999", "9" * 400])
async def test_json_of_numbers_that_are_not_finite_says_so(apis: Apis, number: str) -> None:
    body = f'{{"model": "moons", "x": [[0, {number}]]}}'.encode()
    refused = await apis.rest.post("/encode", content=body, headers={"Content-Type": "application/json"})
    assert refused.status_code == 400
    assert f"the body is not JSON: {number.lstrip('-')[:30]}" in refused.json()["detail"].replace("-", "")
    assert refused.json()["detail"].endswith(
        "JSON has no NaN or Infinity and no numbers beyond 1.8e308, so send finite numbers"
    )
    assert len(refused.json()["detail"]) < 200


@pytest.mark.parametrize("body", ['{"model": }', '{"model": nano}', "[1,", '{"a": 01}'])
async def test_other_bodies_that_are_no_json_say_where(apis: Apis, body: str) -> None:
    refused = await apis.rest.post("/encode", content=body.encode(), headers={"Content-Type": "application/json"})
    assert re.search(r"the body is not JSON: .*line 1 column \d+", refused.json()["detail"])
    assert "NaN" not in refused.json()["detail"]


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_type_that_forms_send_is_refused_for_what_it_is(apis: Apis, media_type: str) -> None:
    refused = await apis.rest.post("/train", content=b"{}", headers={"Content-Type": media_type})
    said = f"the content type is {media_type}, which a page's form can send; send application/json"
    assert (refused.status_code, refused.json()["detail"]) == (415, said)


async def test_a_query_parameter_that_is_misspelled_is_asked_for(apis: Apis) -> None:
    refused = await apis.rest.get("/jobs", params={"modle": "m"})
    assert refused.json()["detail"] == "modle: is no parameter here; did you mean `model`?"
    refused = await apis.rest.get("/jobs", params={"bad": 1})
    assert refused.json()["detail"] == "bad: is no parameter here; it takes after, limit, model, state"


async def test_reflection_lists_itself_by_both_of_its_names(apis: Apis) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(apis.channel)
    asked = stub.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
    async for answer in asked:
        named = {service.name for service in answer.list_services_response.service}
        assert {f"grpc.reflection.{v}.ServerReflection" for v in ("v1", "v1alpha")} <= named
