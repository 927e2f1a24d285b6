"""`service.dispatch.roster`: which workers there are, while Redis comes and goes, and others listen at their ports."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from pushforward.service.dispatch import connection, roster
from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.messages import Beat, Hello, Requests
from pushforward.service.dispatch.workers import Heartbeats
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import PROTOCOL, InferenceRequest
from pushforward.service.local import redis_server
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import connect_sync
from tests.service.dispatch.fake_worker import FakeWorker, Said, answers, fake_worker
from tests.service.models_on_disk import MOONS, put_model
from tests.service.running_worker import running_worker

SAMPLE = InferenceRequest(MOONS, "sample", 2, 1)


def answer(frame: Requests) -> Said:
    return answers(frame.requests)


async def is_answered(asks: Dispatcher) -> bool:
    return (await asks.ask(SAMPLE, timeout_s=20)).arrays["samples"].shape == (2, 2)


# --- without a worker ---


async def test_without_a_worker_a_request_is_refused_at_once(asks: Dispatcher):
    async with asyncio.timeout(5):
        for _ in range(2):
            with pytest.raises(Unavailable, match="no worker is alive") as refusal:
                await asks.ask(SAMPLE, timeout_s=60)
            assert refusal.value.retry_after_s
            with pytest.raises(Unavailable, match="no worker"):
                await asks.reach()


async def test_a_worker_of_another_release_is_named_and_not_asked(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings) as worker:
        worker._beating.cancel()
        heartbeats = Heartbeats(settings)
        heartbeats.beat(worker.announcement.model_copy(update={"protocol": PROTOCOL + 1}))
        with pytest.raises(Unavailable, match=f"version {PROTOCOL} .*they speak {PROTOCOL + 1}"):
            await asks.ask(SAMPLE, timeout_s=60)
        heartbeats.leave(worker.id)


async def test_a_worker_that_cannot_be_reached_is_named_and_logged_once(
    settings: Settings, asks: Dispatcher, caplog: pytest.LogCaptureFixture
):
    async with fake_worker(settings) as worker:
        worker._beating.cancel()
        heartbeats = Heartbeats(settings)
        with socket.create_server(("127.0.0.1", 0)) as taken:
            closed_port = taken.getsockname()[1]
        heartbeats.beat(worker.announcement.model_copy(update={"port": closed_port}))
        for _ in range(2):
            with pytest.raises(Unavailable, match=f"can reach; Redis tells of {worker.id}.*PUSHFORWARD_WORKER_HOST"):
                await asks.ask(SAMPLE, timeout_s=60)
            await asyncio.sleep(settings.beat_s)
        heartbeats.leave(worker.id)
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        f"worker {worker.id} does not answer at 127.0.0.1 port {closed_port}"
    ]


async def test_a_worker_that_stops_is_not_connected_to(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, on_requests=answer) as worker:
        worker._beating.cancel()
        heartbeats = Heartbeats(settings)
        heartbeats.beat(worker.announcement.model_copy(update={"leaving": True}))
        with pytest.raises(Unavailable, match="no worker"):
            await asks.ask(SAMPLE, timeout_s=60)
        heartbeats.leave(worker.id)


async def test_a_gateway_is_not_ready_while_every_inference_thread_hangs(settings: Settings, asks: Dispatcher):
    hangs = Beat(settings.ask_timeout_s + 1)
    async with fake_worker(settings, beat=hangs) as hanging:
        await until_refused(asks, "comes round .*w: for 31 s")
        async with fake_worker(settings, "other"):
            await until_ready(asks)
        await until_refused(asks, "comes round")
        hanging.beat = Beat(0.0)
        await until_ready(asks)


async def until_refused(asks: Dispatcher, why: str) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                await asks.reach()
                await asyncio.sleep(0.02)
            except Unavailable as error:
                with pytest.raises(Unavailable, match=why):
                    raise error
                return


async def until_ready(asks: Dispatcher) -> None:
    async with asyncio.timeout(20):
        while True:
            try:
                return await asks.reach()
            except Unavailable:
                await asyncio.sleep(0.02)


# --- others at a worker's port ---


@pytest.mark.parametrize(
    "first",
    [Hello("another", b"nonce"), Beat(0.0), b"HTTP/1.1 400 Bad Request\r\n\r\n", b"PFW\x02" + bytes(60)],
    ids=["another worker", "no hello", "a web server", "another release"],
)
async def test_who_else_listens_at_the_port_of_a_worker_is_not_asked(settings: Settings, asks: Dispatcher, first: Said):
    async with fake_worker(settings, hello=lambda _: first, on_requests=answer) as other:
        with pytest.raises(Unavailable, match="no worker"):
            await asks.ask(SAMPLE, timeout_s=60)
        async with fake_worker(settings, "theirs", on_requests=answer):
            await until_ready(asks)
            assert await is_answered(asks)
    assert not other.received


async def test_who_says_nothing_at_the_port_of_a_worker_is_given_up(
    settings: Settings, asks: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    """The first try gives hope, and further ones do not: else requests would wait for as long as they may."""
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.3)
    async with fake_worker(settings, hello=lambda _: b""), asyncio.timeout(20):
        with pytest.raises(Unavailable, match="no worker"):
            await asks.ask(SAMPLE, timeout_s=60)
        monkeypatch.setattr(connection, "HANDSHAKE_S", 60.0)
        for _ in range(20):
            await asyncio.sleep(0.01)
            with pytest.raises(Unavailable, match="no worker"):
                await asks.ask(SAMPLE, timeout_s=60)


async def test_a_request_waits_for_a_worker_that_is_in_a_long_call(
    settings: Settings, asks: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    """Its inference thread greets gateways, and its heartbeat tells for how long it has not come round."""
    monkeypatch.setattr(connection, "HANDSHAKE_S", 0.05)
    tries: list[bytes] = []

    def greet(nonce: bytes) -> Said:
        tries.append(nonce)
        return Hello("w", nonce) if len(tries) > 10 else b""

    async with fake_worker(settings, stalled_s=9.0, hello=greet, on_requests=answer):
        assert await is_answered(asks)


async def test_a_worker_that_begins_again_at_the_same_port_is_found(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, "before", on_requests=answer) as before:
        assert await is_answered(asks)
    after = FakeWorker(settings, "after")
    after.port, after.on_requests = before.port, answer
    await after.listen()
    await until_ready(asks)
    assert await is_answered(asks)
    await after.close()


# --- Redis ---


@dataclass
class OwnRedis:
    """A Redis that a test may kill."""

    folder: Path
    server: subprocess.Popen[bytes]
    settings: Settings

    def kill(self) -> None:
        self.server.send_signal(signal.SIGKILL)
        self.server.wait(10)

    async def start(self) -> None:
        self.server, _ = await asyncio.to_thread(redis_server.start, self.folder)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    put_model(tmp_path / "store")
    folder = tmp_path / "redis"
    server, url = redis_server.start(folder)
    own = OwnRedis(folder, server, Settings(redis_url=url, store=tmp_path / "store", device="cpu", beat_s=0.1))
    yield own
    own.server.kill()
    own.server.wait(10)


@asynccontextmanager
async def asking(settings: Settings) -> AsyncIterator[Dispatcher]:
    asks = Dispatcher(settings)
    yield asks
    await asks.close()


async def several_beats(settings: Settings) -> None:
    """So many that a heartbeat which is not renewed would have expired."""
    await asyncio.sleep(8 * settings.beat_s)


async def test_requests_are_answered_while_redis_is_away_and_after_it(own_redis: OwnRedis):
    async with running_worker(own_redis.settings), asking(own_redis.settings) as asks:
        assert await is_answered(asks)
        own_redis.kill()
        assert await is_answered(asks)
        await several_beats(own_redis.settings)
        assert await is_answered(asks)
        await asks.reach()
        await own_redis.start()
        await several_beats(own_redis.settings)
        assert await is_answered(asks)


async def test_requests_are_answered_while_redis_is_empty(settings: Settings, asks: Dispatcher):
    client = connect_sync(settings)
    async with running_worker(settings):
        assert await is_answered(asks)
        for _ in range(20):
            client.flushall()
            assert await is_answered(asks)
    client.close()


async def test_a_connection_that_breaks_while_redis_is_away_is_made_again(own_redis: OwnRedis):
    """Where the worker was is known from before."""
    async with fake_worker(own_redis.settings, on_requests=answer) as worker, asking(own_redis.settings) as asks:
        assert await is_answered(asks)
        own_redis.kill()
        worker.hang_up()
        assert await is_answered(asks)


async def test_a_gateway_that_starts_while_redis_is_away_says_so(own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(roster, "OUTAGE_S", 0.3)
    own_redis.kill()
    async with asking(own_redis.settings) as asks, asyncio.timeout(20):
        for _ in range(2):
            with pytest.raises(Unavailable, match="Redis does not answer") as refusal:
                await asks.ask(SAMPLE, timeout_s=60)
            assert refusal.value.retry_after_s
