"""A msgpack header and raw little-endian arrays as bytes, read without a copy.

    "PFW" version(1)  header length(4)  header  padding  array  padding  array ...      each array at a multiple of 8

Nothing in it is code, and every length is checked before it is used: other bytes are a `MalformedFrame`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any, final

import msgpack
import numpy as np

from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL

NAME = b"PFW"
MAGIC = NAME + bytes([PROTOCOL])
ALIGNMENT = 8
RETRY_AFTER_S = 5.0  # where the peer is of another release, which may be about to be replaced
DTYPES = {"<f4", "<f8", "<i4", "<i8", "|u1"}


class MalformedFrame(ValueError):
    """Bytes that are not a frame of this version."""


@final
class OtherVersion(MalformedFrame):
    """A frame, or replies, of another version of the protocol."""

    def __init__(self, version: int, reply_to: str, ids: tuple[int, ...]) -> None:
        super().__init__(f"it is of version {version} of the protocol, and this process speaks {PROTOCOL}")
        self.version = version
        self.reply_to = reply_to  # of a frame
        self.ids = ids  # of its requests or replies

    def refusal(self) -> Unavailable:
        """The error for its requests."""
        return Unavailable(
            f"a gateway and a worker speak different versions of the protocol ({self.version} and {PROTOCOL}); run the "
            "same release of both",
            retry_after_s=RETRY_AFTER_S,
        )

    def reply(self) -> bytes:
        """The refusal of its requests, encoded for that version."""
        refusal = self.refusal()
        refused = [["refused", n, refusal.slug, refusal.detail, []] for n in self.ids]
        return encode([None, refused], [], NAME + bytes([self.version]))


def encode(header: Any, arrays: Sequence[np.ndarray], magic: bytes = MAGIC) -> bytes:
    """The bytes of a header and arrays."""
    specs = [[array.dtype.str, array.shape] for array in arrays]
    packed = msgpack.packb([header, specs])
    parts = [magic, len(packed).to_bytes(4, "little"), packed]
    size = len(MAGIC) + 4 + len(packed)
    for array in arrays:
        parts += [bytes(-size % ALIGNMENT), array.data.cast("B") if array.size else b""]
        size += -size % ALIGNMENT + array.nbytes
    return b"".join(parts)


def decode(data: bytes) -> tuple[Any, list[np.ndarray]]:
    """The header, and arrays as read-only views of `data`. Raises MalformedFrame."""
    if len(data) < 8 or data[:3] != NAME:
        raise MalformedFrame("no frame")
    if data[:4] != MAGIC:
        raise _other_version(data)
    at = 8 + int.from_bytes(data[4:8], "little")
    try:
        header, specs = msgpack.unpackb(data[8:at])
        arrays = []
        for dtype, shape in specs:
            if dtype not in DTYPES or not all(isinstance(n, int) and n >= 0 for n in shape):
                raise MalformedFrame(f"an array of {dtype!r} and shape {shape!r}")
            at += -at % ALIGNMENT
            array = np.frombuffer(data, dtype, count=prod(shape), offset=at).reshape(shape)
            arrays.append(array)
            at += array.nbytes
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as error:
        raise MalformedFrame(f"torn or altered: {error}") from error
    if at != len(data):
        raise MalformedFrame(f"{len(data)} bytes where the header promises {at}")
    return header, arrays


def _other_version(data: bytes) -> MalformedFrame:
    """The error for a frame of another version, with the fields that all versions share."""
    try:
        header, *_ = msgpack.unpackb(data[8 : 8 + int.from_bytes(data[4:8], "little")])
        first, *_, last = header
        ids = tuple(int(each[0] if isinstance(each[0], int) else each[1]) for each in last)
    except (ValueError, TypeError, LookupError, RecursionError, msgpack.UnpackException) as error:
        return MalformedFrame(f"torn or altered, and of version {data[3]}: {error}")
    return OtherVersion(data[3], first if isinstance(first, str) else "", ids)
