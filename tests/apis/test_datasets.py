"""Datasets at a real gateway: every status, uploads that break off, many at once, and large ones in little memory."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests.faults.gateways import Gateway, answer, running

MIB = 2**20
NPY = {"Content-Type": "application/x-npy"}
CSV = {"Content-Type": "text/csv"}
TABLE = b"name,mass\nAda,3750\n"
Put = Callable[..., httpx.Response]


def npy(array: np.ndarray) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


ROWS = npy(np.random.default_rng(0).normal(size=(40, 3)))
OTHER = npy(np.random.default_rng(1).normal(size=(50, 3)))
LIMITS = {"max_upload_bytes": 8 * MIB, "max_datasets_bytes": 12 * MIB, "body_timeout_s": 1.0}


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != "lock")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Path(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def gateway(root: Path) -> Iterator[Gateway]:
    with running(root, **LIMITS) as gateway:
        yield gateway


@pytest.fixture
def folder(root: Path) -> Path:
    return root / ".datasets"


@pytest.fixture
def rest(gateway: Gateway, folder: Path) -> Iterator[httpx.Client]:
    """A client of a gateway without datasets; what it leaves is deleted."""
    with httpx.Client(base_url=gateway.url, timeout=30) as client:
        yield client
        for job in client.get("/jobs", params={"state": "queued"}).json()["jobs"]:
            client.post(f"/jobs/{job['id']}/cancel").raise_for_status()
        for dataset in client.get("/datasets").json()["datasets"]:
            client.delete(f"/datasets/{dataset['name']}").raise_for_status()
    assert files(folder) == []


def begun(gateway: Gateway, n_bytes: int, sent: bytes, *, name: str = "rows") -> socket.socket:
    """A connection with the head of an upload, and its first bytes."""
    connection = gateway.connect()
    head = f"PUT /datasets/{name} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-npy\r\n"
    connection.sendall(f"{head}Content-Length: {n_bytes}\r\n\r\n".encode() + sent)
    return connection


def until(holds: Callable[[], bool], within_s: float = 10.0) -> bool:
    give_up = time.monotonic() + within_s
    while not holds() and time.monotonic() < give_up:
        time.sleep(0.02)
    return holds()


def train(rest: httpx.Client, dataset: str, **headers: str) -> httpx.Response:
    run = {"family": {"family": "flow"}, "data": {"source": "npy", "dataset": dataset}, "budget": {"steps": 1}}
    return rest.post("/train", json={"model": "m", "run": run}, headers=headers)


def test_a_dataset_is_put_listed_shown_sent_and_deleted(rest: httpx.Client, folder: Path) -> None:
    put = rest.put("/datasets/rows", content=ROWS, headers=NPY)
    record = put.json()
    assert (put.status_code, put.headers["location"]) == (201, "/datasets/rows")
    assert put.headers["etag"] == f'"{digest(ROWS)}"'
    assert record.pop("created_at") == pytest.approx(time.time(), abs=60)
    assert record == {
        "name": "rows", "media_type": "application/x-npy", "bytes": len(ROWS), "sha256": digest(ROWS),
    }  # fmt: skip
    rest.put("/datasets/table", content=TABLE, headers=CSV).raise_for_status()
    assert [each["name"] for each in rest.get("/datasets").json()["datasets"]] == ["rows", "table"]
    shown = rest.get("/datasets/rows")
    assert (shown.json()["sha256"], shown.headers["etag"]) == (digest(ROWS), put.headers["etag"])
    sent = rest.get("/datasets/table/content")
    assert (sent.content, sent.headers["content-type"]) == (TABLE, "text/csv; charset=utf-8")
    assert sent.headers["content-disposition"] == 'attachment; filename="table.csv"'
    part = rest.get("/datasets/rows/content", headers={"Range": "bytes=1-5"})
    assert (part.status_code, part.content) == (206, ROWS[1:6])
    assert rest.head("/datasets/rows/content").headers["content-length"] == str(len(ROWS))
    assert rest.delete("/datasets/rows").json() == {"deleted": ["rows"]}
    assert rest.delete("/datasets/rows").status_code == 404
    rest.delete("/datasets/table").raise_for_status()
    assert files(folder) == []


def test_the_same_file_again_changes_nothing(rest: httpx.Client) -> None:
    first = rest.put("/datasets/rows", content=ROWS, headers=NPY)
    again = rest.put("/datasets/rows", content=ROWS, headers=NPY)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


def test_another_file_of_the_name_needs_the_tag_of_the_present_one(rest: httpx.Client, folder: Path) -> None:
    tag = rest.put("/datasets/rows", content=ROWS, headers=NPY).headers["etag"]
    for match in ({}, {"If-Match": f'"{digest(b"")}"'}):
        refused = rest.put("/datasets/rows", content=OTHER, headers=NPY | match)
        assert refused.status_code == 409
        assert refused.json()["errors"][0]["field"] == "If-Match"
        assert refused.json()["detail"].endswith(f"give its sha256 to replace it: {digest(ROWS)}")
    assert rest.get("/datasets/rows").json()["sha256"] == digest(ROWS)
    replaced = rest.put("/datasets/rows", content=OTHER, headers=NPY | {"If-Match": tag})
    assert (replaced.status_code, replaced.json()["sha256"]) == (200, digest(OTHER))
    assert files(folder) == sorted([digest(OTHER), "rows.json"])
    assert rest.put("/datasets/rows", content=ROWS, headers=NPY | {"If-Match": "*"}).status_code == 200
    missing = rest.put("/datasets/new", content=ROWS, headers=NPY | {"If-Match": "*"})
    assert (missing.status_code, missing.json()["detail"]) == (
        409, "If-Match: there is no dataset new to be replaced; leave it out",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("headers", "content", "status", "says"),
    [
        ({"Content-Type": "image/png"}, ROWS, 415, "send one of text/csv, "),
        ({}, ROWS, 415, "the media type is missing"),
        (CSV, ROWS, 415, "send it as that"),
        (NPY | {"Content-Encoding": "gzip"}, ROWS, 415, "send the body as it is"),
        (NPY, b"", 400, "the file is empty"),
        (NPY, b"\x93NUMPY" + bytes(8 * MIB), 413, "the file holds more than 8388608 bytes"),
        (NPY | {"Content-Digest": "sha-512=:AAAA:"}, ROWS, 422, "Content-Digest: must hold sha-256=:...:"),
        (NPY | {"If-Match": "W/1"}, ROWS, 422, "If-Match: must be a sha256"),
    ],
)
def test_an_upload_is_refused_with_the_remedy(
    rest: httpx.Client, folder: Path, headers: dict[str, str], content: bytes, status: int, says: str
) -> None:
    refused = rest.put("/datasets/rows", content=content, headers=headers)
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
    assert says in refused.json()["detail"]
    assert files(folder) == []


def test_a_body_without_a_length_is_limited_too(rest: httpx.Client, folder: Path) -> None:
    pieces = (b"\x93NUMPY" + bytes(MIB) for _ in range(9))
    refused = rest.put("/datasets/rows", content=pieces, headers=NPY)
    assert refused.status_code == 413
    assert until(lambda: files(folder) == [])


def test_a_query_parameter_is_refused_before_the_body(rest: httpx.Client) -> None:
    refused = rest.put("/datasets/rows?type=csv", content=ROWS, headers=NPY)
    assert (refused.status_code, refused.headers["connection"]) == (422, "close")


def test_all_datasets_have_a_limit_together(rest: httpx.Client) -> None:
    large = b"\x93NUMPY" + bytes(7 * MIB)
    rest.put("/datasets/a", content=large, headers=NPY).raise_for_status()
    refused = rest.put("/datasets/b", content=large + b"b", headers=NPY)
    assert refused.status_code == 413
    assert "delete some, or raise PUSHFORWARD_MAX_DATASETS_BYTES" in refused.json()["detail"]
    rest.delete("/datasets/a").raise_for_status()
    assert rest.put("/datasets/b", content=large + b"b", headers=NPY).status_code == 201


def test_a_digest_that_is_sent_is_compared(rest: httpx.Client, folder: Path) -> None:
    def header(content: bytes) -> dict[str, str]:
        encoded = b64encode(sha256(content).digest()).decode()
        return NPY | {"Content-Digest": f"sha-512=:AAAA:, sha-256=:{encoded}:"}

    wrong = rest.put("/datasets/rows", content=ROWS, headers=header(OTHER))
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "Content-Digest")
    assert files(folder) == []
    assert rest.put("/datasets/rows", content=ROWS, headers=header(ROWS)).status_code == 201


@pytest.mark.parametrize("name", ["Rows", "a.b", "..", ".", "%2e%2e", "a%2Fb", "%00", "a%5Cb", "x" * 64, "-x", "a%0A"])
def test_a_name_is_no_path(gateway: Gateway, folder: Path, name: str) -> None:
    rest = f"/datasets/{name} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    put = f"PUT {rest}Content-Type: application/x-npy\r\nContent-Length: {len(ROWS)}\r\n\r\n".encode() + ROWS
    for sent, refused in ((put, {404, 422}), (f"GET {rest}\r\n".encode(), {404})):
        with gateway.connect() as connection:
            connection.sendall(sent)
            assert answer(connection)[0] in refused
    assert files(folder) == []


def test_an_upload_that_breaks_off_leaves_nothing(gateway: Gateway, folder: Path) -> None:
    with begun(gateway, 2 * MIB, b"\x93NUMPY" + bytes(MIB)):
        assert until(lambda: len(files(folder)) == 1)
    assert until(lambda: files(folder) == [])
    assert httpx.get(f"{gateway.url}/datasets").json() == {"datasets": []}


def test_leftovers_of_a_gateway_that_was_killed_are_swept_at_the_start(tmp_path: Path) -> None:
    folder = tmp_path / ".datasets"
    with running(tmp_path, **LIMITS) as gateway, begun(gateway, 2 * MIB, b"\x93NUMPY" + bytes(MIB)):
        assert until(lambda: len(files(folder)) == 1)
        os.kill(gateway.process.pid, signal.SIGKILL)
        gateway.process.wait()
    assert len(files(folder)) == 1
    with running(tmp_path, **LIMITS):
        assert until(lambda: files(folder) == [])


def test_a_client_that_sends_nothing_is_let_go(gateway: Gateway, folder: Path) -> None:
    with begun(gateway, 2 * MIB, b"\x93NUMPY" + bytes(MIB)) as connection:
        status, headers, body = answer(connection)
    assert (status, headers["connection"]) == (408, "close")
    assert "of the file came within 1 s" in json.loads(body)["detail"]
    assert until(lambda: files(folder) == [])


def test_a_client_that_sends_steadily_may_take_longer_than_a_body(gateway: Gateway, rest: httpx.Client) -> None:
    piece = bytes(80 * 2**10)
    with begun(gateway, 6 + 5 * len(piece), b"\x93NUMPY") as connection:
        for _ in range(5):
            time.sleep(0.4)
            connection.sendall(piece)
        connection.settimeout(5)
        assert connection.recv(64).startswith(b"HTTP/1.1 201")


def test_of_two_uploads_of_one_name_at_once_one_is_kept(rest: httpx.Client, folder: Path) -> None:
    contents = [b"\x93NUMPY" + bytes([number]) * MIB for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        put = list(pool.map(lambda content: rest.put("/datasets/rows", content=content, headers=NPY), contents))
    assert sorted(each.status_code for each in put) == [201, 409, 409, 409]
    [kept] = [each.json()["sha256"] for each in put if each.status_code == 201]
    assert rest.get("/datasets/rows").json()["sha256"] == kept
    assert files(folder) == sorted([kept, "rows.json"])


def test_a_large_upload_takes_little_memory(tmp_path: Path) -> None:
    piece = bytes(MIB)

    def pieces() -> Iterator[bytes]:
        yield b"\x93NUMPY"
        for _ in range(200):
            peaks.append(gateway.memory_bytes)
            yield piece

    peaks: list[int] = []
    with running(tmp_path) as gateway:
        httpx.put(f"{gateway.url}/datasets/warm", content=ROWS, headers=NPY).raise_for_status()
        before = gateway.memory_bytes
        put = httpx.put(f"{gateway.url}/datasets/large", content=pieces(), headers=NPY, timeout=120)
        assert (put.status_code, put.json()["bytes"]) == (201, 200 * MIB + 6)
    assert max(peaks) - before < 24 * MIB


def test_a_run_is_recorded_with_the_digest_of_its_dataset(rest: httpx.Client) -> None:
    tag = rest.put("/datasets/rows", content=ROWS, headers=NPY).headers["etag"]
    job = train(rest, "rows", **{"Idempotency-Key": "k"})
    assert job.json()["run"]["data"]["dataset"] == f"rows@{digest(ROWS)}"
    rest.put("/datasets/rows", content=OTHER, headers=NPY | {"If-Match": tag}).raise_for_status()
    again = train(rest, "rows", **{"Idempotency-Key": "k"})
    assert again.json()["id"] == job.json()["id"]
    assert train(rest, "rows").json()["run"]["data"]["dataset"] == f"rows@{digest(OTHER)}"


def test_what_a_job_reads_stays_until_its_end(rest: httpx.Client, folder: Path) -> None:
    tag = rest.put("/datasets/rows", content=ROWS, headers=NPY).headers["etag"]
    job = train(rest, "rows").json()["id"]
    refused = rest.delete("/datasets/rows")
    assert (refused.status_code, f"job {job} reads the dataset rows" in refused.json()["detail"]) == (409, True)
    rest.put("/datasets/rows", content=OTHER, headers=NPY | {"If-Match": tag}).raise_for_status()
    rest.post(f"/jobs/{job}/pause").raise_for_status()
    tag = rest.put("/datasets/rows", content=ROWS, headers=NPY | {"If-Match": "*"}).headers["etag"]
    assert rest.delete("/datasets/rows").status_code == 409
    rest.put("/datasets/rows", content=OTHER, headers=NPY | {"If-Match": tag}).raise_for_status()
    assert digest(ROWS) in files(folder)
    rest.post(f"/jobs/{job}/cancel").raise_for_status()
    assert rest.delete("/datasets/rows").status_code == 200
    assert files(folder) == []


@pytest.mark.parametrize(
    ("data", "field", "says"),
    [
        ({"dataset": "never"}, "run.data.dataset", "there is no dataset 'never'; upload it first"),
        ({"dataset": "../rows"}, "run.data.dataset", "must be the name of a dataset"),
        ({"dataset": "table"}, "run.data.dataset", "is text/csv, and npy reads"),
        ({"dataset": "rows", "path": "x.npy"}, "run.data.dataset", "give path or dataset, one of them"),
        ({}, "run.data", "give path or dataset, one of them"),
    ],
)
def test_a_run_of_a_dataset_is_refused_with_the_field(
    rest: httpx.Client, data: dict[str, Any], field: str, says: str
) -> None:
    rest.put("/datasets/table", content=TABLE, headers=CSV).raise_for_status()
    run = {"family": {"family": "flow"}, "data": {"source": "npy"} | data}
    refused = rest.post("/train", json={"model": "m", "run": run})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, field)
    assert says in refused.json()["errors"][0]["message"]
