"""Limits the memory of request bodies in one process: a budget of bytes, and one large body parsed at a time.

A limit on one request does not bound the sum of many. So REST and gRPC share a budget: a body counts from its arrival
until its response is written. Small bodies do not count; the limits on connections and calls bound their number. Large
bodies are parsed in a thread, one after another: the event loop goes on between the calls of the parsers, and only one
body at a time needs memory for parsing.

The C library keeps freed memory, after a burst perhaps gigabytes of it; it is returned to the system when a burst ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self, TypeVar, final

from pushforward.service.domain.errors import Overloaded
from pushforward.service.settings import Settings

SMALL_BYTES = 64 * 2**10  # up to which a body does not count, and is parsed in the event loop
BURST_BYTES = 16 * 2**20  # in use at one time make a burst
BURST_OVER_S = 1.0  # without a body in use

Result = TypeVar("Result")


@final
class Intake:
    """The budget of one process."""

    def __init__(self, settings: Settings) -> None:
        self.max_bytes = settings.max_bodies_bytes
        self.max_json_bytes = settings.max_json_bytes
        self.max_json_values = settings.max_json_values
        self.used_bytes = 0
        self._peak_bytes = 0
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="parser")

    def lease(self) -> Lease:
        """Bytes of one body, until its response."""
        return Lease(self)

    def check(self, n_bytes: int) -> None:
        """Raises Overloaded where so many more bytes do not fit."""
        if n_bytes > SMALL_BYTES and self.used_bytes + n_bytes > self.max_bytes:
            raise Overloaded(
                f"bodies of {self.used_bytes} bytes are under way, of {self.max_bytes} at most; try again later",
                retry_after_s=1.0,
            )

    def take(self, n_bytes: int) -> None:
        """Count bytes. Raises Overloaded."""
        self.check(n_bytes)
        self.used_bytes += n_bytes
        self._peak_bytes = max(self._peak_bytes, self.used_bytes)

    def give_back(self, n_bytes: int) -> None:
        """Release bytes; after a burst, return memory to the system."""
        self.used_bytes -= n_bytes
        if self.used_bytes == 0 and self._peak_bytes >= BURST_BYTES:
            asyncio.get_running_loop().call_later(BURST_OVER_S, self._trim)

    async def parse(self, parser: Callable[[], Result], n_bytes: int) -> Result:
        """The result of a parser for so many bytes. Raises what the parser raises."""
        if n_bytes <= SMALL_BYTES:
            return parser()
        return await asyncio.get_running_loop().run_in_executor(self._parser, parser)

    def _trim(self) -> None:
        if self.used_bytes == 0 and self._peak_bytes >= BURST_BYTES:
            self._peak_bytes = 0
            self._parser.submit(_trim)


@final
class Lease:
    """The bytes of one body; they are given back where its context ends."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._held_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.give_back()

    def grow(self, n_bytes: int) -> None:
        """Count the body, which has so many bytes in all by now. Raises Overloaded."""
        if n_bytes > SMALL_BYTES:
            self._intake.take(n_bytes - self._held_bytes)
            self._held_bytes = n_bytes

    def give_back(self) -> None:
        """Release the body: its response is written."""
        if self._held_bytes:
            self._intake.give_back(self._held_bytes)
            self._held_bytes = 0


@contextmanager
def without_gc() -> Iterator[None]:
    """Pause garbage collection while JSON is parsed: it makes no cycles, and collection would take most of the time."""
    backoff = gc.isenabled()
    if backoff:
        gc.disable()
    try:
        yield
    finally:
        if backoff:
            gc.enable()


def _trim() -> None:
    """Return freed memory to the system; only glibc has the call, and needs it."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return
    trim(0)
