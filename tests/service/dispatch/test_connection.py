"""`service.dispatch.connection`: one connection to a worker, which may break anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from time import monotonic

import numpy as np
import pytest

from pushforward.service.dispatch.connection import SILENT_BEATS, Dispatching, WorkerConnection, connect
from pushforward.service.dispatch.messages import Answered, Beat, Leaving, Previewed, Replies, Requests
from pushforward.service.dispatch.pending import PendingRequest, key_of
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.settings import Settings
from tests.service.dispatch.fake_worker import FakeWorker, answers, encoded, fake_worker
from tests.service.models_on_disk import MOONS


@dataclass
class Told(Dispatching):
    """What a connection said, in order."""

    events: list[str] = field(default_factory=list)
    replies: list[int] = field(default_factory=list)
    unsent: list[int] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def joined(self, connection: WorkerConnection) -> None:
        self._say("joined")

    def checked(self) -> None:
        self._say("checked")

    def sent(self, connection: WorkerConnection, frame: Sequence[PendingRequest], now: float) -> None:
        self._say(f"sent {len(frame)}")

    def replied(self, replies: Replies) -> None:
        self.replies += [reply.id for reply in replies.replies]
        self._say("replied")

    def unsendable(self, pending: PendingRequest, error: Failed) -> None:
        self._say("unsendable")

    def leaving(self, connection: WorkerConnection, unsent: Sequence[PendingRequest]) -> None:
        self.unsent += [each.id for each in unsent]
        self._say("leaving")

    def lost(self, connection: WorkerConnection) -> None:
        self._say("lost")

    def _say(self, event: str) -> None:
        self.events.append(event)
        self.changed.set()

    async def until(self, event: str) -> None:
        async with asyncio.timeout(20):
            while event not in self.events:
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def worker(settings: Settings) -> AsyncIterator[FakeWorker]:
    """It beats so rarely that a test need not reckon with it."""
    async with fake_worker(settings.model_copy(update={"beat_s": 60.0})) as worker:
        yield worker


def pending(id: int) -> PendingRequest:
    request = InferenceRequest(MOONS, "sample", 2, id)
    reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    now = monotonic()
    return PendingRequest(id, request, key_of(request), 0, now, now + 60, reply, None)


async def connected(worker: FakeWorker, told: Told) -> WorkerConnection:
    connection = await connect(worker.announcement, told)
    assert connection is not None
    await worker.until_met()
    return connection


async def test_a_reply_that_breaks_off_at_any_byte_is_no_reply(worker: FakeWorker):
    def broken(frame: Requests) -> bytes:
        worker_says = encoded(answers(frame.requests))
        return worker_says[:cut]

    worker.on_requests = broken
    cut, whole = 0, len(encoded(answers_of(1)))
    for cut in range(whole + 1):
        told, mine = Told(), pending(1)
        connection = await connected(worker, told)
        connection.send(mine)
        if cut == whole:
            await told.until("replied")
        else:
            await worker.until(lambda: bool(worker.requests))
            worker.received.clear()
            await say_no_more(worker)
            await told.until("lost")
            assert told.events == ["sent 1", "lost"]
            assert connection.in_flight == {1: mine}
            await worker.until(lambda: not worker._proven)
    assert told.replies == [1]
    assert connection.in_flight == {}
    connection.close("done")


def answers_of(*ids: int) -> Replies:
    x = np.full((2, 2), 1, np.float32)
    return Replies(tuple(Answered(each, {"samples": x}, 0.5, 2) for each in ids))


async def say_no_more(worker: FakeWorker) -> None:
    """End the connection after what was written."""
    for writer in worker._proven:
        writer.close()


async def test_replies_cut_and_joined_in_any_way_arrive_once(worker: FakeWorker):
    told = Told()
    connection = await connected(worker, told)
    for n in range(40):
        connection.send(pending(n))
    await worker.until_asked(40)
    stream = b"".join(encoded(each) for n in range(40) for each in (Beat(float(n)), answers_of(n)))
    rng = np.random.default_rng(0)
    while stream:
        n = int(rng.choice([1, 7, 100, 1000]))
        worker.say(stream[:n])
        stream = stream[n:]
        await asyncio.sleep(0)
    async with asyncio.timeout(20):
        while len(told.replies) < 40:
            await asyncio.sleep(0.005)
    assert told.replies == list(range(40))
    assert connection.in_flight == {}
    assert connection.stalled_s == 39.0
    connection.close("done")


async def test_a_preview_leaves_its_request_in_flight(worker: FakeWorker):
    told, mine = Told(), pending(1)
    connection = await connected(worker, told)
    connection.send(mine)
    await worker.until_asked()
    worker.say(Replies((Previewed(1, {"samples": np.ones((2, 2), np.float32)}, 5, 20),)))
    await told.until("replied")
    assert connection.in_flight == {1: mine}
    connection.close("done")


async def test_what_a_leaving_worker_was_not_sent_is_given_back(worker: FakeWorker):
    told = Told()
    connection = await connected(worker, told)
    connection.send(pending(1))
    await worker.until_asked()
    connection.send(pending(2))
    connection._take(Leaving())  # it came in the same turn of the loop
    assert told.unsent == [2]
    assert list(connection.in_flight) == [1]
    connection.close("done")


async def test_silence_is_counted_in_checks_and_any_bytes_end_it(worker: FakeWorker):
    """A gateway that was suspended for a minute checks once, and finds what came meanwhile."""
    told = Told()
    connection = await connected(worker, told)
    connection.check(0.5, beat_s=1.0)
    for _ in range(int(2 * SILENT_BEATS) - 1):
        connection.check(0.5, beat_s=1.0)
    assert not connection.is_closed
    worker.say(encoded(Beat(7.0))[:5])
    async with asyncio.timeout(20):
        while not connection._heard:
            await asyncio.sleep(0.005)
    connection.check(0.5, beat_s=1.0)
    assert connection.silent_s == 0.0
    for _ in range(int(2 * SILENT_BEATS)):
        connection.check(0.5, beat_s=1.0)
    assert connection.is_closed
    await told.until("lost")


async def test_requests_sent_to_a_connection_that_has_ended_are_lost_with_it_and_not_forgotten(worker: FakeWorker):
    told, mine = Told(), pending(1)
    connection = await connected(worker, told)
    connection.close("a test")
    connection.send(mine)
    await told.until("lost")
    assert connection.in_flight == {1: mine}


async def test_where_nobody_listens_there_is_no_connection(worker: FakeWorker):
    worker.die()
    assert await connect(worker.announcement, Told()) is None


async def test_a_gateway_that_gives_up_connecting_leaves_nothing_open(worker: FakeWorker):
    worker.hello = lambda _: b""
    connecting = asyncio.create_task(connect(worker.announcement, Told()))
    async with asyncio.timeout(20):
        while not worker._connections:
            await asyncio.sleep(0.005)
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        while worker._connections:
            await asyncio.sleep(0.005)
    assert connecting.cancelled()
