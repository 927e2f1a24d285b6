"""Samples that a job draws into a file, through both apis."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from typing import Any

import grpc
import httpx
import numpy as np
import pytest

from pushforward.models.data.tables.media_types import MEDIA_TYPES as TABLE_TYPES
from pushforward.service.domain.jobs import Fault
from pushforward.service.jobs.memory_record import MemoryJobs
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.stores.disk_files import PIECE_BYTES, file_name
from tests.apis.conftest import Apis
from tests.apis.fakes import Wakeups
from tests.apis.test_both_apis import array, tensor

MANY = 200_000  # more than a stream holds
ASYNC = {"Prefer": "respond-async"}
UNKNOWN = "0123456789abcdef"


async def start(apis: Apis, *, headers: dict[str, str] = ASYNC, **body: Any) -> httpx.Response:
    return await apis.rest.post("/sample", json={"model": "moons", **body}, headers=headers)


def record(apis: Apis) -> MemoryJobs:
    assert isinstance(apis.application.jobs.record, MemoryJobs)
    return apis.application.jobs.record


async def finished(apis: Apis, rows: np.ndarray) -> tuple[str, bytes]:
    """A sampling as a worker leaves it, and its file."""
    job_id = (await start(apis, n=len(rows))).json()["id"]
    record(apis).claim("sample", "w")
    stream = BytesIO()
    np.save(stream, rows)
    content = stream.getvalue()
    folder = apis.application.settings.store / ".files"
    folder.mkdir(parents=True)
    (folder / file_name(job_id, 1, "application/x-npy")).write_bytes(content)
    assert record(apis).deliver(job_id, 1, len(content), sha256(content).hexdigest())
    return job_id, content


async def downloaded(apis: Apis, job_id: str, start: int = 0) -> list[bytes]:
    return [chunk.data async for chunk in apis.stub.DownloadFile(pb.DownloadFileRequest(id=job_id, start=start))]


async def test_a_sample_too_large_to_wait_for_becomes_a_job(apis: Apis) -> None:
    started = await start(apis, headers={}, n=MANY, seed=7)
    job = started.json()
    assert started.status_code == 202
    assert started.headers["location"] == f"/jobs/{job['id']}"
    assert (job["kind"], job["state"], job["model"], job["version"]) == ("sample", "queued", "moons", 1)
    assert job["ask"] == {
        "model": "moons@1",
        "n": MANY,
        "seed": 7,
        "options": {},
        "condition": None,
        "media_type": "application/x-npy",
    }
    assert isinstance(apis.application.jobs.wakeups, Wakeups)
    assert apis.application.jobs.wakeups.woken == [job["id"]]
    told = await apis.stub.GetJob(pb.GetJobRequest(id=job["id"]))
    assert (told.kind, told.version, told.ask.model, told.ask.n, told.ask.seed) == ("sample", 1, "moons@1", MANY, 7)
    assert apis.asks.begun == 0


@pytest.mark.parametrize(
    ("model", "condition", "shape"), [("labeled", 1, []), ("measured", [0.1, -1, 1e6], [3])], ids=["label", "vector"]
)
async def test_a_job_tells_the_condition_of_its_rows_through_both_apis(
    apis: Apis, model: str, condition: Any, shape: list[int]
) -> None:
    started = (await start(apis, model=model, n=3, condition=condition)).json()
    told = await apis.stub.GetJob(pb.GetJobRequest(id=started["id"]))
    assert started["ask"]["condition"] == condition
    assert (told.ask.condition.dtype, list(told.ask.condition.shape)) == ("float64", shape)
    assert array(told.ask.condition).tolist() == condition
    plain = (await start(apis, n=3)).json()
    assert not (await apis.stub.GetJob(pb.GetJobRequest(id=plain["id"]))).ask.HasField("condition")


@pytest.mark.parametrize("prefer", ["respond-async", "wait=10, Respond-Async; x=1"])
async def test_a_client_that_would_rather_not_wait_gets_a_job_for_any_sample(apis: Apis, prefer: str) -> None:
    assert (await start(apis, headers={"Prefer": prefer}, n=3)).status_code == 202


@pytest.mark.parametrize("prefer", ["wait=10", "return=minimal"])
async def test_any_other_preference_is_answered_at_once(apis: Apis, prefer: str) -> None:
    assert (await start(apis, headers={"Prefer": prefer}, n=3)).status_code == 200


async def test_the_same_key_starts_one_sampling_through_both_apis(apis: Apis) -> None:
    started = (await start(apis, headers={**ASYNC, "Idempotency-Key": "k"}, n=3)).json()
    ask = pb.SampleRequest(model="moons", n=3)
    again = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=ask, idempotency_key="k"))
    assert (again.id, again.ask.seed) == (started["id"], started["ask"]["seed"])
    other = await start(apis, headers={**ASYNC, "Idempotency-Key": "k"}, n=4)
    training = await apis.rest.post(
        "/train", json={"model": "m", "preset": "vae-digits"}, headers={"Idempotency-Key": "k"}
    )
    assert (other.status_code, training.status_code) == (409, 409)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"n": 10_000_001}, 422, "n"),
        ({"n": 0}, 422, "n"),
        ({"n": 3, "options": {"steps": 3}}, 422, "options.steps"),
        ({"n": 3, "model": "stepwise", "options": {"sampler": "ddim", "steps": 21}}, 422, "options.steps"),
        ({"n": 3, "model": "stepwise", "options": {"guidance": 1}}, 422, "options.guidance"),
        ({"n": 3, "model": "nobody"}, 404, None),
        ({"n": 3, "model": "labeled"}, 422, "condition"),
        ({"n": 3, "model": "labeled", "condition": [0, 1, 0]}, 422, "condition"),
        ({"n": 3, "condition": 1}, 422, "condition"),
    ],
)
async def test_a_sampling_is_refused_alike_through_both_apis(
    apis: Apis, body: dict[str, Any], status: int, field: str | None
) -> None:
    refused = (await start(apis, **body)).json()
    assert refused["status"] == status
    assert [error["field"] for error in refused.get("errors", [])] == ([field] if field else [])
    ask = pb.SampleRequest(model=body.get("model", "moons"), n=body["n"])
    ask.options.update(body.get("options", {}))
    if "condition" in body:
        ask.condition.CopyFrom(tensor(np.array(body["condition"])))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.StartSampling(pb.StartSamplingRequest(ask=ask))
    assert failed.value.details() == (f"ask.{refused['detail']}" if field else refused["detail"])


@pytest.mark.parametrize(
    ("model", "condition"),
    [
        ("labeled", 1),
        ("labeled", [1]),
        ("measured", [0.1, 0.2, 0.3]),
        ("captioned", {"text": "a one"}),
        ("free", None),
    ],
)
async def test_a_sampling_keeps_its_condition_as_it_was_given(apis: Apis, model: str, condition: Any) -> None:
    chosen = {} if condition is None else {"condition": condition}
    job = (await start(apis, n=3, model=model, **chosen)).json()
    assert job["ask"]["condition"] == (1 if model == "labeled" else condition)
    told = (await apis.stub.GetJob(pb.GetJobRequest(id=job["id"]))).ask
    assert told.HasField("condition") == (condition is not None)
    if condition is not None:
        again = pb.SampleRequest(model=told.model, n=told.n, seed=told.seed, condition=told.condition)
        asked_again = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=again))
        assert asked_again.ask == told


async def test_the_same_key_with_another_condition_is_another_request(apis: Apis) -> None:
    body = {"n": 3, "model": "labeled", "headers": {**ASYNC, "Idempotency-Key": "k"}}
    answers = [(await start(apis, condition=label, **body)).status_code for label in (0, 0, 1)]
    assert answers == [202, 202, 409]


async def test_a_deadline_does_not_go_with_a_job(apis: Apis) -> None:
    refused = await start(apis, n=3, deadline_ms=1000)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "deadline_ms")


async def test_previews_do_not_go_with_a_job(apis: Apis) -> None:
    refused = await start(apis, n=3, preview_every=2)
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "preview_every")
    too_many = await start(apis, headers={"Accept": "text/event-stream"}, n=MANY, preview_every=2)
    assert (too_many.status_code, too_many.json()["errors"][0]["field"]) == (422, "n")


async def test_a_file_is_the_same_through_both_apis(apis: Apis) -> None:
    rows = np.arange(PIECE_BYTES, dtype=np.float32).reshape(-1, 2)
    job_id, content = await finished(apis, rows)
    over_rest = await apis.rest.get(f"/jobs/{job_id}/file")
    assert (over_rest.status_code, over_rest.headers["content-type"]) == (200, "application/x-npy")
    assert over_rest.headers["content-length"] == str(len(content))
    assert over_rest.headers["content-disposition"] == f'attachment; filename="moons-{job_id}.npy"'
    assert over_rest.headers["etag"] == f'"{sha256(content).hexdigest()}"'
    pieces = await downloaded(apis, job_id)
    assert over_rest.content == b"".join(pieces) == content
    assert max(map(len, pieces)) <= PIECE_BYTES
    assert b"".join(await downloaded(apis, job_id, start=100)) == content[100:]
    assert await downloaded(apis, job_id, start=len(content)) == []
    told = await apis.stub.GetJob(pb.GetJobRequest(id=job_id))
    assert (told.file_bytes, told.file_sha256) == (len(content), sha256(content).hexdigest())


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-0", slice(0, 1)),
        ("bytes=100-", slice(100, None)),
        ("bytes=100-150", slice(100, 151)),
        ("bytes=100-99999", slice(100, None)),
        ("bytes=-10", slice(-10, None)),
        ("bytes=-99999", slice(None)),
    ],
)
async def test_a_range_gives_a_part_of_the_file(apis: Apis, wanted: str, part: slice) -> None:
    job_id, content = await finished(apis, np.zeros((9, 2), np.float32))
    answer = await apis.rest.get(f"/jobs/{job_id}/file", headers={"Range": wanted})
    first, stop, _ = part.indices(len(content))
    assert (answer.status_code, answer.content) == (206, content[part])
    assert answer.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(content)}"


@pytest.mark.parametrize("wanted", ["bytes=-", "bytes=0-1,3-4", "rows=0-1", "bytes=x-"])
async def test_a_range_of_another_kind_gives_the_whole_file(apis: Apis, wanted: str) -> None:
    job_id, content = await finished(apis, np.zeros((9, 2), np.float32))
    answer = await apis.rest.get(f"/jobs/{job_id}/file", headers={"Range": wanted})
    assert (answer.status_code, answer.content) == (200, content)


async def test_a_range_of_another_file_gives_the_whole_one(apis: Apis) -> None:
    job_id, content = await finished(apis, np.zeros((9, 2), np.float32))
    headers = {"Range": "bytes=5-", "If-Range": '"another"'}
    assert (await apis.rest.get(f"/jobs/{job_id}/file", headers=headers)).content == content


@pytest.mark.parametrize("wanted", ["bytes=200-", "bytes=9-8", "bytes=-0"])
async def test_a_range_beyond_the_file_is_refused(apis: Apis, wanted: str) -> None:
    job_id, content = await finished(apis, np.zeros((9, 2), np.float32))
    refused = await apis.rest.get(f"/jobs/{job_id}/file", headers={"Range": wanted})
    assert (refused.status_code, refused.headers["content-type"]) == (416, "application/problem+json")
    assert refused.headers["content-range"] == f"bytes */{len(content)}"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await downloaded(apis, job_id, start=len(content) + 1)
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


async def refused_alike(apis: Apis, job_id: str) -> tuple[int, str]:
    """The status and detail of a download that both apis refuse."""
    problem = (await apis.rest.get(f"/jobs/{job_id}/file")).json()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await downloaded(apis, job_id)
    assert failed.value.details() == problem["detail"]
    return problem["status"], problem["detail"]


async def test_a_file_that_is_not_there_is_refused_with_the_reason(apis: Apis) -> None:
    training = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()["id"]
    failed, waiting, cancelled = [(await start(apis, n=3)).json()["id"] for _ in range(3)]
    await apis.rest.post(f"/jobs/{cancelled}/cancel")
    record(apis).claim("sample", "w")
    record(apis).fail(failed, 1, Fault(type="store", detail="no room"))
    for job_id, status, says in [
        (UNKNOWN, 404, "there is no job"),
        (training, 409, "leaves no file"),
        (waiting, 409, "is queued; watch its events and wait for its end"),
        (cancelled, 409, "cancelled and left no file"),
        (failed, 409, "failed and left no file"),
    ]:
        told_status, detail = await refused_alike(apis, job_id)
        assert (told_status, says in detail) == (status, True), detail


async def test_a_file_that_is_no_longer_kept_is_not_found(apis: Apis) -> None:
    job_id, _ = await finished(apis, np.zeros((9, 2), np.float32))
    [file] = (apis.application.settings.store / ".files").iterdir()
    file.unlink()
    status, detail = await refused_alike(apis, job_id)
    assert (status, "kept for 86400 s" in detail) == (404, True)


@pytest.mark.parametrize("media_type", TABLE_TYPES)
async def test_a_file_of_a_table_is_what_is_accepted(apis: Apis, media_type: str) -> None:
    over_rest = (await start(apis, headers={"Accept": media_type, **ASYNC}, model="rows", n=3)).json()
    assert over_rest["ask"]["media_type"] == media_type
    ask = pb.SampleRequest(model="rows", n=3)
    over_grpc = await apis.stub.StartSampling(pb.StartSamplingRequest(ask=ask, media_type=media_type))
    assert over_grpc.ask.media_type == media_type


@pytest.mark.parametrize(
    ("model", "accept", "media_type"),
    [
        ("rows", "application/json", "text/csv"),
        ("rows", "image/png", "text/csv"),
        ("rows", "application/x-npy", "application/x-npy"),
        ("moons", "application/json", "application/x-npy"),
    ],
)
async def test_what_no_file_can_be_gives_csv_of_a_table_and_npy_of_other_rows(
    apis: Apis, model: str, accept: str, media_type: str
) -> None:
    started = await start(apis, headers={"Accept": accept, **ASYNC}, model=model, n=3)
    assert started.json()["ask"]["media_type"] == media_type


async def test_a_file_of_a_table_is_refused_where_there_is_none(apis: Apis) -> None:
    refused = await start(apis, headers={"Accept": "text/csv", **ASYNC}, n=3)
    assert refused.status_code == 406
    assert refused.json()["detail"].endswith("and moons models none; accept application/x-npy")
    ask = pb.StartSamplingRequest(ask=pb.SampleRequest(model="rows", n=3), media_type="text/html")
    with pytest.raises(grpc.aio.AioRpcError, match="no file is text/html"):
        await apis.stub.StartSampling(ask)


async def test_a_key_belongs_to_one_format(apis: Apis) -> None:
    async def keyed(accept: str) -> httpx.Response:
        headers = {"Accept": accept, "Idempotency-Key": "k", **ASYNC}
        return await start(apis, headers=headers, model="rows", n=3, seed=1)

    first = (await keyed("text/csv")).json()
    assert (await keyed("text/csv")).json()["id"] == first["id"]
    assert (await keyed(TABLE_TYPES[1])).status_code == 409


async def test_the_file_of_a_table_is_named_by_its_format(apis: Apis) -> None:
    job_id = (await start(apis, headers={"Accept": "text/csv", **ASYNC}, model="rows", n=3)).json()["id"]
    record(apis).claim("sample", "w")
    folder = apis.application.settings.store / ".files"
    folder.mkdir(parents=True)
    (folder / f"{job_id}-1.csv").write_bytes(b"kind\noak\n")
    assert record(apis).deliver(job_id, 1, 9, sha256(b"kind\noak\n").hexdigest())
    sent = await apis.rest.get(f"/jobs/{job_id}/file")
    assert (sent.content, sent.headers["content-type"]) == (b"kind\noak\n", "text/csv; charset=utf-8")
    assert sent.headers["content-disposition"] == f'attachment; filename="rows-{job_id}.csv"'
