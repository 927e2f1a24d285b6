"""Readiness of the path to the workers: a probe travels it like a request.

A probe is an entry of a worker's stream without a request. The inference thread replies to it, so it tests every part
of the path: both connections of this gateway, Redis, the worker's connection and its thread. A reply to any request
proves as much. A worker may be in the middle of a long call. Then the gateway is ready all the same, if the heartbeat
says that the call has not taken longer than a request may wait, and if an echo from Redis comes back over both
connections.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Iterator, Sequence
from time import monotonic
from typing import final

from pushforward.service.dispatch.keys import stream_of
from pushforward.service.dispatch.link import Link
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL
from pushforward.service.stores.redis_client import RETRY_AFTER_S

FRESH_S = 1.0  # a result of a check counts for so long, good or bad
PROBE_S = 2.0  # to wait for a reply
MAX_PROBED = 8  # workers
ECHO = b"echo "

CurrentLink = Callable[[], Link | None]


def no_worker_error(workers: Sequence[Worker]) -> Unavailable:
    """Why no worker can take a request, although Redis answers."""
    others = sorted({worker.protocol for worker in workers} - {PROTOCOL})
    if not others:
        return Unavailable("no worker is alive; start one, or wait for it", retry_after_s=RETRY_AFTER_S)
    versions = ", ".join(map(str, others))
    return Unavailable(
        f"no worker that is alive speaks version {PROTOCOL} of the protocol, as this gateway does; they speak "
        f"{versions}: run the same release of both",
        retry_after_s=RETRY_AFTER_S,
    )


@final
class Probes:
    """Probes of one gateway, one at a time, whatever the number of callers."""

    def __init__(self, ids: Iterator[int]) -> None:
        self.replied_at = -float("inf")  # when a worker's reply came last, by time.monotonic()
        self._ids = ids
        self._id: int | None = None  # of the probe under way
        self._echo = b""
        self._answered = asyncio.Event()
        self._echoed = asyncio.Event()
        self._one = asyncio.Lock()
        self._failed: tuple[float, Unavailable] | None = None

    def replied(self, id: int) -> None:
        """A reply came that belongs to no request."""
        if id == self._id:
            self._answered.set()

    def echo(self, data: bytes) -> bool:
        """An echo came back; False where it is not ours."""
        if data != self._echo:
            return False
        self._echoed.set()
        return True

    def forget(self) -> None:
        """The link is lost, and its earlier replies prove nothing."""
        self.replied_at = -float("inf")

    async def check(self, link: CurrentLink, workers: Callable[[], Sequence[Worker]], longest_call_s: float) -> None:
        """Raises Unavailable, which names the broken part of the path."""
        async with self._one:
            if monotonic() - self.replied_at < FRESH_S and link() is not None:
                return
            if self._failed is not None and monotonic() - self._failed[0] < FRESH_S:
                raise Unavailable(self._failed[1].detail, retry_after_s=self._failed[1].retry_after_s)
            try:
                await self._probe(link, workers, longest_call_s)
            except Unavailable as error:
                self._failed = monotonic(), error
                raise
            self._failed = None

    async def _probe(
        self, current_link: CurrentLink, workers: Callable[[], Sequence[Worker]], longest_call_s: float
    ) -> None:
        link = await _soon(current_link)
        ours = [worker for worker in workers() if worker.protocol == PROTOCOL and not worker.leaving]
        if not ours:
            raise no_worker_error(workers())
        self._send(link, ours[:MAX_PROBED])
        if await _within(self._answered, PROBE_S):
            return
        if not self._echoed.is_set():
            raise Unavailable("what this gateway writes to Redis does not come back", retry_after_s=RETRY_AFTER_S)
        # In a long call a worker replies to nothing, and its heartbeats say so.
        if not any(
            PROBE_S / 2 < worker.stalled_s < longest_call_s and worker.silent_s < PROBE_S for worker in workers()
        ):
            stalled = ", ".join(f"{worker.id}: for {worker.stalled_s:.0f} s" for worker in ours)
            raise Unavailable(
                f"no worker answers a probe, although Redis does and they beat ({stalled}); restart those that hang",
                retry_after_s=RETRY_AFTER_S,
            )

    def _send(self, link: Link, workers: Sequence[Worker]) -> None:
        self._id, self._echo = next(self._ids), ECHO + secrets.token_hex(8).encode()
        self._answered.clear()
        self._echoed.clear()
        probe = ("NOMKSTREAM", "*", "probe", self._id, "to", link.reply_to)
        commands = [("XADD", stream_of(worker.id), *probe) for worker in workers]
        for answer in link.send_all(("RPUSH", link.reply_to, self._echo), *commands):
            answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())


async def _soon(current_link: CurrentLink) -> Link:
    """The link, once it is made. Raises Unavailable."""
    give_up = monotonic() + PROBE_S
    while (link := current_link()) is None:
        if monotonic() > give_up:
            raise Unavailable("Redis does not answer; start it, or wait for it", retry_after_s=RETRY_AFTER_S)
        await asyncio.sleep(0.02)
    return link


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return False
    return True
