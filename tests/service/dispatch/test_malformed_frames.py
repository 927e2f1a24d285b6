"""`service.dispatch.frames`: what no gateway and no worker says."""

from __future__ import annotations

import pytest

from pushforward.service.dispatch.frames import (
    decode_from_gateway,
    decode_from_worker,
    encode_requests,
)
from pushforward.service.dispatch.framing import Buffer, MalformedFrame, encode
from pushforward.service.dispatch.messages import (
    FramedRequest,
    Requests,
)
from pushforward.service.domain.inference import InferenceRequest


def whole(parts: list[Buffer]) -> bytes:
    return b"".join(parts)


@pytest.mark.parametrize("data", [b"", b"PFW\x03", b"PFW\x03" + bytes(60), b"\x80\x04N." * 9, bytes(1000)])
def test_what_is_no_frame_is_malformed(data: bytes):
    with pytest.raises(MalformedFrame):
        decode_from_gateway(data)
    with pytest.raises(MalformedFrame):
        decode_from_worker(data)


@pytest.mark.parametrize("model", ["../../etc@1", "moons", "moons@0", "Moons@1", "moons@1\n", "", "m@1@1"])
def test_requests_that_name_no_version_of_a_model_are_malformed(model: str):
    request = InferenceRequest(model, "sample", 1, 0)
    with pytest.raises(MalformedFrame):
        decode_from_gateway(whole(encode_requests(Requests(0.0, (FramedRequest(1, request, 1.0),)))))


A_REQUEST = [1, 1, 0, 0, 0, "", 1.0, {}]


@pytest.mark.parametrize(
    "header",
    [
        ["requests", 0.0, "moons@1", "sample", {}, []],
        ["requests", 0.0, "moons@1", "erase", {}, [A_REQUEST]],
        ["requests", 0.0, "moons@1", ["sample"], {}, [A_REQUEST]],
        ["requests", 0.0, ["moons@1"], "sample", {}, [A_REQUEST]],
        ["requests", 0.0, "moons@1", "sample", [], [A_REQUEST]],
        ["requests", "soon", "moons@1", "sample", {}, [A_REQUEST]],
        ["requests", 0.0, "moons@1", "sample", {}, [[*A_REQUEST, 1]]],
        ["requests", 0.0, "moons@1", "sample", {}, [[1, 0, 0, 0, 0, "", 1.0, {}]]],  # rows
        ["requests", 0.0, "moons@1", "sample", {}, [[1, 1, -1, 0, 0, "", 1.0, {}]]],  # seed
        ["requests", 0.0, "moons@1", "sample", {}, [["1", 1, 0, 0, 0, "", 1.0, {}]]],  # id
        ["requests", 0.0, "moons@1", "sample", {}, [[1, 1, 0, 0, 0, "", "late", {}]]],
        ["requests", 0.0, "moons@1", "sample", {}, [[1, 1, 0, 0, 0, "", 1.0, {"x": 0}]]],  # there is no array
        ["requests", 0.0, "moons@1", "sample", {}, [[1, 1, 0, 0, 0, "", 1.0, [0]]]],
        ["cancelled", ["x"]],
        ["cancelled", 1],
        ["proof", "text"],
        ["farewell", 1],
        ["unheard of"],
        [],
        {},
        "farewell",
        None,
    ],
    ids=repr,
)
def test_a_gateway_says_nothing_else(header: object):
    with pytest.raises(MalformedFrame):
        decode_from_gateway(whole(encode(header, [])))


@pytest.mark.parametrize(
    "header",
    [
        ["replies", None, [["answered", 1, 0.5, 1, {}]]],
        ["replies", None, [["answered", 1, 0.5, 1, {}, {"x": 0}]]],  # there is no array
        ["replies", None, [["answered", "x", 0.5, 1, {}, {}]]],
        ["replies", None, [["previewed", 1, 0.5, "x", {}]]],
        ["replies", None, [["refused", 1, "failed", "no", [["x"]]]]],
        ["replies", None, [["guessed", 1]]],
        ["replies", None, [1]],
        ["replies", None, None],
        ["replies", ["w1", 1.0], []],
        ["replies", 1, []],
        ["beat", "long"],
        ["beat"],
        ["hello", "w1", "nonce"],
        ["hello", 1, b"nonce"],
        ["leaving", 1],
        ["unheard of"],
        [],
        None,
    ],
    ids=repr,
)
def test_a_worker_says_nothing_else(header: object):
    with pytest.raises(MalformedFrame):
        decode_from_worker(whole(encode(header, [])))
