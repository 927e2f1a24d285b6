"""One table of asks, put through REST and gRPC: the same answer, or the same refusal."""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
import orjson
import pytest
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo
from grpc_status import rpc_status

from pushforward.service.client.events import parsed
from pushforward.service.domain.errors import RemedyName
from pushforward.service.domain.jobs import Fault
from pushforward.service.domain.ports import Update
from pushforward.service.http.problems import REMEDIES as REST_WORDS
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.status import REMEDIES as GRPC_WORDS
from tests.apis.conftest import Apis
from tests.apis.shifted import NOTE

X = np.array([[0.5, 0.25], [1.0, -0.5]], np.float32)
DIGIT = np.full((1, 1, 8, 8), 3.0, np.float32)
Z = np.zeros((2, 2), np.float32)
PATCHES = np.arange(36, dtype=np.float32).reshape(2, 2, 1, 3, 3) % 17
MASK = np.tril(np.ones((8, 8), np.float32))

REQUESTS = {
    "sample": pb.SampleRequest,
    "likelihood": pb.LikelihoodRequest,
    "score": pb.ScoreRequest,
    "encode": pb.EncodeRequest,
    "decode": pb.DecodeRequest,
    "reconstruct": pb.ReconstructRequest,
    "interpolate": pb.InterpolateRequest,
    "complete": pb.CompleteRequest,
    "translate": pb.TranslateRequest,
}
MAIN = {"sample": "samples", "likelihood": "log_prob", "score": "p_value", "encode": "z"}  # the others: x


@dataclass(frozen=True)
class Refusal:
    """An ask that must be refused."""

    what: str
    op: str
    body: dict[str, Any]
    status: int
    code: grpc.StatusCode
    field: str | None = None
    says: str = ""


ANSWERED = [
    ("sample", {"model": "moons", "n": 3, "seed": 7}, (3, 2)),
    ("sample", {"model": "moons@1", "n": 1, "seed": 2**64 - 1}, (1, 2)),
    ("sample", {"model": "digits", "n": 2, "seed": 0}, (2, 1, 8, 8)),
    ("likelihood", {"model": "moons", "x": X, "options": {"k": 4}}, (2,)),
    ("likelihood", {"model": "digits", "x": DIGIT, "options": {"k": 4}, "seed": 3}, (1,)),
    ("score", {"model": "moons", "x": X}, (2,)),
    ("score", {"model": "moons", "x": X, "seed": 3, "false_alarm_rate": 0.25}, (2,)),
    ("score", {"model": "digits", "x": DIGIT, "false_alarm_rate": 0.001}, (1,)),
    ("score", {"model": "labeled", "x": X, "condition": [0, 1]}, (2,)),
    ("encode", {"model": "moons", "x": X}, (2, 2)),
    ("decode", {"model": "digits", "z": np.zeros((3, 4), np.float32)}, (3, 1, 8, 8)),
    ("reconstruct", {"model": "digits", "x": DIGIT}, (1, 1, 8, 8)),
    ("interpolate", {"model": "moons", "start": X[0], "end": X[1], "steps": 4, "path": "linear"}, (4, 2)),
    ("interpolate", {"model": "moons", "start_seed": 1, "end_seed": 2}, (8, 2)),
    ("complete", {"model": "puzzle", "patches": PATCHES, "seed": 3}, (2, 1, 8, 8)),
    ("complete", {"model": "puzzle", "x": DIGIT, "mask": MASK}, (1, 1, 8, 8)),
    ("sample", {"model": "labeled", "n": 3, "seed": 7, "condition": 1}, (3, 2)),
    ("sample", {"model": "labeled", "n": 3, "seed": 7, "condition": [1, 0, 1]}, (3, 2)),
    ("sample", {"model": "measured", "n": 2, "seed": 7, "condition": [0.5, -1, 2]}, (2, 2)),
    ("sample", {"model": "measured", "n": 2, "seed": 7, "condition": [[0.5, -1, 2], [0, 0, 1e6]]}, (2, 2)),
    ("sample", {"model": "free", "n": 2, "seed": 7}, (2, 2)),
    ("likelihood", {"model": "labeled", "x": X, "condition": [0, 1]}, (2,)),
    ("encode", {"model": "labeled", "x": X, "condition": 1, "options": {"times": 2}}, (2, 2)),
    ("decode", {"model": "labeled", "z": Z, "condition": 1.0, "options": {"times": 2}}, (2, 2)),
    ("reconstruct", {"model": "measured", "x": X, "condition": [1, 2, 3]}, (2, 2)),
    ("interpolate", {"model": "labeled", "start": X[0], "end": X[1], "steps": 3, "condition": 1}, (3, 2)),
    ("interpolate", {"model": "measured", "start_seed": 1, "end_seed": 2, "condition": [[1, 2, 3]]}, (8, 2)),
    ("translate", {"model": "both-ways", "x": X, "to": 1, "condition": 0}, (2, 2)),
    ("translate", {"model": "both-ways", "x": X, "to": [1, 0], "condition": [0, 1]}, (2, 2)),
    ("translate", {"model": "attributes", "x": X, "to": [0, 1, 1]}, (2, 2)),
    ("translate", {"model": "attributes", "x": X, "to": [[0, 1, 1], [1, 0, 0.5]]}, (2, 2)),
    ("reconstruct", {"model": "both-ways", "x": X, "condition": [0, 1]}, (2, 2)),
    ("reconstruct", {"model": "attributes", "x": X, "condition": [0, 1, 0]}, (2, 2)),
]

BARE = {  # asks as short as they can be
    "sample": {"n": 1},
    "likelihood": {"x": X},
    "score": {"x": X},
    "encode": {"x": X},
    "decode": {"z": Z},
    "reconstruct": {"x": X},
    "interpolate": {"start_seed": 1, "end_seed": 2},
}
BERNOULLI = {"family": "vae", "likelihood": {"likelihood": "bernoulli"}}
INVALID = grpc.StatusCode.INVALID_ARGUMENT
PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION
REFUSED = [
    Refusal("unknown model", "sample", {"model": "nobody", "n": 1}, 404, grpc.StatusCode.NOT_FOUND, None, "nobody"),
    Refusal("unknown version", "sample", {"model": "moons@9", "n": 1}, 404, grpc.StatusCode.NOT_FOUND),
    Refusal("no name", "sample", {"model": "../etc", "n": 1}, 422, INVALID, "model"),
    Refusal("no capability", "encode", {"model": "sampler", "x": X}, 409, PRECONDITION, None, "sample, decode"),
    Refusal("no completions", "complete", {"model": "moons", "patches": PATCHES}, 409, PRECONDITION, None, "answers:"),
    Refusal("no patches", "complete", {"model": "puzzle"}, 422, INVALID, "patches", "give patches, x and mask, or"),
    Refusal("no mask", "complete", {"model": "puzzle", "x": DIGIT}, 422, INVALID, "mask", "give 1 where x is known"),
    Refusal("no rows", "complete", {"model": "puzzle", "mask": MASK}, 422, INVALID, "x", "mask shows a part"),
    Refusal("patches and x", "complete", {"model": "puzzle", "patches": PATCHES, "x": DIGIT}, 422, INVALID, "x",
            "is given beside patches"),
    Refusal("three patches of two", "complete", {"model": "puzzle", "patches": np.zeros((1, 3, 1, 3, 3))},
            422, INVALID, "patches", "has 3 patches a row, and 2 are needed; send [n, 2, 1, 3, 3]"),
    Refusal("patches of another size", "complete", {"model": "puzzle", "patches": np.zeros((1, 2, 1, 4, 4))},
            422, INVALID, "patches", "send at least one row of 2 patches of shape [1, 3, 3]: [n, 2, 1, 3, 3]"),
    Refusal("patches out of range", "complete", {"model": "puzzle", "patches": PATCHES + 99}, 422, INVALID, "patches"),
    Refusal("mask of another shape", "complete", {"model": "puzzle", "x": DIGIT, "mask": MASK[1:]},
            422, INVALID, "mask", "send [8, 8] for all rows"),
    Refusal("mask of nothing", "complete", {"model": "puzzle", "x": DIGIT, "mask": 0 * MASK},
            422, INVALID, "mask", "show one of 3x3 pixels at least"),
    Refusal("n = 0", "sample", {"model": "moons", "n": 0}, 422, INVALID, "n"),
    Refusal("n < 0", "sample", {"model": "moons", "n": -1}, 422, INVALID, "n"),
    Refusal("n too large", "sample", {"model": "moons", "n": 501}, 422, INVALID, "n", "at most 500"),
    Refusal("too many values", "sample", {"model": "digits", "n": 200}, 422, INVALID, "n", "at most 156"),
    Refusal("a look every 0 steps", "sample",
            {"model": "moons", "n": 1, "preview_every": 0}, 422, INVALID, "preview_every", "greater"),
    Refusal("previews of a whole answer", "sample",
            {"model": "moons", "n": 1, "preview_every": 2}, 422, INVALID, "preview_every", "text/event-stream"),
    Refusal("too many rows", "encode", {"model": "moons", "x": np.zeros((501, 2), "f4")}, 422, INVALID, "x"),
    Refusal("too many steps", "interpolate",
            {"model": "moons", "start_seed": 1, "end_seed": 2, "steps": 501}, 422, INVALID, "steps"),
    Refusal("one step", "interpolate",
            {"model": "moons", "start_seed": 1, "end_seed": 2, "steps": 1}, 422, INVALID, "steps"),
    Refusal("wrong shape", "encode", {"model": "moons", "x": np.zeros((2, 3), "f4")}, 422, INVALID, "x", "shape [2]"),
    Refusal("one row without its batch", "encode", {"model": "moons", "x": X[0]}, 422, INVALID, "x"),
    Refusal("wrong code", "decode", {"model": "moons", "z": np.zeros((2, 3), "f4")}, 422, INVALID, "z", "[n, 2]"),
    Refusal("out of range", "encode", {"model": "digits", "x": DIGIT * 10}, 422, INVALID, "x", "[0, 16]"),
    Refusal("between levels", "likelihood", {"model": "digits", "x": DIGIT + 0.5}, 422, INVALID, "x", "levels"),
    Refusal("overflow", "encode", {"model": "moons", "x": np.full((1, 2), 1e300)}, 422, INVALID, "x", "finite"),
    Refusal("missing array", "encode", {"model": "moons"}, 422, INVALID, "x", "missing"),
    Refusal("a rate of nothing", "score",
            {"model": "moons", "x": X, "false_alarm_rate": 0.0}, 422, INVALID, "false_alarm_rate", "greater than 0"),
    Refusal("a rate of everything", "score",
            {"model": "moons", "x": X, "false_alarm_rate": 1.0}, 422, INVALID, "false_alarm_rate", "less than 1"),
    Refusal("scores of no rows", "score", {"model": "moons"}, 422, INVALID, "x", "is missing"),
    Refusal("scores without a likelihood", "score", {"model": "sampler", "x": X}, 409, PRECONDITION, None, "decode"),
    Refusal("scores of too many rows", "score", {"model": "moons", "x": np.zeros((501, 2), "f4")}, 422, INVALID, "x"),
    Refusal("scores between levels", "score", {"model": "digits", "x": DIGIT + 0.5}, 422, INVALID, "x", "levels"),
    Refusal("unknown option", "likelihood",
            {"model": "moons", "x": X, "options": {"q": 4}}, 422, INVALID, "options.q", "not a known field"),
    Refusal("wrong option", "likelihood", {"model": "moons", "x": X, "options": {"k": 0}}, 422, INVALID, "options.k"),
    Refusal("option as text", "likelihood",
            {"model": "moons", "x": X, "options": {"k": "4"}}, 422, INVALID, "options.k", "a number, not text"),
    Refusal("option of another", "encode", {"model": "moons", "x": X, "options": {"k": 4}}, 422, INVALID, "options.k"),
    Refusal("one end", "interpolate", {"model": "moons", "start": X[0]}, 422, INVALID, "end", "give start and end"),
    Refusal("no path", "interpolate",
            {"model": "moons", "start_seed": 1, "end_seed": 2, "path": "via rome"}, 422, INVALID, "path"),
    Refusal("end of another shape", "interpolate",
            {"model": "moons", "start": X[0], "end": np.zeros(3, "f4")}, 422, INVALID, "end"),
    Refusal("option of nobody", "encode",
            {"model": "labeled", "x": X, "condition": 1, "options": {"k": 4}}, 422, INVALID, "options.k"),
    Refusal("condition of none", "sample",
            {"model": "moons", "n": 1, "condition": 3}, 422, INVALID, "condition", "moons takes none; leave it out"),
    *(Refusal(f"no condition of {op}", op, {"model": "labeled", **body}, 422, INVALID, "condition",
              "labeled needs a label, 0 to 1, for all rows, or one for each") for op, body in BARE.items()),
    Refusal("no text", "sample",
            {"model": "captioned", "n": 1}, 422, INVALID, "condition", 'for each; give {"text": "..."}'),
    Refusal("no vector", "sample",
            {"model": "measured", "n": 1}, 422, INVALID, "condition", "needs a vector of 3 finite numbers"),
    Refusal("label too large", "sample",
            {"model": "labeled", "n": 1, "condition": 2}, 422, INVALID, "condition", "a label, 0 to 1,"),
    Refusal("negative label", "encode",
            {"model": "labeled", "x": X, "condition": [0, -1]}, 422, INVALID, "condition", "a label, 0 to 1,"),
    Refusal("label between", "decode",
            {"model": "labeled", "z": Z, "condition": 0.5}, 422, INVALID, "condition", "a label, 0 to 1,"),
    Refusal("label as a vector", "sample",
            {"model": "labeled", "n": 2, "condition": [[0, 1], [1, 0]]}, 422, INVALID, "condition", "a label"),
    Refusal("vector too short", "sample",
            {"model": "measured", "n": 2, "condition": [1, 2]}, 422, INVALID, "condition", "3 finite numbers"),
    Refusal("a number for a vector", "sample",
            {"model": "measured", "n": 2, "condition": 1}, 422, INVALID, "condition", "3 finite numbers"),
    Refusal("vector beyond float32", "sample",
            {"model": "measured", "n": 2, "condition": [1, 2, 1e300]}, 422, INVALID, "condition", "finite"),
    Refusal("conditions of other rows", "sample",
            {"model": "labeled", "n": 3, "condition": [0, 1]}, 422, INVALID, "condition",
            "has 2 rows where the answer has 3; give one for all rows, or one for each"),
    Refusal("two conditions of a walk", "interpolate",
            {"model": "labeled", "start_seed": 1, "end_seed": 2, "condition": [0, 1]}, 422, INVALID, "condition",
            "an interpolation has one condition"),
    Refusal("no domain", "translate", {"model": "both-ways", "x": X, "condition": 0}, 422, INVALID, "to"),
    Refusal("no origin", "translate", {"model": "both-ways", "x": X, "to": 1}, 422, INVALID, "condition",
            "is missing; both-ways needs a label, 0 to 1, for all rows, or one for each"),
    Refusal("an origin that is not used", "translate",
            {"model": "attributes", "x": X, "to": [0, 1, 1], "condition": [0, 0, 0]}, 422, INVALID, "condition",
            "attributes translates rows from wherever they are; leave it out"),
    Refusal("a domain that is not there", "translate",
            {"model": "both-ways", "x": X, "to": 2, "condition": 0}, 422, INVALID, "to", "needs a label, 0 to 1,"),
    Refusal("domains of other rows", "translate",
            {"model": "both-ways", "x": X, "to": [0, 1, 1], "condition": 0}, 422, INVALID, "to",
            "has 3 rows where the answer has 2; give one for all rows, or one for each"),
    Refusal("a domain too short", "translate",
            {"model": "attributes", "x": X, "to": [0, 1]}, 422, INVALID, "to", "3 finite numbers"),
    Refusal("attributes beyond 0 and 1", "translate",
            {"model": "attributes", "x": X, "to": [0, 7, -3]}, 422, INVALID, "to", "has 7 in column 1; an attribute"),
    Refusal("a cycle from beyond 0 and 1", "reconstruct",
            {"model": "attributes", "x": X, "condition": [0, 1, -3]}, 422, INVALID, "condition", "has -3 in column 2"),
    Refusal("rows of another shape", "translate",
            {"model": "attributes", "x": np.zeros((2, 3), "f4"), "to": [0, 1, 1]}, 422, INVALID, "x", "shape [2]"),
    Refusal("a cycle from nowhere", "reconstruct",
            {"model": "attributes", "x": X}, 422, INVALID, "condition", "needs a vector of 3 finite numbers"),
    Refusal("no translation", "translate",
            {"model": "moons", "x": X, "to": 1}, 409, PRECONDITION, None, "does not answer translate"),
    Refusal("no samples", "sample",
            {"model": "both-ways", "n": 1, "condition": 0}, 409, PRECONDITION, None, "reconstruct, translate"),
    Refusal("a cube of conditions", "sample",
            {"model": "labeled", "n": 1, "condition": [[[1]]]}, 422, INVALID, "condition", "must be a number"),
    Refusal("a condition of nothing", "sample",
            {"model": "labeled", "n": 1, "condition": []}, 422, INVALID, "condition", "must be a number"),
]  # fmt: skip


def message(op: str, body: dict[str, Any]) -> Any:
    request = REQUESTS[op]()
    for name, value in body.items():
        if isinstance(value, np.ndarray) or name in ("condition", "to"):
            getattr(request, name).CopyFrom(tensor(np.asarray(value)))
        elif name == "options":
            request.options.update(value)
        else:
            setattr(request, name, value)
    return request


def tensor(x: np.ndarray) -> pb.Tensor:
    return pb.Tensor(dtype=str(x.dtype), shape=x.shape, data=x.tobytes())


def array(answer: Any) -> np.ndarray:
    return np.frombuffer(answer.data, answer.dtype).reshape(answer.shape)


def call(apis: Apis, op: str, body: dict[str, Any]) -> Any:
    return getattr(apis.stub, op.capitalize())(message(op, body))


@pytest.mark.parametrize(("op", "body", "shape"), ANSWERED)
async def test_an_ask_has_the_same_answer_through_both_apis(
    apis: Apis, op: str, body: dict[str, Any], shape: tuple[int, ...]
) -> None:
    json = {"content": orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)}
    over_rest = await apis.rest.post(f"/{op}", headers={"Content-Type": "application/json"}, **json)
    over_grpc = await call(apis, op, body)
    assert over_rest.status_code == 200, over_rest.text
    answer = over_rest.json()
    main = MAIN.get(op, "x")
    rows = np.array(answer[main])
    assert rows.shape == shape
    told = getattr(over_grpc, main)
    told = array(told) if isinstance(told, pb.Tensor) else np.array(told)
    np.testing.assert_array_equal(rows.astype(told.dtype), told)
    assert answer["model"] == over_grpc.model
    assert answer["model"].endswith("@1")
    assert answer["timing"].keys() == {"linger_ms", "queue_ms", "compute_ms", "total_ms", "batch_rows"}
    if op == "translate":
        np.testing.assert_array_equal(answer["to"], array(over_grpc.to))
        np.testing.assert_array_equal(answer["to"], np.broadcast_to(body["to"], np.shape(answer["to"])))
    if op == "score":
        for name in ("log_prob", "percentile", "p_value", "typicality_p_value", "flagged"):
            assert answer[name] == list(getattr(over_grpc, name)), name
        for name in ("kind", "unit", "false_alarm_rate", "held_out_rows", "note"):
            assert answer[name] == getattr(over_grpc, name), name
        assert answer["threshold"] == (over_grpc.threshold if over_grpc.HasField("threshold") else None)
    if op == "likelihood":
        assert (answer["kind"], answer["unit"]) == (over_grpc.kind, over_grpc.unit)
        assert (answer["std_error"] or []) == list(over_grpc.std_error)
        assert (answer["bits_per_dim"] or []) == list(over_grpc.bits_per_dim)
        assert answer["terms"] == {name: list(term.values) for name, term in over_grpc.terms.items()}


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
async def test_an_ask_has_the_same_refusal_through_both_apis(apis: Apis, case: Refusal) -> None:
    json = orjson.dumps(case.body, option=orjson.OPT_SERIALIZE_NUMPY)
    refused = await apis.rest.post(f"/{case.op}", headers={"Content-Type": "application/json"}, content=json)
    problem = refused.json()
    assert (refused.status_code, refused.headers["content-type"]) == (case.status, "application/problem+json")
    assert problem["status"] == case.status
    assert problem["instance"] == f"/{case.op}"
    assert case.says in problem["detail"]
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call(apis, case.op, case.body)
    assert failed.value.code() == case.code
    assert without(GRPC_WORDS, failed.value.details()) == without(REST_WORDS, problem["detail"])
    reason, fields = details(failed.value)
    assert problem["type"] == f"/problems/{reason}"
    assert [error["field"] for error in problem.get("errors", [])] == fields
    assert fields == ([case.field] if case.field else [])


def without(remedies: Mapping[RemedyName, str], detail: str | None) -> str:
    """A detail without what is said in the words of one API."""
    said = "|".join(re.escape(words).replace(r"\{rows\}", r"\d+") for words in remedies.values())
    return re.sub(f"; ({said})$", "", detail or "")


def details(error: grpc.aio.AioRpcError) -> tuple[str, list[str]]:
    """The reason and the fields at fault."""
    info, faults = ErrorInfo(), BadRequest()
    for detail in rpc_status.from_call(error).details:
        detail.Unpack(info)
        detail.Unpack(faults)
    return info.reason, [violation.field for violation in faults.field_violations]


async def test_without_a_seed_the_answer_tells_one_that_any_reader_of_json_keeps(apis: Apis) -> None:
    first = (await apis.rest.post("/sample", json={"model": "moons"})).json()
    again = await call(apis, "sample", {"model": "moons", "n": 1, "seed": first["seed"]})
    assert first["seed"] < 2**53
    np.testing.assert_array_equal(np.array(first["samples"], np.float32), array(again.samples))


async def test_a_row_is_translated_by_its_own_domains_and_stays_where_it_is_there_already(apis: Apis) -> None:
    async def to(*labels: int, of: list[int]) -> list[list[float]]:
        body = {"model": "both-ways", "x": X.tolist(), "to": list(labels), "condition": of}
        answer = (await apis.rest.post("/translate", json=body)).json()
        assert answer["to"] == list(labels)
        rows: list[list[float]] = answer["x"]
        return rows

    there, back = await to(1, 1, of=[0, 0]), await to(0, 0, of=[1, 1])
    np.testing.assert_allclose(await to(1, 0, of=[0, 1]), [there[0], back[1]], rtol=1e-4, atol=1e-5)
    assert await to(0, 1, of=[0, 1]) == X.tolist()


async def test_a_translation_is_a_picture_and_an_array_too(apis: Apis) -> None:
    body = io.BytesIO()
    np.save(body, X)
    query = "/translate?model=attributes&to=[0,1,1]"
    sent = {"content": body.getvalue(), "headers": {"Content-Type": "application/x-npy", "Accept": "application/x-npy"}}
    rows = np.load(io.BytesIO((await apis.rest.post(query, **sent)).content))
    json = (await apis.rest.post("/translate", json={"model": "attributes", "x": X.tolist(), "to": [0, 1, 1]})).json()
    np.testing.assert_array_equal(rows, np.array(json["x"], np.float32))
    assert json["to"] == [[0, 1, 1], [0, 1, 1]]
    sent["headers"]["Accept"] = "image/png"
    assert (await apis.rest.post(query, **sent)).content.startswith(b"\x89PNG")


async def test_a_training_starts_alike_through_both_apis_and_once_for_a_key(apis: Apis) -> None:
    run = {"family": {"family": "vae", "latent": 2}, "data": {"source": "two_moons"}, "budget": {"steps": 5}}
    started = await apis.rest.post("/train", json={"model": "m", "run": run}, headers={"Idempotency-Key": "k"})
    assert started.status_code == 202
    assert started.headers["location"] == f"/jobs/{started.json()['id']}"
    assert started.json()["state"] == "queued"
    assert started.json()["progress"] == {"step": 0, "total_steps": 0}
    request = pb.TrainRequest(model="m", idempotency_key="k")
    request.run.update(run)
    again = await apis.stub.Train(request)
    assert again.id == started.json()["id"]
    listed = await apis.stub.ListJobs(pb.ListJobsRequest(model="m", state=pb.JOB_STATE_QUEUED))
    assert [job.id for job in listed.jobs] == [again.id]
    other = await apis.rest.post("/train", json={"model": "n", "run": run}, headers={"Idempotency-Key": "k"})
    assert other.status_code == 409


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"model": "m", "preset": "nobody"}, 404, None),
        ({"model": "m"}, 422, "run"),
        ({"model": "M", "preset": "vae-digits"}, 422, "model"),
        ({"model": "m", "run": {"family": {"family": "x"}, "data": {"source": "digits"}}}, 422, "run.family"),
        ({"model": "m", "run": {"family": {"family": "vae", "latent": 0}, "data": {"source": "digits"}}}, 422,
         "run.family.latent"),
        ({"model": "m", "run": {"family": {"family": "vae", "vae": 1}, "data": {"source": "digits"}}}, 422,
         "run.family.vae"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "npy", "path": "../outside.npy"}}},
         422, "run.data.path"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "npy", "path": "/etc/x.npy"}}}, 422,
         "run.data.path"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "npy", "path": "no.npy"}}}, 422,
         "run.data.path"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "npy"}}}, 422,
         "run.data"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "digits"}, "sed": 1}}, 422, "run.sed"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "digits"}, "seed": "5"}}, 422,
         "run.seed"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "digits"}, "seed": True}}, 422,
         "run.seed"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "digits"}, "budget": {"steps": "20"}}},
         422, "run.budget.steps"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "digits"}, "budget": {}}}, 422,
         "run.budget"),
        ({"model": "m", "run": {"family": BERNOULLI, "data": {"source": "two_moons"}}}, 422, "run.family.likelihood"),
        ({"model": "m", "run": {"family": {"family": "glann"}, "data": {"source": "two_moons"}}}, 422, "run.data.n"),
        ({"model": "m", "run": {"family": {"family": "autoregressive"}, "data": {"source": "two_moons"}}}, 422,
         "run.family"),
        ({"model": "m", "run": {"family": BERNOULLI, "data": {"source": "npy", "path": "rows.npy"}}}, 422,
         "run.family.likelihood"),
        ({"model": "m", "run": {"family": {"family": "vae"}, "data": {"source": "npy", "path": "rows.npy", "low": 2}}},
         422, "run.data.low"),
        ({"model": "m", "run": {"family": {"family": "glann"}, "data": {"source": "digits", "condition": "label"}}},
         422, "run.data"),
        ({"model": "m", "run": {"family": {"family": "cyclegan"}, "data": {"source": "two_moons"}}}, 422, "run.data"),
        ({"model": "m", "run": {"family": {"family": "cyclegan"}, "data": {"source": "digits", "condition": "label"}}},
         422, "run.data.condition"),
        ({"model": "m", "preset": "nobody", "run": {"seed": 1}}, 404, None),
        ({"model": "m", "preset": "vae-digits", "run": {"family": {"latnet": 1}}}, 422, "run.family.latnet"),
        ({"model": "m", "preset": "vae-digits", "run": {"optimizer": {"lr": -1}}}, 422, "run.optimizer.lr"),
        ({"model": "m", "preset": "vae-digits", "run": {"family": {"likelihood": {"likelihood": "x"}}}}, 422,
         "run.family.likelihood"),
        ({"model": "m", "preset": "vae-digits", "run": {"sed": 1}}, 422, "run.sed"),
    ],
)  # fmt: skip
async def test_a_bad_run_is_refused_naming_the_field_as_the_client_wrote_it(
    apis: Apis, body: dict[str, Any], status: int, field: str | None
) -> None:
    problem = (await apis.rest.post("/train", json=body)).json()
    assert problem["status"] == status
    assert [error["field"] for error in problem.get("errors", [])] == ([field] if field else [])
    request = pb.TrainRequest(model=body["model"], preset=body.get("preset"))
    if "run" in body:
        request.run.update(body["run"])
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Train(request)
    assert failed.value.details() == problem["detail"]


async def test_a_preset_is_trained_with_some_fields_changed(apis: Apis) -> None:
    changes = {"family": {"latent": 5}, "budget": {"steps": 7}}
    started = await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits", "run": changes | {"seed": 3}})
    request = pb.TrainRequest(model="m", preset="vae-digits", seed=3)
    request.run.update(changes)
    also = await apis.stub.Train(request)
    run = started.json()["run"]
    assert (run["family"]["latent"], run["budget"]["steps"], run["seed"]) == (5, 7, 3)
    assert run["data"] == {"source": "digits", "condition": None}
    assert (await apis.rest.get(f"/jobs/{also.id}")).json()["run"] == run
    assert started.json()["preset"] == also.preset == "vae-digits"


async def test_a_file_under_the_data_root_can_be_trained_on(apis: Apis) -> None:
    run = {"family": {"family": "vae"}, "data": {"source": "npy", "path": "rows.npy"}}
    assert (await apis.rest.post("/train", json={"model": "m", "run": run})).status_code == 202


async def test_a_job_is_paused_and_resumed_by_either_api(apis: Apis) -> None:
    body = {"model": "m", "preset": "vae-digits", "priority": 7}
    job = (await apis.rest.post("/train", json=body)).json()
    paused = await apis.stub.PauseJob(pb.PauseJobRequest(id=job["id"]))
    assert (paused.state, paused.priority, paused.queue_position) == (pb.JOB_STATE_PAUSED, 7, 0)
    assert (await apis.rest.post(f"/jobs/{job['id']}/pause")).json()["state"] == "paused"
    [listed] = (await apis.stub.ListJobs(pb.ListJobsRequest(state=pb.JOB_STATE_PAUSED))).jobs
    assert listed.id == job["id"]
    resumed = (await apis.rest.post(f"/jobs/{job['id']}/resume")).json()
    assert (resumed["state"], resumed["priority"]) == ("queued", 7)
    assert (await apis.stub.ResumeJob(pb.ResumeJobRequest(id=job["id"]))).state == pb.JOB_STATE_QUEUED
    await apis.rest.post(f"/jobs/{job['id']}/cancel")
    refused = await apis.rest.post(f"/jobs/{job['id']}/pause")
    assert (refused.status_code, refused.json()["detail"]) == (
        409,
        f"job {job['id']} was cancelled; it cannot be paused",
    )
    with pytest.raises(grpc.aio.AioRpcError) as also:
        await apis.stub.ResumeJob(pb.ResumeJobRequest(id=job["id"]))
    assert also.value.code() is grpc.StatusCode.FAILED_PRECONDITION


async def test_the_higher_priority_is_before_the_older_job_in_either_api(apis: Apis) -> None:
    asked = {"model": "moons", "n": 3}
    first = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=pb.SampleRequest(**asked)))
    headers = {"Prefer": "respond-async"}
    second = (await apis.rest.post("/sample", json=asked | {"priority": 1}, headers=headers)).json()
    third = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=pb.SampleRequest(**asked, priority=2)))
    jobs = [(await apis.rest.get(f"/jobs/{each}")).json() for each in (first.id, second["id"], third.id)]
    assert [job["queue_position"] for job in jobs] == [3, 2, 1]
    for priority in (101, -101, 1.5, "high"):
        body = {"model": "m", "preset": "vae-digits", "priority": priority}
        refused = await apis.rest.post("/train", json=body)
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "priority")


async def test_a_cancelled_job_ends_for_those_who_watch_it(apis: Apis) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()
    cancelled = await apis.stub.CancelJob(pb.CancelJobRequest(id=job["id"]))
    assert cancelled.state == pb.JOB_STATE_CANCELLED
    events = [event async for event in apis.stub.WatchJob(pb.WatchJobRequest(id=job["id"]))]
    stream = (await apis.rest.get(f"/jobs/{job['id']}/events")).text
    ids = [line.removeprefix("id: ") for line in stream.splitlines() if line.startswith("id: ")]
    assert ids == [event.id for event in events]
    assert events[-1].data["state"] == "cancelled"
    resumed = (await apis.rest.get(f"/jobs/{job['id']}/events", headers={"Last-Event-ID": ids[0]})).text
    assert [line for line in resumed.splitlines() if line.startswith("id: ")] == [f"id: {ids[-1]}"]


async def test_the_pictures_of_a_training_are_events_of_both_apis(apis: Apis) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()["id"]
    png = b64encode(b"\x89PNG...").decode()
    picture = {"step": 7, "what": "samples", "media_type": "image/png", "png": png, "width": 204, "height": 204}
    record = apis.application.jobs.record
    assert isinstance(record, MemoryJobs)
    record.claim("train", "w")
    record.beat(job, 1, [Update("picture", picture)])
    record.fail(job, 1, Fault(type="diverged", detail="lower optimizer.lr"))
    events = [event async for event in apis.stub.WatchJob(pb.WatchJobRequest(id=job))]
    [shown] = [event for event in events if event.event_kind == pb.EVENT_KIND_PICTURE]
    assert (shown.kind, dict(shown.data)) == ("picture", picture)
    stream = (await apis.rest.get(f"/jobs/{job}/events")).text.splitlines()
    told = [event for event in parsed([*stream, ""]) if event[1] == "picture"]
    assert told == [(shown.id, "picture", picture)]


@pytest.mark.parametrize("path", ["/jobs/nobody", "/jobs/nobody/events", "/models/nobody", "/models/No@x"])
async def test_what_is_not_there_is_not_found(apis: Apis, path: str) -> None:
    missing = await apis.rest.get(path)
    assert missing.status_code == 404
    assert missing.json()["type"] == "/problems/not-found"


async def test_models_are_listed_shown_and_deleted_alike(apis: Apis) -> None:
    listed = (await apis.rest.get("/models")).json()["models"]
    assert [model.model for model in (await apis.stub.ListModels(pb.ListModelsRequest())).models] == [
        card["model"] for card in listed
    ]
    shown = (await apis.rest.get("/models/digits@1")).json()
    told = await apis.stub.GetModel(pb.GetModelRequest(model="digits"))
    assert shown["spec"]["shape"] == list(told.shape) == [1, 8, 8]
    assert list(told.capabilities) == shown["capabilities"]
    assert (shown["notes"], list(told.notes)) == ([], [])
    labeled = await apis.stub.GetModel(pb.GetModelRequest(model="labeled"))
    assert list(labeled.notes) == (await apis.rest.get("/models/labeled")).json()["notes"] == [NOTE]
    [of_list] = (await apis.rest.get("/models?model=digits")).json()["models"]
    assert {**of_list, "evaluation": None, "measure": None} == shown
    assert (await apis.rest.delete("/models/digits")).json() == {"deleted": ["digits@1"]}
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.DeleteModel(pb.DeleteModelRequest(model="digits"))
    assert failed.value.code() == grpc.StatusCode.NOT_FOUND


async def test_the_catalog_is_the_same_through_both_apis(apis: Apis) -> None:
    families = (await apis.rest.get("/families")).json()["families"]
    told = (await apis.stub.ListFamilies(pb.ListFamiliesRequest())).families
    assert [family["family"] for family in families] == [family.family for family in told]
    vae, glann = (next(family for family in families if family["family"] == name) for name in ("vae", "glann"))
    assert "latent" in vae["schema"]["properties"]
    assert vae["options"]["likelihood"]["properties"]["k"]["maximum"] == 5000
    shifted = next(family for family in families if family["family"] == "shifted")
    assert "times" in shifted["options"]["encode"]["properties"]
    assert "times" in shifted["options"]["decode"]["properties"]
    assert [family["takes_condition"] for family in families] == [family.takes_condition for family in told]
    assert (glann["takes_condition"], shifted["takes_condition"]) == (False, True)
    presets = (await apis.rest.get("/presets")).json()["presets"]
    listed = (await apis.stub.ListPresets(pb.ListPresetsRequest())).presets
    assert [preset["name"] for preset in presets] == [preset.name for preset in listed]
