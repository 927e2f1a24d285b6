"""Whether a question would get through: a probe takes its way to a worker and back.

A probe is an entry of a worker's stream that asks nothing. The thread that answers questions answers it, so the probe
finds all that could be in the way: either connection of this gateway, Redis, the worker's connection, its thread. A
reply to any question proves as much. A worker may be amid a long call; that counts as long as its beat says that the
call has not taken longer than a question may wait, and an echo comes back from Redis by both connections of ours.
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

FRESH_S = 1.0  # an answer proves the way for so long, and so does a failure that there is none
PROBE_S = 2.0  # for an answer
MAX_PROBED = 8  # workers
ECHO = b"echo "

Seen = Callable[[], Link | None]


def missing(workers: Sequence[Worker]) -> Unavailable:
    """Why no worker can be asked, although Redis answers."""
    others = sorted({worker.protocol for worker in workers} - {PROTOCOL})
    if not others:
        return Unavailable("no worker is alive; start one, or wait for it", retry_after_s=RETRY_AFTER_S)
    told = ", ".join(map(str, others))
    return Unavailable(
        f"no worker that is alive speaks version {PROTOCOL} of the protocol, as this gateway does; they speak {told}: "
        "run the same release of both",
        retry_after_s=RETRY_AFTER_S,
    )


@final
class Probes:
    """Of one gateway; one at a time, however many want to know."""

    def __init__(self, ids: Iterator[int]) -> None:
        self.heard_at = -float("inf")  # when a worker's reply came last, by time.monotonic()
        self._ids = ids
        self._id: int | None = None  # of the probe under way
        self._echo = b""
        self._answered = asyncio.Event()
        self._echoed = asyncio.Event()
        self._one = asyncio.Lock()
        self._failed: tuple[float, Unavailable] | None = None

    def hear(self, id: int) -> None:
        """A reply that answers no question."""
        if id == self._id:
            self._answered.set()

    def echo(self, data: bytes) -> bool:
        """Our own word came back; False where it is not ours."""
        if data != self._echo:
            return False
        self._echoed.set()
        return True

    def forget(self) -> None:
        """The link is lost, and what it proved."""
        self.heard_at = -float("inf")

    async def check(self, link: Seen, workers: Callable[[], Sequence[Worker]], longest_call_s: float) -> None:
        """Raises Unavailable, telling which part of the way is missing."""
        async with self._one:
            if monotonic() - self.heard_at < FRESH_S and link() is not None:
                return
            if self._failed is not None and monotonic() - self._failed[0] < FRESH_S:
                raise Unavailable(self._failed[1].detail, retry_after_s=self._failed[1].retry_after_s)
            try:
                await self._probe(link, workers, longest_call_s)
            except Unavailable as error:
                self._failed = monotonic(), error
                raise
            self._failed = None

    async def _probe(self, seen: Seen, workers: Callable[[], Sequence[Worker]], longest_call_s: float) -> None:
        link = await _soon(seen)
        ours = [worker for worker in workers() if worker.protocol == PROTOCOL and not worker.leaving]
        if not ours:
            raise missing(workers())
        self._send(link, ours[:MAX_PROBED])
        if await _within(self._answered, PROBE_S):
            return
        if not self._echoed.is_set():
            raise Unavailable("what this gateway writes to Redis does not come back", retry_after_s=RETRY_AFTER_S)
        # Amid a long call a worker answers nobody, and its beats say so.
        if not any(
            PROBE_S / 2 < worker.stalled_s < longest_call_s and worker.silent_s < PROBE_S for worker in workers()
        ):
            told = ", ".join(f"{worker.id}: for {worker.stalled_s:.0f} s" for worker in ours)
            raise Unavailable(
                f"no worker answers a probe, although Redis does and they beat ({told}); restart those that hang",
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


async def _soon(seen: Seen) -> Link:
    """The link, which may be about to be made. Raises Unavailable."""
    give_up = monotonic() + PROBE_S
    while (link := seen()) is None:
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
