"""Datasets over gRPC: an upload is a header and its bytes in chunks, and REST shows what came."""

from __future__ import annotations

import asyncio
import re
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import grpc
import numpy as np
import pytest

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.settings import Settings
from tests.apis.conftest import Apis
from tests.apis.test_both_apis import details
from tests.apis.test_words_of_each_api import OF_REST

CHUNK = 1000


def npy(array: np.ndarray) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


ROWS = npy(np.random.default_rng(0).normal(size=(200, 3)))
OTHER = npy(np.zeros((20, 2)))


def header(name: str = "rows", media_type: str = "application/x-npy", **fields: str | int) -> pb.PutDatasetRequest:
    return pb.PutDatasetRequest(header=pb.DatasetHeader(name=name, media_type=media_type, **fields))  # type: ignore[arg-type]


def chunks(content: bytes) -> list[pb.PutDatasetRequest]:
    return [pb.PutDatasetRequest(data=content[at : at + CHUNK]) for at in range(0, len(content), CHUNK)]


async def put(apis: Apis, *messages: pb.PutDatasetRequest) -> pb.Dataset:
    return await apis.stub.PutDataset(iter(messages))


def files(root: Path) -> list[str]:
    return sorted(path.name for path in (root / ".datasets").rglob("*") if path.is_file() and path.name != "lock")


async def test_a_dataset_is_put_listed_shown_sent_and_deleted(apis: Apis, settings: Settings) -> None:
    digest = sha256(ROWS).hexdigest()
    dataset = await put(apis, header(bytes=len(ROWS), sha256=digest), *chunks(ROWS))
    assert (dataset.name, dataset.bytes, dataset.sha256) == ("rows", len(ROWS), digest)
    assert dataset.create_time.ToMicroseconds() == round(dataset.created_at * 1e6)
    assert (await apis.rest.get("/datasets/rows")).json()["sha256"] == digest
    assert await apis.stub.GetDataset(pb.GetDatasetRequest(name="rows")) == dataset
    assert list((await apis.stub.ListDatasets(pb.ListDatasetsRequest())).datasets) == [dataset]
    sent = apis.stub.DownloadDataset(pb.DownloadDatasetRequest(name="rows", start=10))
    assert b"".join([chunk.data async for chunk in sent]) == ROWS[10:]
    assert list((await apis.stub.DeleteDataset(pb.DeleteDatasetRequest(name="rows"))).deleted) == ["rows"]
    assert files(settings.data_root) == []


@pytest.mark.parametrize(
    ("messages", "code", "field", "says"),
    [
        ([], "INVALID_ARGUMENT", [], "the upload has no header"),
        (chunks(ROWS), "INVALID_ARGUMENT", [], "the upload has no header"),
        ([header(), header()], "INVALID_ARGUMENT", [], "the upload has two headers"),
        ([header()], "INVALID_ARGUMENT", [], "the file is empty"),
        ([header("../x"), *chunks(ROWS)], "INVALID_ARGUMENT", ["name"], "name: must be lowercase letters"),
        ([header(media_type="text/csv"), *chunks(ROWS)], "INVALID_ARGUMENT", [], "send it as that"),
        ([header(sha256="0" * 64), *chunks(ROWS)], "INVALID_ARGUMENT", ["sha256"], "is not that of what came"),
        ([header(bytes=9999), *chunks(ROWS)], "INVALID_ARGUMENT", [], f"{len(ROWS)} bytes came, of 9999"),
        ([header(if_match="*"), *chunks(ROWS)], "FAILED_PRECONDITION", ["if_match"], "leave it out"),
        ([header(bytes=2**40)], "RESOURCE_EXHAUSTED", [], "the file holds more than"),
    ],
)
async def test_an_upload_is_refused_in_the_words_of_grpc(
    apis: Apis, settings: Settings, messages: list[pb.PutDatasetRequest], code: str, field: list[str], says: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await put(apis, *messages)
    assert failed.value.code().name == code
    assert says in (failed.value.details() or "")
    assert details(failed.value)[1] == field
    told = re.sub(r"application/|text/|header", "", failed.value.details() or "")  # words of both
    assert not OF_REST.search(told)
    assert files(settings.data_root) == []


async def test_another_file_of_the_name_needs_the_digest_of_the_present_one(apis: Apis) -> None:
    first = await put(apis, header(), *chunks(ROWS))
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await put(apis, header(), *chunks(OTHER))
    assert (failed.value.details() or "").startswith("if_match: rows holds another file")
    assert (await put(apis, header(if_match=first.sha256), *chunks(OTHER))).sha256 == sha256(OTHER).hexdigest()


async def test_an_upload_that_is_cancelled_leaves_nothing(apis: Apis, settings: Settings) -> None:
    call = apis.stub.PutDataset()
    await call.write(header())
    for chunk in chunks(ROWS):
        await call.write(chunk)
    async with asyncio.timeout(10):
        while not files(settings.data_root):
            await asyncio.sleep(0.01)
        call.cancel()
        while files(settings.data_root):
            await asyncio.sleep(0.01)


async def test_a_dataset_that_a_job_reads_is_not_deleted(apis: Apis) -> None:
    await put(apis, header(), *chunks(ROWS))
    request = pb.TrainRequest(model="m")
    request.run.update({"family": {"family": "flow"}, "data": {"source": "npy", "dataset": "rows"}})
    job = await apis.stub.Train(request)
    assert job.run["data"]["dataset"] == f"rows@{sha256(ROWS).hexdigest()}"
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.DeleteDataset(pb.DeleteDatasetRequest(name="rows"))
    assert failed.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert f"job {job.id} reads the dataset rows" in (failed.value.details() or "")
