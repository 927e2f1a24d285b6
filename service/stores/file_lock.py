"""A lock on a file, among coroutines, threads, processes and machines that share a disk.

It ends with the process that holds it, however that ends. A coroutine that waits for it holds no thread: the one that
has the lock may need one.
"""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import FileIO
from time import monotonic
from typing import BinaryIO

from pushforward.service.domain.errors import Unavailable

PAUSE_S = 0.01  # between two attempts
PATIENCE_S = 30.0


def is_locked_now(stream: BinaryIO | FileIO, *, alone: bool) -> bool:
    """Take the lock, alone or shared with others; False where others hold it. It is released when the file is closed.

    Raises OSError.
    """
    try:
        fcntl.flock(stream, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@asynccontextmanager
async def locked(stream: BinaryIO, what: str, *, alone: bool) -> AsyncIterator[None]:
    """Hold the lock on a file, and close the file. Raises Unavailable where it is held for long, OSError."""
    with stream:
        give_up = monotonic() + PATIENCE_S
        while not is_locked_now(stream, alone=alone):
            if monotonic() > give_up:
                raise Unavailable(f"{what} are being changed; try again", retry_after_s=1.0)
            await asyncio.sleep(PAUSE_S)
        yield
