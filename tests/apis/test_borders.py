"""Every limit holds to the last byte, value, row and character, through both APIs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import numpy as np
import pytest

from pushforward.service.rpc.pb import pushforward_pb2 as pb
from pushforward.service.rpc.server import SERVICE
from pushforward.service.settings import Settings
from tests.apis.conftest import Apis
from tests.apis.test_both_apis import tensor
from tests.apis.test_rest import NPY, npy_bytes

JSON = {"Content-Type": "application/json"}
BODY = b'{"model": "moons"}'
WITHIN_AND_BEYOND = pytest.mark.parametrize("surplus", [0, 1], ids=["within", "beyond"])


@pytest.fixture
def settings(settings: Settings) -> Settings:
    limits = {"max_body_bytes": 20_000, "max_json_bytes": 10_000, "max_json_values": 1000, "max_rows": 800}
    return settings.model_copy(update=limits)


async def pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 999):
        yield body[start : start + 999]


@WITHIN_AND_BEYOND
@pytest.mark.parametrize("chunked", [False, True])
async def test_bytes_of_a_json_body(apis: Apis, surplus: int, chunked: bool) -> None:
    body = BODY.ljust(10_000 + surplus)
    answer = await apis.rest.post("/sample", content=pieces(body) if chunked else body, headers=JSON)
    assert answer.status_code == (413 if surplus else 200), answer.text
    assert not surplus or "npy" in answer.json()["detail"]


@WITHIN_AND_BEYOND
@pytest.mark.parametrize("chunked", [False, True])
async def test_bytes_of_an_npy_body(apis: Apis, surplus: int, chunked: bool) -> None:
    body = npy_bytes(np.zeros(20_000 - 128 + surplus, np.uint8))
    assert len(body) == 20_000 + surplus
    answer = await apis.rest.post("/encode?model=moons", content=pieces(body) if chunked else body, headers=NPY)
    assert answer.status_code == (413 if surplus else 422), answer.text


@WITHIN_AND_BEYOND
async def test_values_of_a_json_body(apis: Apis, surplus: int) -> None:
    x = "[" + ",".join(["[0,0]"] * 499) + "]"  # 998 values after the first comma, and the model's before
    body = f'{{"model":"moons","x":{x},"deadline_ms":60000{""",   "seed":0""" * surplus}}}'
    answer = await apis.rest.post("/likelihood", content=body.encode(), headers=JSON)
    assert answer.status_code == (413 if surplus else 200), answer.text


@WITHIN_AND_BEYOND
async def test_rows(apis: Apis, surplus: int) -> None:
    rows = 800 + surplus
    over_rest = await apis.rest.post("/sample", json={"model": "moons", "n": rows})
    assert over_rest.status_code == (422 if surplus else 200)
    try:
        await apis.stub.Sample(pb.SampleRequest(model="moons", n=rows))
        code = grpc.StatusCode.OK
    except grpc.aio.AioRpcError as error:
        code = error.code()
    assert code == (grpc.StatusCode.INVALID_ARGUMENT if surplus else grpc.StatusCode.OK)


@WITHIN_AND_BEYOND
async def test_characters_of_a_key(apis: Apis, surplus: int) -> None:
    headers = {"Idempotency-Key": "k" * (255 + surplus)}
    answer = await apis.rest.post("/train", json={"model": "m", "preset": "vae-digits"}, headers=headers)
    assert answer.status_code == (422 if surplus else 202)


@WITHIN_AND_BEYOND
async def test_characters_of_a_name(apis: Apis, surplus: int) -> None:
    answer = await apis.rest.post("/train", json={"model": "m" * (63 + surplus), "preset": "vae-digits"})
    assert answer.status_code == (422 if surplus else 202)


@WITHIN_AND_BEYOND
async def test_bytes_of_a_message(apis: Apis, surplus: int) -> None:
    request = pb.EncodeRequest(model="moons", x=pb.Tensor(dtype="uint8", shape=[19_000], data=bytes(19_000)))
    request.x.data = bytes(19_000 + 20_000 + surplus - request.ByteSize())
    assert request.ByteSize() == 20_000 + surplus
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Encode(request)
    expected = grpc.StatusCode.RESOURCE_EXHAUSTED if surplus else grpc.StatusCode.INVALID_ARGUMENT
    assert failed.value.code() == expected


@WITHIN_AND_BEYOND
async def test_bytes_of_a_message_outside_of_its_tensors(apis: Apis, surplus: int) -> None:
    data = tensor(np.zeros((500, 2), np.float32))
    request = pb.EncodeRequest(model="moons", x=data)
    request.options.update({"text": ""})
    fixed = request.ByteSize() - len(data.data)
    request.options.update({"text": "x" * (10_000 - fixed)})
    excess = request.ByteSize() - len(data.data) - 10_000
    request.options.update({"text": "x" * (10_000 - fixed - excess + surplus)})
    assert request.ByteSize() - len(data.data) == 10_000 + surplus
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await apis.stub.Encode(request)
    expected = grpc.StatusCode.RESOURCE_EXHAUSTED if surplus else grpc.StatusCode.INVALID_ARGUMENT
    assert failed.value.code() == expected, failed.value


async def test_a_struct_of_very_many_values_is_refused_before_it_is_read(apis: Apis) -> None:
    call = apis.channel.unary_unary(f"/{SERVICE}/Sample")
    empty = b"\x0a\x00" * 4_000  # values of a list, without a kind
    inner = b"\x32" + _length(empty) + empty
    entry = b"\x0a\x01a\x12" + _length(inner) + inner
    struct = b"\x0a" + _length(entry) + entry
    field = pb.SampleRequest.DESCRIPTOR.fields_by_name["options"].number
    tag = bytes([field << 3 | 2])
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await call((tag + _length(struct) + struct) * 2)
    assert failed.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


def _length(body: bytes) -> bytes:
    n = len(body)
    return bytes([n & 0x7F | 0x80, n >> 7 & 0x7F | 0x80, n >> 14])
