"""Whatever bytes come, the parsers of others are the client's fault and never ours: 4xx, and no defect."""

from __future__ import annotations

import json
import random
from typing import Any

import grpc
import numpy as np
import pytest

from pushforward.service.domain.errors import Malformed
from pushforward.service.formats import npy
from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.server import SERVICE
from tests.apis.conftest import Apis
from tests.apis.test_rest import NPY, X, npy_bytes

JSON = {"Content-Type": "application/json"}
HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"
ALPHABET = b"(){}[],:'\"\\ \n\t\x00\xff0123456789-+.eELWjTrueFalseNone<>|fiubcVOSm#=@*%;lambda"


def headed(header: bytes, data: bytes = bytes(16)) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def mutated(seed: int) -> bytes:
    """A header with a few bytes replaced, put in, or left out; now and then the length lies."""
    choose = random.Random(seed)
    header = bytearray(HEADER)
    for _ in range(choose.randint(1, 4)):
        at, byte = choose.randrange(len(header)), choose.choice(ALPHABET)
        match choose.randrange(3):
            case 0:
                header[at] = byte
            case 1:
                header.insert(at, byte)
            case _:
                del header[at]
    body = bytearray(headed(bytes(header)))
    if choose.random() < 0.1:
        body[choose.randrange(10)] = choose.randrange(256)
    return bytes(body)


def test_an_npy_header_is_read_or_refused_as_such() -> None:
    refusals = []
    for seed in range(2500):
        try:
            npy.loads(mutated(seed))
        except Malformed as error:
            refusals.append(error.detail)
    assert 1250 < len(refusals) < 2500
    assert [detail for detail in refusals if "header" not in detail and "array" not in detail] == []


@pytest.mark.parametrize(
    "header",
    [
        b"{'descr':'<f4','fortran_order':False,'shape':(1,2W}",
        b"{'descr':'<f4','fortran_order':False,'shape':(True,2)}",
        b"{'descr':'<f4','fortran_order':False,'shape':(2L,2L)}",
        b"{'descr':'<f4','fortran_order':False,'shape':(2,2)",
        b"{'descr':'<f4','fortran_order':1,'shape':(4,)}",
        b"{'descr':[],'fortran_order':False,'shape':(4,)}",
        b"{'descr':('<f4',(2,)),'fortran_order':False,'shape':(2,)}",
        b"{'descr':{'a':1},'fortran_order':False,'shape':(4,)}",
        b"{'descr':'<f4','fortran_order':False,'shape':(" + b"9" * 5000 + b",)}",
        b"{'descr':'<f4','fortran_order':False,'shape':" + b"(" * 3000 + b"}",
        b"{'descr':'<f4','fortran_order':False,'shape':" + b"-" * 8000 + b"1}",
        b"\x00" * 64,
        b"",
    ],
    ids=range(13),
)
async def test_a_header_that_is_none_is_malformed(apis: Apis, header: bytes) -> None:
    refused = await apis.rest.post("/encode?model=moons", content=headed(header), headers=NPY)
    assert (refused.status_code, refused.json()["type"]) == (400, "/problems/malformed"), refused.text
    assert "header" in refused.json()["detail"] or "array" in refused.json()["detail"]


TEXTS = ["\x00", "a\x00b", "x" * 70_000, "../" * 2000, "\ud7ff\uffff", "%", "{}", "\n"]
RUN: dict[str, Any] = {"family": {"family": "vae"}, "data": {"source": "npy", "path": "rows.npy"}}


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
async def test_no_text_is_a_defect(apis: Apis, text: str) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/train", {"model": text, "preset": "vae-digits"}),
        ("/train", {"model": "m", "preset": text}),
        ("/train", {"model": "m", "run": RUN | {"data": {"source": "npy", "path": text}}}),
        ("/train", {"model": "m", "run": RUN | {"data": {"source": "idx", "path": text}}}),
        ("/train", {"model": "m", "run": RUN | {"data": {"source": text}}}),
        ("/sample", {"model": text}),
        ("/sample", {"model": "moons", "options": {text: text}}),
        ("/sample", {"model": "labeled", "condition": text}),
        ("/interpolate", {"model": "moons", "start_seed": 1, "end_seed": 2, "path": text}),
    ]
    for path, body in bodies:
        answer = await apis.rest.post(path, json=body)
        assert 400 <= answer.status_code < 500, (path, answer.text)
        assert len(answer.content) < 50_000


@pytest.mark.parametrize(
    "number", ["1e999", "-1e999", "9" * 400, "1" + "0" * 5000, "-0.0", "1E5", "Infinity", "NaN", "01"]
)
@pytest.mark.parametrize("field", ["n", "seed", "deadline_ms", "preview_every", "condition", "options"])
async def test_no_number_is_a_defect(apis: Apis, number: str, field: str) -> None:
    body = f'{{"model": "moons", "{field}": {number}}}'
    answer = await apis.rest.post("/sample", content=body.encode(), headers=JSON)
    assert answer.status_code < 500, answer.text


@pytest.mark.parametrize(
    "query",
    [
        "%",
        "%ff=%fe",
        "model=%00",
        "model=moons&options=[[[[",
        "model=moons&seed=" + "9" * 5000,
        "&" * 999,
        "=",
        "model",
    ],
)
async def test_no_query_is_a_defect(apis: Apis, query: str) -> None:
    for path in ("/encode", "/likelihood", "/interpolate"):
        answer = await apis.rest.post(f"{path}?{query}", content=npy_bytes(X), headers=NPY)
        assert 400 <= answer.status_code < 500, answer.text
    assert (await apis.rest.get(f"/jobs?{query}")).status_code < 500


VALUES = [
    b"",
    b"\xff",
    b"\x00",
    b"9" * 5000,
    b"a" * 5000,
    b";;;",
    b",,,",
    b"=",
    b'"',
    b"bytes=-",
    b"bytes=1-0",
    b"*/*;q=1e999",
]
NAMES = [
    "Accept",
    "Prefer",
    "Range",
    "If-Range",
    "Last-Event-ID",
    "Idempotency-Key",
    "Content-Type",
    "Content-Encoding",
]


@pytest.mark.parametrize("name", [*NAMES, "traceparent", "Content-Length", "Expect"])
async def test_no_header_is_a_defect(apis: Apis, name: str) -> None:
    job = (await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"})).json()["id"]
    await apis.rest.post(f"/jobs/{job}/cancel")
    for value in VALUES:
        headers = {**JSON, name: value}
        for method, path in (("POST", "/sample"), ("GET", f"/jobs/{job}/events"), ("GET", f"/jobs/{job}/file")):
            content = json.dumps({"model": "moons"}).encode() if method == "POST" else None
            answer = await apis.rest.request(method, path, content=content, headers=headers)
            assert answer.status_code < 500, (name, value, answer.text)


def struct_of_depth(depth: int) -> bytes:
    """A Struct in a Struct in a Struct: field 1 is a map, whose value holds field 5."""
    body = b""
    for _ in range(depth):
        value = b"\x2a" + varint(len(body)) + body
        entry = b"\x0a\x01a\x12" + varint(len(value)) + value
        body = b"\x0a" + varint(len(entry)) + entry
    return body


def varint(number: int) -> bytes:
    pieces = []
    while number > 0x7F:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*pieces, number])


DEEP = struct_of_depth(400)


@pytest.mark.parametrize(
    ("method", "body"),
    [
        ("Sample", b"\xff"),
        ("Sample", b"\x0a\x05ab"),
        ("Sample", b"\x0a\x02\xff\xfe"),
        ("Train", b"\x0a\x01m\x1a" + varint(len(DEEP)) + DEEP),
        ("WatchJob", b"\xff"),
        ("Encode", bytes(range(256))),
    ],
    ids=["one byte", "cut short", "no text", "deep", "a stream", "noise"],
)
async def test_no_message_is_a_defect(apis: Apis, method: str, body: bytes) -> None:
    call = apis.channel.unary_stream(f"/{SERVICE}/{method}")
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        [answer async for answer in call(body)]
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT, failed.value


async def test_a_call_without_a_message_is_refused(apis: Apis) -> None:
    call = apis.channel.stream_unary(f"/{SERVICE}/Sample")()
    await call.done_writing()
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize("number", [np.nan, np.inf, -0.0, 1e308])
async def test_no_number_of_a_struct_is_a_defect(apis: Apis, number: float) -> None:
    request = pb.SampleRequest(model="moons", n=1)
    request.options.update({"steps": number})
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Sample(request)
    assert failed.value.code() == grpc.StatusCode.INVALID_ARGUMENT
