"""`service.dispatch.frames`: messages between gateways and workers as frames."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward.service.dispatch.frames import (
    decode_from_gateway,
    decode_from_worker,
    encode_message,
    encode_replies,
    encode_requests,
)
from pushforward.service.dispatch.framing import Buffer, MalformedFrame
from pushforward.service.dispatch.messages import (
    Answered,
    Beat,
    Cancelled,
    Farewell,
    FramedRequest,
    FromGateway,
    FromWorker,
    Hello,
    Leaving,
    Previewed,
    Proof,
    Refusal,
    Replies,
    Requests,
)
from pushforward.service.domain.errors import FieldError, Invalid, TimedOut
from pushforward.service.domain.inference import PROTOCOL, InferenceRequest, Load

X = np.arange(6, dtype=np.float32).reshape(3, 2)
ONE = InferenceRequest("moons@1", "likelihood", 3, 2**64 - 1, {"k": 5}, {"x": X})
TWO = InferenceRequest("moons@1", "likelihood", 1, 0, {"k": 5}, {"x": X[:1] + 0.5}, 70_000, 5, "00-ab-cd-01")
REQUESTS = Requests(8123.25, (FramedRequest(7, ONE, 12.5), FramedRequest(8, TWO, 3.0)))
REPLIES = Replies(
    (
        Answered(1, {"log_prob": np.array([-1.5, -np.inf])}, 0.25, 64, {"kind": "exact"}),
        Refusal.of(2, Invalid("x: is empty", errors=(FieldError("x", "is empty"),))),
        Previewed(3, {"samples": np.ones((2, 2), np.float32)}, 10, 50),
    ),
    Load("w1", 12.5, 2.5, 3, 0.125, 6.5),
)
OF_GATEWAYS = (Cancelled((3, 4)), Cancelled(()), Proof(b"\x00\xff" * 16), Farewell())
OF_WORKERS = (Hello("host-1f", b"\xfe" * 16), Beat(0.0), Beat(31.5), Leaving())


def whole(parts: list[Buffer]) -> bytes:
    return b"".join(parts)


REQUESTS_FRAME, REPLIES_FRAME = whole(encode_requests(REQUESTS)), whole(encode_replies(REPLIES))


def test_requests_arrive_as_they_left():
    arrived = decode_from_gateway(REQUESTS_FRAME)
    assert isinstance(arrived, Requests)
    assert arrived.sent_at == REQUESTS.sent_at
    for framed, sent in zip(arrived.requests, REQUESTS.requests, strict=True):
        assert (framed.id, framed.left_ms) == (sent.id, sent.left_ms)
        assert replace(framed.request, arrays={}) == replace(sent.request, arrays={})
        assert framed.request.arrays.keys() == {"x"}
        np.testing.assert_array_equal(framed.request.arrays["x"], sent.request.arrays["x"])


def test_replies_arrive_as_they_left():
    arrived = decode_from_worker(REPLIES_FRAME)
    assert isinstance(arrived, Replies)
    assert arrived.load == REPLIES.load
    answered, refused, previewed = arrived.replies
    assert isinstance(answered, Answered)
    assert (answered.id, answered.compute_ms, answered.batch_rows, answered.info) == (1, 0.25, 64, {"kind": "exact"})
    assert answered.arrays["log_prob"].dtype == np.float64
    np.testing.assert_array_equal(answered.arrays["log_prob"], [-1.5, -np.inf])
    assert refused == REPLIES.replies[1]
    assert isinstance(previewed, Previewed)
    assert (previewed.id, previewed.step, previewed.steps) == (3, 10, 50)
    np.testing.assert_array_equal(previewed.arrays["samples"], np.ones((2, 2)))


def test_a_refusal_is_raised_as_the_error_it_was():
    error = Refusal.of(2, Invalid("x: is empty", errors=(FieldError("x", "is empty"),))).error()
    assert isinstance(error, Invalid)
    assert (error.detail, error.errors, error.stage) == ("x: is empty", (FieldError("x", "is empty"),), "worker")
    assert isinstance(Refusal.of(3, TimedOut("late")).error(), TimedOut)


def test_replies_may_come_without_a_load():
    assert decode_from_worker(whole(encode_replies(Replies((Refusal(1, "failed", "no"),))))).load is None  # type: ignore[union-attr]


@pytest.mark.parametrize("message", OF_GATEWAYS, ids=str)
def test_a_message_of_a_gateway_arrives_as_it_left(message: Cancelled | Proof | Farewell):
    assert decode_from_gateway(whole(encode_message(message))) == message


@pytest.mark.parametrize("message", OF_WORKERS, ids=str)
def test_a_message_of_a_worker_arrives_as_it_left(message: Hello | Beat | Leaving):
    assert decode_from_worker(whole(encode_message(message))) == message


def test_neither_side_takes_what_only_the_other_sends():
    for frame in [REQUESTS_FRAME, *(whole(encode_message(each)) for each in OF_GATEWAYS)]:
        with pytest.raises(MalformedFrame, match="no message of a worker"):
            decode_from_worker(frame)
    for frame in [REPLIES_FRAME, *(whole(encode_message(each)) for each in OF_WORKERS)]:
        with pytest.raises(MalformedFrame, match="no message of a gateway"):
            decode_from_gateway(frame)


def test_arrays_are_read_without_a_copy():
    arrived = decode_from_gateway(REQUESTS_FRAME)
    assert isinstance(arrived, Requests)
    assert not arrived.requests[0].request.arrays["x"].flags.owndata


@pytest.mark.parametrize("x", [X.T, X[::2], X.astype(">f4"), np.asfortranarray(X)], ids=["T", "strided", "big", "F"])
def test_arrays_of_any_layout_arrive_with_their_values(x: np.ndarray):
    request = InferenceRequest("moons@1", "encode", len(x), 0, {}, {"x": x})
    arrived = decode_from_gateway(whole(encode_requests(Requests(0.0, (FramedRequest(1, request, 1.0),)))))
    assert isinstance(arrived, Requests)
    np.testing.assert_array_equal(arrived.requests[0].request.arrays["x"], x)


@pytest.mark.parametrize(
    ("frame", "read"), [(REQUESTS_FRAME, decode_from_gateway), (REPLIES_FRAME, decode_from_worker)]
)
class TestDamage:
    def test_a_frame_cut_anywhere_is_malformed(self, frame: bytes, read: Callable[[bytes], object]):
        for n in range(len(frame)):
            with pytest.raises(MalformedFrame):
                read(frame[:n])

    def test_a_frame_of_another_version_is_malformed_and_says_so(self, frame: bytes, read: Callable[[bytes], object]):
        for version in (1, 2, PROTOCOL + 1, 255):
            with pytest.raises(MalformedFrame, match=f"version {version}"):
                read(frame[:3] + bytes([version]) + frame[4:])

    @settings(max_examples=400, deadline=None)
    @given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=3))
    def test_altered_bytes_are_malformed_or_sound(
        self, frame: bytes, read: Callable[[bytes], object], changes: list[tuple[int, int]]
    ):
        altered = bytearray(frame)
        for at, to in changes:
            altered[at % len(altered)] = to
        try:
            message = read(bytes(altered))
        except MalformedFrame:
            return
        assert_sound(message)


def assert_sound(message: object) -> None:
    match message:
        case Requests(sent_at, requests):
            assert isinstance(sent_at, float)
            assert requests
            for framed in requests:
                request = framed.request
                assert request.rows > 0
                assert 0 <= request.seed < 2**64
                assert request.first >= 0
                assert request.preview_every >= 0
                assert "@" in request.model
                assert all(isinstance(array, np.ndarray) for array in request.arrays.values())
        case Replies(replies, load):
            assert load is None or isinstance(load, Load)
            assert all(isinstance(reply.id, int) for reply in replies)
            for reply in replies:
                if isinstance(reply, Refusal):
                    assert reply.error().detail == reply.detail
        case _:
            raise AssertionError(message)


def test_every_message_has_a_frame():
    sent: list[FromGateway | FromWorker] = [REQUESTS, REPLIES, *OF_GATEWAYS, *OF_WORKERS]
    assert {type(each) for each in sent} == {*FromGateway.__args__, *FromWorker.__args__}
