"""The way of a request when Redis pauses, and when one connection alone is cut, reset or goes silent."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import monotonic

import pytest

from pushforward.service.dispatch.dispatcher import RedisAsks
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import TimedOut, Unavailable
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.faults.place import Place
from tests.faults.proxy import Connection, Proxy, proxied
from tests.service.models_on_disk import MOONS, put_model

ONE = InferenceRequest(MOONS, "sample", 1, 1)
SOON_S = 8.0  # a bound for a test that fails, not a measurement


@contextmanager
def worker(settings: Settings) -> Iterator[InferenceThread]:
    thread = InferenceThread(settings)
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()


async def until_alive(settings: Settings) -> None:
    workers = RedisWorkers(settings)
    async with asyncio.timeout(60):
        while not await workers.live():
            await asyncio.sleep(0.02)
    await workers.close()


async def until_answered(asks: RedisAsks) -> None:
    """Clients try again, as they are told to."""
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await asks.ask(ONE, timeout_s=2.0)
                return
            except (Unavailable, TimedOut):
                await asyncio.sleep(0.02)


async def until_reached(asks: RedisAsks) -> None:
    async with asyncio.timeout(SOON_S):
        while True:
            try:
                await asks.reach()
                return
            except Unavailable:
                await asyncio.sleep(0.02)


@dataclass
class Way:
    """A gateway's and a worker's, each by a proxy of its own."""

    asks: RedisAsks
    of_gateway: Proxy
    of_worker: Proxy


@pytest.fixture
async def way(place: Place, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Way]:
    for module in ("dispatch.link", "stores.redis_client"):
        monkeypatch.setattr(f"pushforward.service.{module}.COMMAND_S", 0.5)
    put_model(place.settings.store)
    async with proxied(place.settings.redis_url) as ours, proxied(place.settings.redis_url) as theirs:
        settings = place.settings.model_copy(update={"beat_s": 0.2, "device": "cpu"})
        asks = RedisAsks(settings.model_copy(update={"redis_url": ours.url}))
        thread = InferenceThread(settings.model_copy(update={"redis_url": theirs.url}))
        thread.start()
        await until_alive(settings)
        await asks.ask(ONE, timeout_s=20)
        yield Way(asks, ours, theirs)
        await asks.close()
        await asyncio.to_thread(thread.stop)
        assert not thread.is_alive()


FAULTS: list[Callable[[Connection], None]] = [Connection.cut, Connection.reset, Connection.stall]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("words", [(b"XADD",), (b"BLPOP",)], ids=["commands", "replies"])
async def test_a_gateway_outlives_a_fault_of_one_of_its_connections(
    way: Way, words: tuple[bytes, ...], fault: Callable[[Connection], None]
) -> None:
    [connection] = way.of_gateway.of(*words)
    waiting = asyncio.create_task(way.asks.ask(InferenceRequest(MOONS, "sample", 5000, 2), timeout_s=SOON_S))
    await asyncio.sleep(0)
    fault(connection)
    assert (await waiting).arrays["samples"].shape == (5000, 2)
    await until_answered(way.asks)
    await way.asks.reach()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("words", [(b"XREADGROUP",), (b"SADD", b"pf:worker:")], ids=["frames", "beats"])
async def test_a_worker_outlives_a_fault_of_one_of_its_connections(
    way: Way, words: tuple[bytes, ...], fault: Callable[[Connection], None]
) -> None:
    for connection in way.of_worker.of(*words):
        fault(connection)
    await until_answered(way.asks)
    await until_reached(way.asks)


async def test_frames_that_a_dead_connection_of_the_worker_took_are_answered(way: Way) -> None:
    for connection in way.of_worker.of(b"XREADGROUP"):
        connection.stall()
    reply = await way.asks.ask(ONE, timeout_s=SOON_S)
    assert reply.arrays["samples"].shape == (1, 2)


@pytest.mark.parametrize("pause_s", [0.3, 1.5, 4.0])
async def test_after_a_pause_of_redis_requests_are_answered(
    place: Place, monkeypatch: pytest.MonkeyPatch, pause_s: float
) -> None:
    """The last is longer than every time limit: of a connection, of a beat, of requests that wait."""
    for module in ("dispatch.link", "stores.redis_connection", "stores.redis_client"):
        monkeypatch.setattr(f"pushforward.service.{module}.COMMAND_S", 0.5)
    monkeypatch.setattr("pushforward.service.dispatch.dispatcher.OUTAGE_S", 1.0)
    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.2, "device": "cpu"})
    asks = RedisAsks(settings)
    with worker(settings) as thread:
        await until_alive(settings)
        await asks.ask(ONE, timeout_s=20)
        place.redis.send_signal(signal.SIGSTOP)
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 3, 2), timeout_s=20))
        late = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 4, 2), timeout_s=1.0))
        await asyncio.sleep(pause_s)
        place.redis.send_signal(signal.SIGCONT)
        await until_answered(asks)
        await until_reached(asks)
        [outcome] = await asyncio.gather(waiting, return_exceptions=True)
        assert not isinstance(outcome, BaseException) or isinstance(outcome, Unavailable)
        [outcome] = await asyncio.gather(late, return_exceptions=True)
        assert not isinstance(outcome, BaseException) or isinstance(outcome, Unavailable | TimedOut)
        await asks.close()
        await asyncio.to_thread(thread.stop)


async def test_while_redis_pauses_a_gateway_is_not_ready_and_says_why(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("dispatch.link", "stores.redis_connection", "stores.redis_client"):
        monkeypatch.setattr(f"pushforward.service.{module}.COMMAND_S", 0.5)
    settings = place.settings.model_copy(update={"beat_s": 0.2})
    asks = RedisAsks(settings)
    with pytest.raises(Unavailable, match="no worker is alive"):
        await asks.reach()
    place.redis.send_signal(signal.SIGSTOP)
    try:
        await asyncio.sleep(1.5)
        since = monotonic()
        with pytest.raises(Unavailable, match="Redis does not answer"):
            await asks.reach()
        assert monotonic() - since < SOON_S
    finally:
        place.redis.send_signal(signal.SIGCONT)
    await asks.close()
