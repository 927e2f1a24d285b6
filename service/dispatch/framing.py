"""A msgpack header and raw little-endian arrays as bytes, read without a copy.

    "PFW" version(1)  header length(4)  frame length(8)  header  padding  array  padding  array ...  padding

Arrays begin at multiples of 8, and a frame's length is one. Nothing in it is code, and every length is checked before
it is used: other bytes are a `MalformedFrame`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod
from typing import Any, final

import msgpack
import numpy as np

from pushforward.service.domain.inference import PROTOCOL

NAME = b"PFW"
MAGIC = NAME + bytes([PROTOCOL])
PREFIX_BYTES = 16
ALIGNMENT = 8
DTYPES = {"<f4", "<f8", "<i4", "<i8", "|u1"}
MAX_FRAME_BYTES = 2**31
SCRATCH_BYTES = 2**18
COPIED_BYTES = 2**16  # an array below is cheaper to copy than to send on its own

Buffer = bytes | memoryview


class MalformedFrame(ValueError):
    """Bytes that are not a frame of this version."""


def encode(header: Any, arrays: Sequence[np.ndarray]) -> list[Buffer]:
    """A frame, as buffers to be sent one after the other; large arrays are not copied."""
    packed = msgpack.packb([header, [[array.dtype.str, array.shape] for array in arrays]])
    size = PREFIX_BYTES + len(packed)
    frame: list[Buffer] = []
    pieces: list[Buffer] = [b"", packed]  # the first is the prefix
    for array in arrays:
        pieces.append(bytes(-size % ALIGNMENT))
        size += -size % ALIGNMENT + array.nbytes
        if array.nbytes < COPIED_BYTES:
            pieces.append(array.tobytes())
        else:
            frame += [b"".join(pieces), array.data.cast("B")]
            pieces = []
    pieces.append(bytes(-size % ALIGNMENT))
    size += -size % ALIGNMENT
    if rest := b"".join(pieces):
        frame.append(rest)
    prefix = MAGIC + len(packed).to_bytes(4, "little") + size.to_bytes(8, "little")
    frame[0] = prefix + frame[0]
    return frame


def decode(frame: Buffer) -> tuple[Any, list[np.ndarray]]:
    """The header, and arrays as read-only views of the frame. Raises MalformedFrame."""
    size = frame_bytes(frame[:PREFIX_BYTES])
    at = PREFIX_BYTES + int.from_bytes(frame[4:8], "little")
    if size != len(frame) or at > size:
        raise MalformedFrame(f"{len(frame)} bytes where the prefix promises {size}, {at} of them the header")
    try:
        header, specs = msgpack.unpackb(frame[PREFIX_BYTES:at])
        arrays = []
        for dtype, shape in specs:
            if dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise MalformedFrame(f"an array of {dtype!r} and shape {shape!r}")
            at += -at % ALIGNMENT
            array = np.frombuffer(frame, dtype, count=prod(shape), offset=at).reshape(shape)
            array.flags.writeable = False
            arrays.append(array)
            at += array.nbytes
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedFrame(f"torn or altered: {error}") from error
    if at + -at % ALIGNMENT != size:
        raise MalformedFrame(f"{size} bytes where the header promises {at}")
    return header, arrays


def frame_bytes(prefix: Buffer, most: int = MAX_FRAME_BYTES) -> int:
    """The length of the frame that begins so. Raises MalformedFrame."""
    if len(prefix) < PREFIX_BYTES or prefix[:3] != NAME:
        raise MalformedFrame("no frame")
    if prefix[3] != PROTOCOL:
        raise MalformedFrame(f"it is of version {prefix[3]} of the protocol, and this process speaks {PROTOCOL}")
    size = int.from_bytes(prefix[8:16], "little")
    if not PREFIX_BYTES <= size <= most or size % ALIGNMENT:
        raise MalformedFrame(f"a frame of {size} bytes; at most {most} may come")
    return size


@final
class FrameBuffer:
    """Cuts a stream of bytes into frames. A large frame is received in place."""

    def __init__(self, most: int = MAX_FRAME_BYTES) -> None:
        self.most = most  # bytes of one frame
        self._scratch = memoryview(bytearray(SCRATCH_BYTES))
        self._begin = self._end = 0  # of the bytes in it that are not cut yet
        self._large: memoryview | None = None  # a frame that does not fit into the scratch
        self._filled = 0  # bytes of it

    @property
    def is_empty(self) -> bool:
        """Whether no frame has begun."""
        return self._large is None and self._begin == self._end

    def room(self) -> memoryview:
        """Where the next bytes go; never empty."""
        return self._scratch[self._end :] if self._large is None else self._large[self._filled :]

    def received(self, n: int) -> Iterator[Buffer]:
        """The frames that are complete now that n bytes have come. Raises MalformedFrame."""
        if self._large is not None:
            self._filled += n
            if self._filled == len(self._large):
                frame, self._large = self._large, None
                yield frame
            return
        self._end += n
        while self._end - self._begin >= PREFIX_BYTES:
            have = self._end - self._begin
            size = frame_bytes(self._scratch[self._begin : self._begin + PREFIX_BYTES], self.most)
            if size <= have:
                frame = self._scratch[self._begin : self._begin + size]
                self._begin += size
                yield bytes(frame)
            elif size > SCRATCH_BYTES // 2:
                self._large, self._filled = np.empty(size, np.uint8).data, have
                self._large[:have] = self._scratch[self._begin : self._end]
                self._begin = self._end = 0
                return
            else:
                break
        self._compact()

    def _compact(self) -> None:
        have = self._end - self._begin
        if not have:
            self._begin = self._end = 0
        elif self._end > SCRATCH_BYTES // 2:
            self._scratch[:have] = bytes(self._scratch[self._begin : self._end])
            self._begin, self._end = 0, have
