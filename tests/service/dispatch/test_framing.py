"""`service.dispatch.framing`: frames as bytes, cut and joined in any way on their journey."""

from __future__ import annotations

import msgpack
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward.service.dispatch.framing import (
    ALIGNMENT,
    COPIED_BYTES,
    MAGIC,
    MAX_FRAME_BYTES,
    PREFIX_BYTES,
    SCRATCH_BYTES,
    Buffer,
    FrameBuffer,
    MalformedFrame,
    decode,
    encode,
    frame_bytes,
)
from pushforward.service.domain.inference import PROTOCOL

DTYPES = ("<f4", "<f8", "<i4", "<i8", "|u1")
BORDERS = (1, COPIED_BYTES - 1, COPIED_BYTES, SCRATCH_BYTES // 2 - 64, SCRATCH_BYTES // 2, SCRATCH_BYTES + 1, 700_001)


def joined(header: object, *arrays: np.ndarray) -> bytes:
    return b"".join(encode(header, arrays))


def of_bytes(n: int) -> bytes:
    """A frame that holds n random bytes."""
    return joined(["it", n], np.random.default_rng(n).integers(0, 256, n, np.uint8))


def prefix(size: int, header: int = 0) -> bytes:
    return MAGIC + header.to_bytes(4, "little") + size.to_bytes(8, "little")


def passed(buffer: FrameBuffer, data: bytes) -> list[Buffer]:
    """The frames of data that comes at once, as far as there is room."""
    frames: list[Buffer] = []
    while data:
        room = buffer.room()
        assert len(room)
        n = min(len(room), len(data))
        room[:n] = data[:n]
        frames += buffer.received(n)
        data = data[n:]
    assert len(buffer.room())
    return frames


small = st.integers(0, 300)
sizes = st.lists(small | small | st.sampled_from(BORDERS), min_size=1, max_size=8)


@settings(max_examples=60, deadline=None)
@given(sizes=sizes, seed=st.integers(0, 2**32 - 1), longest=st.sampled_from([3, 40, 5_000, 400_000, 3_000_000]))
def test_frames_arrive_whole_and_in_order_however_the_bytes_are_cut(sizes: list[int], seed: int, longest: int):
    sent = [of_bytes(n) for n in sizes]
    stream, rng, buffer = b"".join(sent), np.random.default_rng(seed), FrameBuffer()
    longest = max(longest, len(stream) // 5_000)
    arrived: list[Buffer] = []
    while stream:
        n = int(rng.integers(1, longest + 1))
        arrived += passed(buffer, stream[:n])
        stream = stream[n:]
    assert [bytes(frame) for frame in arrived] == sent
    assert buffer.is_empty
    for frame, n in zip(arrived, sizes, strict=True):
        header, (array,) = decode(frame)
        assert header == ["it", n]
        np.testing.assert_array_equal(array, np.random.default_rng(n).integers(0, 256, n, np.uint8))


@pytest.mark.parametrize("n", BORDERS)
def test_a_frame_is_known_as_begun_until_its_last_byte(n: int):
    buffer, frame = FrameBuffer(), of_bytes(n)
    assert buffer.is_empty
    assert passed(buffer, frame[:-1]) == []
    assert not buffer.is_empty
    assert [bytes(each) for each in passed(buffer, frame[-1:])] == [frame]
    assert buffer.is_empty


def test_frames_that_arrived_are_not_overwritten_by_later_ones():
    buffer = FrameBuffer()
    first = [frame for n in (50, 300_000) for frame in passed(buffer, of_bytes(n))]
    for n in (60, 300_001, 7):
        passed(buffer, of_bytes(n))
    assert [bytes(frame) for frame in first] == [of_bytes(50), of_bytes(300_000)]


@settings(max_examples=40, deadline=None)
@given(
    arrays=st.lists(st.tuples(st.sampled_from(DTYPES), st.integers(0, 9), st.integers(0, 5)), max_size=4),
    text=st.text(max_size=9),
    before=small,
)
def test_arrays_arrive_as_they_left_and_aligned(arrays: list[tuple[str, int, int]], text: str, before: int):
    rng = np.random.default_rng(before)
    sent = [rng.integers(0, 256, (n, m)).astype(dtype) for dtype, n, m in arrays]
    frames = passed(FrameBuffer(), of_bytes(before) + joined({"text": text}, *sent))
    assert len(frames[1]) % ALIGNMENT == 0
    header, arrived = decode(frames[1])
    assert header == {"text": text}
    for array, original in zip(arrived, sent, strict=True):
        assert array.dtype == original.dtype
        assert array.shape == original.shape
        assert array.ctypes.data % array.itemsize == 0 or not array.size
        assert array.flags.aligned
        np.testing.assert_array_equal(array, original)


@pytest.mark.parametrize("n", [10, COPIED_BYTES // 8, 100_000])
def test_what_arrives_is_a_view_that_nobody_can_write_to(n: int):
    (frame,) = passed(FrameBuffer(), joined("x", np.arange(n, dtype=np.float64)))
    _, (array,) = decode(frame)
    assert not array.flags.owndata
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1.0


def test_a_large_array_is_not_copied_to_be_sent():
    x = np.zeros(COPIED_BYTES, np.uint8)
    assert any(
        isinstance(part, memoryview) and np.shares_memory(np.frombuffer(part, np.uint8), x) for part in encode("x", [x])
    )
    assert len(encode("x", [x[1:]])) == 1


def test_a_large_frame_is_received_in_place():
    buffer, frame = FrameBuffer(), of_bytes(2_000_000)
    passed(buffer, frame[:PREFIX_BYTES])
    assert len(buffer.room()) == len(frame) - PREFIX_BYTES
    room = buffer.room()
    room[:] = frame[PREFIX_BYTES:]
    (arrived,) = buffer.received(len(room))
    assert np.shares_memory(np.frombuffer(arrived, np.uint8), np.frombuffer(room, np.uint8))


@pytest.mark.parametrize("n", [0, 40])
def test_a_frame_that_breaks_off_anywhere_is_no_frame(n: int):
    frame = of_bytes(n)
    for cut in range(len(frame)):
        buffer = FrameBuffer()
        assert passed(buffer, frame[:cut]) == []
        assert buffer.is_empty == (cut == 0)
        with pytest.raises(MalformedFrame):
            decode(frame[:cut])


def test_a_frame_is_not_longer_than_it_says():
    with pytest.raises(MalformedFrame):
        decode(of_bytes(9) + bytes(8))


@pytest.mark.parametrize("size", [0, 8, 15, 17, MAX_FRAME_BYTES + 8, 2**63, 2**64 - 8])
def test_an_impossible_length_is_refused_before_anything_is_held_for_it(size: int):
    with pytest.raises(MalformedFrame, match=f"{size} bytes"):
        passed(FrameBuffer(), prefix(size))


def test_a_frame_longer_than_may_come_is_refused():
    frame = of_bytes(1000)
    assert passed(FrameBuffer(len(frame)), frame)
    with pytest.raises(MalformedFrame, match=f"at most {len(frame) - 8}"):
        passed(FrameBuffer(len(frame) - 8), frame)


def test_more_may_come_from_the_next_frame_on():
    """As of a gateway, once it has proven that it may send."""
    one, other, buffer = of_bytes(1), of_bytes(5000), FrameBuffer(100)
    stream = one + other
    buffer.room()[: len(stream)] = stream
    frames = buffer.received(len(stream))
    assert bytes(next(frames)) == one
    buffer.most = MAX_FRAME_BYTES
    assert [bytes(frame) for frame in frames] == [other]


@pytest.mark.parametrize("version", sorted({0, 1, 2, PROTOCOL - 1, PROTOCOL + 1, 255}))
def test_a_frame_of_another_version_is_refused_with_both_versions_named(version: int):
    data = bytearray(of_bytes(3))
    data[3] = version
    for read in (decode, lambda frame: passed(FrameBuffer(), frame)):
        with pytest.raises(MalformedFrame, match=f"version {version} .* speaks {PROTOCOL}"):
            read(bytes(data))


@pytest.mark.parametrize("data", [b"GET / HTTP/1.1\r\n\r\n", bytes(16), b"PFX" + bytes(20), b"*1\r\n$4\r\nPING\r\n00"])
def test_another_protocol_is_no_frame(data: bytes):
    with pytest.raises(MalformedFrame, match="no frame"):
        passed(FrameBuffer(), data)


@settings(max_examples=300, deadline=None)
@given(at=st.integers(0), other=st.integers(0, 255))
def test_an_altered_byte_is_malformed_or_a_sound_frame(at: int, other: int):
    whole = bytearray(joined(["x", 1.5], np.arange(3, dtype=np.float32), np.arange(4).reshape(2, 2)))
    whole[at % len(whole)] = other
    try:
        _, arrays = decode(bytes(whole))
    except MalformedFrame:
        return
    assert sum(array.nbytes for array in arrays) <= len(whole)


@pytest.mark.parametrize(
    "specs",
    [
        [["|O", [1]]],
        [["<f2", [1]]],
        [["<f4", [-1]]],
        [["<f4", [2**62, 2**62]]],
        [["<f4", [1.0]]],
        [["<f4", 1]],
        [["<f4"]],
        [[["<f4"], [1]]],
        [["<f4", [4]]],
        3,
    ],
)
def test_an_array_that_cannot_be_is_refused(specs: object):
    packed = msgpack.packb(["x", specs])
    size = PREFIX_BYTES + len(packed)
    padding = bytes(-size % ALIGNMENT)
    with pytest.raises(MalformedFrame):
        decode(prefix(size + len(padding), len(packed)) + packed + padding)


def test_a_header_of_endless_depth_is_refused():
    deep = b"\x91" * 100_000 + b"\xc0"
    packed = b"\x92" + deep + b"\x90"
    size = PREFIX_BYTES + len(packed)
    padding = bytes(-size % ALIGNMENT)
    with pytest.raises(MalformedFrame):
        decode(prefix(size + len(padding), len(packed)) + packed + padding)


def test_a_prefix_alone_tells_the_length():
    assert frame_bytes(of_bytes(77)[:PREFIX_BYTES]) == len(of_bytes(77))
    with pytest.raises(MalformedFrame):
        frame_bytes(of_bytes(77)[: PREFIX_BYTES - 1])
