"""What one process takes in at a time: a budget of bytes for the bodies under way, and one body parsed at a time.

A limit on one request bounds nothing when there are many. So REST and gRPC share a budget: a body counts from its
arrival until its answer is written, small ones apart, whose number the limits on connections and calls bound. Large
bodies are parsed in a thread, one after another: the event loop goes on between the calls of the parsers, and what
parsing needs beyond the body is needed once.

Freed memory stays with the C library, which may keep gigabytes of a burst for ever; it is given back when a burst ends.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar, final

from pushforward.service.domain.errors import Overloaded
from pushforward.service.settings import Settings

SMALL_BYTES = 64 * 2**10  # a body of no more is outside of the budget, and parsed where it arrives
BURST_BYTES = 16 * 2**20  # so much in use at one time is a burst
BURST_OVER_S = 1.0  # without a body under way

Result = TypeVar("Result")


@final
class Intake:
    """Of one process."""

    def __init__(self, settings: Settings) -> None:
        self.max_bytes = settings.max_bodies_bytes
        self.max_json_bytes = settings.max_json_bytes
        self.max_json_values = settings.max_json_values
        self.used_bytes = 0
        self._peak_bytes = 0
        self._parser = ThreadPoolExecutor(1, thread_name_prefix="parser")

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """Bytes of one body, to its answer."""
        lease = Lease(self)
        try:
            yield lease
        finally:
            lease.give_back()

    def check(self, n_bytes: int) -> None:
        """Whether so many bytes more fit. Raises Overloaded."""
        if n_bytes > SMALL_BYTES and self.used_bytes + n_bytes > self.max_bytes:
            raise Overloaded(
                f"bodies of {self.used_bytes} bytes are under way, of {self.max_bytes} at most; try again later",
                retry_after_s=1.0,
            )

    def take(self, n_bytes: int) -> None:
        """Raises Overloaded."""
        self.check(n_bytes)
        self.used_bytes += n_bytes
        self._peak_bytes = max(self._peak_bytes, self.used_bytes)

    def give_back(self, n_bytes: int) -> None:
        """After a burst, to the system too."""
        self.used_bytes -= n_bytes
        if self.used_bytes == 0 and self._peak_bytes >= BURST_BYTES:
            asyncio.get_running_loop().call_later(BURST_OVER_S, self._trim)

    async def parse(self, parser: Callable[[], Result], n_bytes: int) -> Result:
        """What a parser makes of so many bytes. Raises what it raises."""
        if n_bytes <= SMALL_BYTES:
            return parser()
        return await asyncio.get_running_loop().run_in_executor(self._parser, parser)

    def _trim(self) -> None:
        if self.used_bytes == 0 and self._peak_bytes >= BURST_BYTES:
            self._peak_bytes = 0
            self._parser.submit(_trim)


@final
class Lease:
    """The bytes of one body."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._held_bytes = 0

    def grow(self, n_bytes: int) -> None:
        """The body has so many bytes in all by now. Raises Overloaded."""
        if n_bytes > SMALL_BYTES:
            self._intake.take(n_bytes - self._held_bytes)
            self._held_bytes = n_bytes

    def give_back(self) -> None:
        """The answer is written."""
        if self._held_bytes:
            self._intake.give_back(self._held_bytes)
            self._held_bytes = 0


@contextmanager
def uncollected(n_bytes: int) -> Iterator[None]:
    """Make many containers without looking for cycles, of which JSON has none: that would be most of the time."""
    pauses = n_bytes > SMALL_BYTES and gc.isenabled()
    if pauses:
        gc.disable()
    try:
        yield
    finally:
        if pauses:
            gc.enable()


def _trim() -> None:
    """Only glibc has the call, and needs it."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return
    trim(0)
