"""The bytes of an upload as they arrive: within limits, in blocks, checked against what the client said of them.

An upload takes as long as it needs, but a client that sends less than `MIN_BYTES` while it was waited for as long as a
whole body may take is given up.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from pushforward.service.application.commands.uploads import PutDataset
from pushforward.service.domain.datasets import Arrival, Datasets
from pushforward.service.domain.errors import Invalid, Malformed, RequestTooLarge, TooSlow
from pushforward.service.formats.signatures import HEAD_BYTES, check_head
from pushforward.service.settings import Settings

BLOCK_BYTES = 256 * 2**10  # written at a time: what an upload holds in memory
MIN_BYTES = 64 * 2**10  # in `body_timeout_s`
MEASURED_BYTES = 16 * 2**20  # between two looks at what all datasets take


async def receive(
    upload: PutDataset,
    media_type: str,
    pieces: AsyncIterator[bytes],
    arrival: Arrival,
    stored: Datasets,
    limits: Settings,
) -> None:
    """Write the bytes of an upload.

    Raises RequestTooLarge, UnsupportedMedia, Malformed, Invalid, TooSlow, Unavailable.
    """
    _check_size(upload.bytes or 0, limits)
    await check_room(upload.bytes or 0, stored, limits)
    async with aclosing(_blocks(_paced(pieces, limits.body_timeout_s))) as blocks:
        async for block in blocks:
            if arrival.n_bytes == 0:
                check_head(media_type, block[:HEAD_BYTES], is_whole=len(block) <= HEAD_BYTES)
            _check_size(arrival.n_bytes + len(block), limits)
            if arrival.n_bytes // MEASURED_BYTES < (arrival.n_bytes + len(block)) // MEASURED_BYTES:
                await check_room(len(block), stored, limits)
            await arrival.write(block)
    _check_whole(upload, arrival)
    await arrival.finish()


async def check_room(n_bytes: int, stored: Datasets, limits: Settings) -> None:
    """Raises RequestTooLarge where so many more bytes are more than all datasets may have."""
    used_bytes = await stored.used_bytes()
    if used_bytes + n_bytes > limits.max_datasets_bytes:
        raise RequestTooLarge(
            f"the datasets take {used_bytes} of {limits.max_datasets_bytes} bytes, and this is more than is left; "
            "delete some, or raise PUSHFORWARD_MAX_DATASETS_BYTES"
        )


def _check_size(n_bytes: int, limits: Settings) -> None:
    if n_bytes > limits.max_upload_bytes:
        raise RequestTooLarge(
            f"the file holds more than {limits.max_upload_bytes} bytes; send fewer rows, or raise "
            "PUSHFORWARD_MAX_UPLOAD_BYTES"
        )


def _check_whole(upload: PutDataset, arrival: Arrival) -> None:
    if arrival.n_bytes == 0:
        raise Malformed("the file is empty; send its bytes")
    if upload.bytes is not None and upload.bytes != arrival.n_bytes:
        raise Malformed(f"{arrival.n_bytes} bytes came, of {upload.bytes}; send the file again")
    if upload.sha256 is not None and upload.sha256 != arrival.sha256:
        raise Invalid.field("sha256", f"is not that of what came, {arrival.sha256}; send the file again")


async def _blocks(pieces: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The same bytes in blocks of `BLOCK_BYTES` or more; only the last is shorter."""
    held = bytearray()
    async with aclosing(pieces):
        async for piece in pieces:
            held += piece
            if len(held) >= BLOCK_BYTES:
                yield bytes(held)
                held.clear()
    if held:
        yield bytes(held)


async def _paced(pieces: AsyncIterator[bytes], timeout_s: float) -> AsyncGenerator[bytes]:
    """The same pieces; only the time spent waiting for them counts. Raises TooSlow."""
    clock = asyncio.get_running_loop().time
    waited_s, n_bytes = 0.0, 0
    while True:
        since = clock()
        try:
            async with asyncio.timeout(timeout_s - waited_s):
                piece = await anext(pieces, None)
        except TimeoutError:
            raise TooSlow(
                f"fewer than {MIN_BYTES} bytes of the file came within {timeout_s:g} s; send it again, faster"
            ) from None
        if piece is None:
            return
        waited_s += clock() - since
        n_bytes += len(piece)
        if n_bytes >= MIN_BYTES:
            waited_s, n_bytes = 0.0, 0
        yield piece
