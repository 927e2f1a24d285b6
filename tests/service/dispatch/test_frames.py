import numpy as np
import pytest

from pushforward.service.dispatch.frames import Answered, Frame, FramedRequest, Previewed, Refusal, Replies
from pushforward.service.dispatch.framing import MalformedFrame, OtherVersion
from pushforward.service.domain.errors import FieldError, Invalid, TimedOut, Unavailable
from pushforward.service.domain.inference import PROTOCOL, InferenceRequest, Load

from pushforward.service.dispatch.frames import decode_frame, decode_replies, encode_frame, encode_replies  # isort: skip


def a_frame() -> Frame:
    x = np.arange(6, dtype=np.float32).reshape(3, 2)
    one = InferenceRequest("moons@1", "likelihood", 3, 2**64 - 1, {"k": 5}, {"x": x})
    two = InferenceRequest("moons@1", "likelihood", 1, 0, {"k": 5}, {"x": x[:1] + 0.5}, first=70_000, preview_every=5)
    return Frame("pf:replies:a", (FramedRequest(7, one, 12.5), FramedRequest(8, two, 3.0)))


def test_a_frame_arrives_as_it_left():
    frame = decode_frame(encode_frame(a_frame()))
    assert frame.reply_to == "pf:replies:a"
    for request, sent in zip(frame.requests, a_frame().requests, strict=True):
        assert (request.id, request.left_ms) == (sent.id, sent.left_ms)
        assert (request.request.model, request.request.op) == ("moons@1", "likelihood")
        assert (request.request.seed, request.request.options) == (sent.request.seed, {"k": 5})
        assert request.request.first == sent.request.first
        assert request.request.preview_every == sent.request.preview_every
        np.testing.assert_array_equal(request.request.arrays["x"], sent.request.arrays["x"])


def test_arrays_are_read_without_a_copy():
    assert not decode_frame(encode_frame(a_frame())).requests[0].request.arrays["x"].flags.owndata


def test_replies_arrive_as_they_left():
    answered = Answered(1, {"log_prob": np.array([-1.5, -np.inf])}, 0.25, 64, {"kind": "exact"})
    refused = Refusal.of(2, Invalid("x: is empty", errors=(FieldError("x", "is empty"),)))
    previewed = Previewed(3, {"samples": np.ones((2, 2), np.float32)}, 10, 50)
    load = Load("w1", 12.5, 2.5, 3, 0.125, 6.5)
    arrived = decode_replies(encode_replies(Replies((answered, refused, previewed), load)))
    got, refusal, preview = arrived.replies
    assert arrived.load == load
    assert isinstance(preview, Previewed)
    assert (preview.id, preview.step, preview.steps) == (3, 10, 50)
    np.testing.assert_array_equal(preview.arrays["samples"], previewed.arrays["samples"])
    assert isinstance(got, Answered)
    assert (got.id, got.compute_ms, got.batch_rows, got.info) == (1, 0.25, 64, {"kind": "exact"})
    assert got.arrays["log_prob"].dtype == np.float64
    np.testing.assert_array_equal(got.arrays["log_prob"], [-1.5, -np.inf])
    assert refusal == refused
    assert isinstance(refused.error(), Invalid)
    assert refused.error().errors == (FieldError("x", "is empty"),)
    assert isinstance(Refusal.of(3, TimedOut("late")).error(), TimedOut)


def test_a_frame_cut_anywhere_is_garbage():
    whole = encode_frame(a_frame())
    for n in range(len(whole)):
        with pytest.raises(MalformedFrame):
            decode_frame(whole[:n])


def test_altered_bytes_are_garbage_or_a_sound_frame():
    whole = encode_frame(a_frame())
    rng = np.random.default_rng(0)
    refused = 0
    for _ in range(3000):
        altered = bytearray(whole)
        altered[rng.integers(len(whole))] ^= int(rng.integers(1, 256))
        try:
            frame = decode_frame(bytes(altered))
        except MalformedFrame:
            refused += 1
            continue
        assert all(request.request.rows > 0 and 0 <= request.request.seed < 2**64 for request in frame.requests)
    assert refused > 300


@pytest.mark.parametrize("data", [b"", b"PFW\x02", b"PFW\x01" + bytes(60), b"\x80\x04N." * 9, bytes(1000)])
def test_what_is_no_frame_is_garbage(data: bytes):
    with pytest.raises(MalformedFrame):
        decode_frame(data)
    with pytest.raises(MalformedFrame):
        decode_replies(data)


@pytest.mark.parametrize("model", ["../../etc@1", "moons", "moons@0", "Moons@1"])
def test_a_frame_that_names_no_version_is_garbage(model: str):
    with pytest.raises(MalformedFrame):
        decode_frame(encode_frame(Frame("r", (FramedRequest(1, InferenceRequest(model, "sample", 1, 0), 1.0),))))


@pytest.mark.parametrize("version", [1, 3, 255])
def test_a_frame_of_another_version_is_refused_in_that_version(version: int):
    data = bytearray(encode_frame(a_frame()))
    data[3] = version
    with pytest.raises(OtherVersion, match=f"version {version}") as other:
        decode_frame(bytes(data))
    assert (other.value.reply_to, other.value.ids) == ("pf:replies:a", (7, 8))
    reply = bytearray(other.value.reply())
    assert reply[3] == version
    reply[3] = PROTOCOL  # as a reader of that version would take it
    refused = decode_replies(bytes(reply)).replies
    assert [each.id for each in refused] == [7, 8]
    assert all(isinstance(each, Refusal) and isinstance(each.error(), Unavailable) for each in refused)
    assert f"{version} and {PROTOCOL}" in refused[0].error().detail


def test_replies_of_another_version_name_their_requests():
    replies = Replies((Answered(1, {"x": np.ones(2)}, 0.25, 64), Refusal.of(2, TimedOut("late"))))
    data = bytearray(encode_replies(replies))
    data[3] = PROTOCOL + 1
    with pytest.raises(OtherVersion) as other:
        decode_replies(bytes(data))
    assert other.value.ids == (1, 2)


def test_bytes_of_another_version_that_are_altered_are_garbage_or_tell_ids():
    whole = bytearray(encode_frame(a_frame()))
    whole[3] = PROTOCOL + 1
    rng = np.random.default_rng(1)
    for _ in range(2000):
        altered = bytearray(whole)
        for at in rng.integers(4, len(whole), 3):
            altered[at] = rng.integers(256)
        with pytest.raises(MalformedFrame) as refused:
            decode_frame(bytes(altered))
        if isinstance(refused.value, OtherVersion):
            assert all(isinstance(n, int) for n in refused.value.ids)
