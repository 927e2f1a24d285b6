"""`service.dispatch.dispatcher`: requests through a real Redis to a real inference thread."""

import asyncio
import re
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pushforward.service.dispatch import dispatcher as redis_asks
from pushforward.service.dispatch import link as redis_link
from pushforward.service.dispatch.dispatcher import RedisAsks
from pushforward.service.dispatch.frames import Frame, FramedRequest, encode_frame
from pushforward.service.dispatch.keys import CANCELLED, GROUP, WORKERS, stream_of
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import Failed, NotFound, Overloaded, TimedOut, Unavailable
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.local import redis_server
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import connect_sync
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.measured import MeasuredAsks
from pushforward.service.worker import entries
from pushforward.service.worker.inference import InferenceThread
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    put_model(tmp_path / "store")
    return Settings(redis_url=redis_url, store=tmp_path / "store", device="cpu", beat_s=0.25)


@contextmanager
def worker(settings: Settings) -> Iterator[InferenceThread]:
    thread = InferenceThread(settings)
    thread.start()
    try:
        wait_for_heartbeat(settings)
        yield thread
    finally:
        thread.stop()
        assert not thread.is_alive()


def wait_for_heartbeat(settings: Settings) -> None:
    async def look() -> None:
        workers = RedisWorkers(settings)
        try:
            async with asyncio.timeout(10):
                while not await workers.live():
                    await asyncio.sleep(0.01)
        finally:
            await workers.close()

    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, look()).result()


@pytest.fixture
def inference(settings: Settings) -> Iterator[InferenceThread]:
    with worker(settings) as thread:
        yield thread


@pytest.fixture
async def asks(settings: Settings) -> AsyncIterator[RedisAsks]:
    asks = RedisAsks(settings)
    yield asks
    await asks.close()


def stream_length(settings: Settings) -> int:
    """Frames that no worker has answered."""
    client: Any = connect_sync(settings)
    try:
        return sum(int(client.xlen(stream_of(worker))) for worker in client.smembers(WORKERS))
    finally:
        client.close()


def random_request(rng: np.random.Generator) -> InferenceRequest:
    n, at, seed = int(rng.integers(1, 9)), int(rng.integers(50)), int(rng.integers(2**63))
    rows = X[at : at + n]
    choices = [
        InferenceRequest(MOONS, "sample", n, seed),
        InferenceRequest(MOONS, "likelihood", n, seed, {"k": int(rng.integers(1, 3))}, {"x": rows}),
        InferenceRequest(MOONS, "encode", n, 0, {}, {"x": rows}),
        InferenceRequest(MOONS, "decode", n, 0, {}, {"z": rows}),
        InferenceRequest(MOONS, "reconstruct", n, 0, {}, {"x": rows}),
    ]
    return choices[rng.integers(len(choices))]


def assert_equal(a: Reply, b: Reply) -> None:
    assert a.arrays.keys() == b.arrays.keys()
    assert a.info == b.info
    for name in a.arrays:
        np.testing.assert_allclose(a.arrays[name], b.arrays[name], rtol=1e-4, atol=1e-4)


async def test_each_caller_gets_its_own_rows(settings: Settings, asks: RedisAsks, inference: InferenceThread):
    rng = np.random.default_rng(1)
    requests = [random_request(rng) for _ in range(150)]
    other = RedisAsks(settings)
    try:
        replies = await asyncio.gather(
            *((asks if i % 2 else other).ask(request, timeout_s=20) for i, request in enumerate(requests))
        )
    finally:
        await other.close()
    assert max(reply.timing.batch_rows for reply in replies) > 9
    for request, reply in zip(requests[::5], replies[::5], strict=True):
        assert_equal(await asks.ask(request, timeout_s=20), reply)
    assert stream_length(settings) == 0


async def test_an_answer_tells_where_its_time_went(asks: RedisAsks, inference: InferenceThread):
    reply = await asks.ask(InferenceRequest(MOONS, "sample", 3, 1), timeout_s=20)
    assert reply.arrays["samples"].shape == (3, 2)
    assert reply.timing.batch_rows == 3
    assert reply.timing.compute_ms > 0
    assert reply.timing.queue_ms > 0


async def test_a_large_request_travels_under_its_own_key(
    settings: Settings, asks: RedisAsks, inference: InferenceThread
):
    z = np.tile(X, (1000, 1))
    assert z.nbytes > redis_asks.INLINE_BYTES
    reply = await asks.ask(InferenceRequest(MOONS, "decode", len(z), 0, {}, {"z": z}), timeout_s=20)
    np.testing.assert_allclose(reply.arrays["x"][:64], reply.arrays["x"][-64:], rtol=1e-4, atol=1e-4)
    client: Any = connect_sync(settings)
    assert client.keys("pf:payload:*") == []
    client.close()


async def test_a_poisoned_request_fails_alone(asks: RedisAsks, inference: InferenceThread):
    bad = InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": np.zeros((2, 5), np.float32)})
    good = [InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": X[i : i + 2]}) for i in range(10)]
    refused, *replies = await asyncio.gather(
        *(asks.ask(request, timeout_s=20) for request in [bad, *good]), return_exceptions=True
    )
    assert isinstance(refused, Failed)
    assert all(isinstance(reply, Reply) for reply in replies)


async def test_a_version_that_is_gone_is_not_found(settings: Settings, asks: RedisAsks, inference: InferenceThread):
    await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
    shutil.rmtree(settings.store / "moons")
    with pytest.raises(NotFound, match="moons@1"):
        await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)


async def test_without_a_worker_a_request_is_refused_at_once(asks: RedisAsks):
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable, match="no worker") as refusal:
            await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=60)
    assert refusal.value.retry_after_s


@contextmanager
def a_worker_that_only_beats(settings: Settings) -> Iterator[str]:
    """Alive, but it reads nothing, until the block ends."""
    from pushforward.service.domain.catalog import Worker
    from pushforward.service.worker.heartbeat import HeartbeatThread

    client: Any = connect_sync(settings)
    client.xgroup_create(stream_of("w"), GROUP, id="0", mkstream=True)
    client.sadd(WORKERS, "w")
    client.close()
    heart = HeartbeatThread(settings, lambda: Worker(id="w", device="cpu", models=(), training=(), seen_at=0.0))
    heart.start()
    try:
        wait_for_heartbeat(settings)
        yield "w"
    finally:
        heart.stop()


async def test_when_the_last_worker_dies_what_waits_is_refused(settings: Settings, asks: RedisAsks):
    with a_worker_that_only_beats(settings):
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=60))
        await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        with pytest.raises(Unavailable, match="no worker"):
            await waiting


async def test_a_request_without_an_answer_times_out(settings: Settings, asks: RedisAsks):
    with a_worker_that_only_beats(settings), pytest.raises(TimedOut):
        await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=0.1)


async def test_a_full_gateway_says_when_to_come_back(settings: Settings):
    asks = RedisAsks(settings.model_copy(update={"max_pending_rows": 10}))
    with a_worker_that_only_beats(settings):
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 8, 1), timeout_s=60))
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded) as refusal:
            await asks.ask(InferenceRequest(MOONS, "sample", 3, 1), timeout_s=60)
        assert refusal.value.retry_after_s
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(TimedOut):  # given up, it takes no room
            await asks.ask(InferenceRequest(MOONS, "sample", 10, 1), timeout_s=0.05)
    await asks.close()


async def test_a_request_given_up_before_it_left_is_never_sent(settings: Settings, asks: RedisAsks):
    telemetry = Telemetry()
    measured = MeasuredAsks(asks, telemetry)
    with a_worker_that_only_beats(settings):
        many = [
            asyncio.create_task(measured.ask(InferenceRequest(MOONS, "sample", 1, i), timeout_s=60)) for i in range(4)
        ]
        await asyncio.sleep(0)
        for task in many[1:]:
            task.cancel()
        await asyncio.sleep(0.1)
        assert stream_length(settings) == 1
        many[0].cancel()
        await asyncio.gather(*many, return_exceptions=True)
    counted = telemetry.metrics.exposition().decode()
    assert 'pushforward_ask_cancellations_total{op="sample",stage="gateway"} 3.0' in counted
    assert 'pushforward_ask_cancellations_total{op="sample",stage="worker"} 1.0' in counted


async def test_a_request_cancelled_in_flight_frees_its_rows(
    settings: Settings, asks: RedisAsks, inference: InferenceThread
):
    put_steps(settings.store, steps=4000)
    endless = [InferenceRequest(STEPS, "sample", 10_000, seed, {"sampler": "ancestral"}) for seed in range(4)]
    many = [asyncio.create_task(asks.ask(request, timeout_s=60)) for request in endless]
    async with asyncio.timeout(20):
        while not inference.busy:
            await asyncio.sleep(0.005)
        for task in many:
            task.cancel()
        await asyncio.gather(*many, return_exceptions=True)
        while inference.busy:
            await asyncio.sleep(0.005)
        reply = await asks.ask(InferenceRequest(STEPS, "sample", 1, 9), timeout_s=20)
    assert reply.timing.batch_rows == 1
    assert stream_length(settings) == 0
    left = inference.telemetry.metrics.exposition().decode()
    assert sum(float(n) for n in re.findall(r"^pushforward_worker_left_total{.*} (.*)$", left, re.MULTILINE)) == 4


async def test_malformed_cancellations_do_no_harm(settings: Settings, asks: RedisAsks, inference: InferenceThread):
    client: Any = connect_sync(settings)
    waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 10_000, 1), timeout_s=20))
    for to, ids in ((asks.reply_to, "["), (b"\xff", "[1]"), ("", "[{}]"), ("", "1")):
        client.xadd(CANCELLED, {"to": to, "ids": ids})
    client.xadd(CANCELLED, {"x": "y"})
    assert (await waiting).arrays["samples"].shape == (10_000, 2)
    client.close()


async def test_a_request_that_no_frame_can_hold_is_refused_at_once(asks: RedisAsks, inference: InferenceThread):
    beyond = InferenceRequest(MOONS, "likelihood", 1, 0, {"k": 2**64}, {"x": X[:1]})
    async with asyncio.timeout(5):
        with pytest.raises(Failed):
            await asks.ask(beyond, timeout_s=60)
        assert (await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)).arrays["samples"].shape == (1, 2)


async def test_a_gateway_holds_no_more_bytes_than_it_may(
    settings: Settings, asks: RedisAsks, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(redis_asks, "MAX_PENDING_BYTES", X.nbytes)
    with a_worker_that_only_beats(settings):
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "encode", 64, 0, {}, {"x": X}), timeout_s=60))
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="bytes"):
            await asks.ask(InferenceRequest(MOONS, "encode", 1, 0, {}, {"x": X[:1]}), timeout_s=60)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_closing_takes_no_longer_than_it_must(settings: Settings, inference: InferenceThread):
    for _ in range(5):
        asks = RedisAsks(settings)
        await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
        async with asyncio.timeout(redis_link.BLOCK_S / 2):
            await asks.close()


async def test_what_was_read_but_not_taken_in_is_taken_after_a_defect(
    settings: Settings, asks: RedisAsks, monkeypatch: pytest.MonkeyPatch
):
    """A defect in the midst of a batch of frames loses none of them."""
    opened, decode = [], entries.decode_frame

    def defective(data: bytes) -> Frame:
        opened.append(data)
        if len(opened) == 1:
            raise ZeroDivisionError
        return decode(data)

    monkeypatch.setattr(entries, "decode_frame", defective)
    with worker(settings):
        reply = await asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=20)
    assert reply.arrays["samples"].shape == (2, 2)
    assert len(opened) == 2


async def test_frames_of_a_dead_worker_are_claimed(settings: Settings, asks: RedisAsks):
    client: Any = connect_sync(settings, decode=False)
    with a_worker_that_only_beats(settings) as dead:
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=20))
        await asyncio.sleep(0.1)
        assert client.xreadgroup(GROUP, dead, {stream_of(dead): ">"})
        with worker(settings):
            await asyncio.sleep(0.2)
            assert not waiting.done()  # its owner lives
            client.delete("pf:worker:w")
            heartless = asyncio.create_task(_keep_deleting(client))
            assert (await waiting).arrays["samples"].shape == (2, 2)
            heartless.cancel()
    client.close()


async def test_a_model_stays_with_one_worker_and_the_models_spread(settings: Settings, asks: RedisAsks):
    for i in range(2, 12):
        put_model(settings.store, f"moons@{i}", seed=i)
    with worker(settings) as one, worker(settings) as other:
        await _until_alive(settings, 2)
        for _ in range(2):
            await asyncio.gather(
                *(asks.ask(InferenceRequest(f"moons@{i}", "sample", 1, 1), timeout_s=20) for i in range(1, 12))
            )
        held = [set(thread._models.references) for thread in (one, other)]
    assert len(held[0]) + len(held[1]) == 11
    assert all(held)


async def test_frames_that_a_dead_worker_never_read_are_answered_by_another(settings: Settings, asks: RedisAsks):
    client: Any = connect_sync(settings, decode=False)
    with a_worker_that_only_beats(settings):
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=20))
        await asyncio.sleep(0.2)
        assert stream_length(settings) == 1
        with worker(settings):
            client.delete("pf:worker:w")
            heartless = asyncio.create_task(_keep_deleting(client))
            assert (await waiting).arrays["samples"].shape == (2, 2)
            await _until_gone(client, stream_of("w"))
            heartless.cancel()
    client.close()


async def test_a_frame_that_no_worker_survives_is_refused(settings: Settings, asks: RedisAsks):
    client: Any = connect_sync(settings, decode=False)
    with a_worker_that_only_beats(settings) as dead:
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=20))
        await asyncio.sleep(0.2)
        assert client.xreadgroup(GROUP, dead, {stream_of(dead): ">"})
        (frame,) = client.xpending_range(stream_of(dead), GROUP, "-", "+", 9)
        for other in ("another", "a third"):  # they died as well
            client.xclaim(stream_of(dead), GROUP, other, 0, [frame["message_id"]])
        with worker(settings):
            client.delete("pf:worker:w")
            heartless = asyncio.create_task(_keep_deleting(client))
            with pytest.raises(Failed, match="survived"):
                await waiting
            heartless.cancel()
    client.close()


async def test_requests_sent_to_a_worker_that_had_left_go_to_another(settings: Settings, asks: RedisAsks):
    client: Any = connect_sync(settings, decode=False)
    with worker(settings), a_worker_that_only_beats(settings):
        client.delete(stream_of("w"))
        await _until_alive(settings, 2)
        for i in range(2, 12):
            put_model(settings.store, f"moons@{i}", seed=i)
        replies = await asyncio.gather(
            *(asks.ask(InferenceRequest(f"moons@{i}", "sample", 1, 1), timeout_s=20) for i in range(1, 12))
        )
    assert all(reply.arrays["samples"].shape == (1, 2) for reply in replies)
    client.close()


async def _until_alive(settings: Settings, n: int) -> None:
    workers = RedisWorkers(settings)
    async with asyncio.timeout(10):
        while len(await workers.live()) < n:
            await asyncio.sleep(0.01)
    await workers.close()


async def _until_gone(client: Any, key: str) -> None:
    async with asyncio.timeout(10):
        while client.exists(key):
            await asyncio.sleep(0.02)


async def _keep_deleting(client: Any) -> None:
    while True:
        client.delete("pf:worker:w")
        await asyncio.sleep(0.01)


async def test_garbage_in_the_stream_does_no_harm(settings: Settings, asks: RedisAsks, inference: InferenceThread):
    client: Any = connect_sync(settings, decode=False)
    frame = encode_frame(Frame("pf:replies:nobody", (FramedRequest(1, InferenceRequest(MOONS, "sample", 1, 1), 9e9),)))
    for fields in (
        {"frame": b"\x80\x04."},
        {"x": b"y"},
        {"key": b"pf:nothing"},
        {"frame": frame[:-3]},
        {"frame": frame},
    ):
        client.xadd(stream_of(inference.id), fields)
    reply = await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
    assert reply.arrays["samples"].shape == (1, 2)
    assert client.xlen(stream_of(inference.id)) == 0
    client.close()


async def test_garbage_among_the_replies_does_no_harm(settings: Settings, asks: RedisAsks, inference: InferenceThread):
    client: Any = connect_sync(settings, decode=False)
    await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
    client.rpush(asks.reply_to, b"garbage", b"")
    reply = await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
    assert reply.arrays["samples"].shape == (1, 2)
    client.close()


async def test_what_a_stopping_worker_took_is_answered(settings: Settings, asks: RedisAsks):
    with worker(settings) as thread:
        await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
        waiting = [
            asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 5000, i), timeout_s=20)) for i in range(5)
        ]
        await asyncio.sleep(0.05)
        await asyncio.to_thread(thread.stop)
        replies = await asyncio.gather(*waiting)
    assert all(reply.arrays["samples"].shape == (5000, 2) for reply in replies)


class TestOutage:
    @pytest.fixture
    def server(self, tmp_path: Path) -> Iterator[tuple[Path, list[subprocess.Popen[bytes]], str]]:
        folder = tmp_path / "redis"
        server, url = redis_server.start(folder)
        servers = [server]
        yield folder, servers, url
        servers[-1].terminate()
        servers[-1].wait(10)

    @pytest.mark.parametrize("keeps_data", [True, False])
    async def test_a_killed_redis_is_survived(self, server: Any, tmp_path: Path, keeps_data: bool):
        folder, servers, url = server
        put_model(tmp_path / "store")
        settings = Settings(redis_url=url, store=tmp_path / "store", device="cpu", beat_s=0.25)
        asks = RedisAsks(settings)
        with worker(settings):
            await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
            servers[-1].send_signal(signal.SIGKILL)
            servers[-1].wait(10)
            with pytest.raises(Unavailable) as refusal:
                await asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=20)
            assert refusal.value.retry_after_s
            if not keeps_data:
                for kept in folder.glob("appendonly*"):
                    shutil.rmtree(kept) if kept.is_dir() else kept.unlink()  # Redis 7 has a folder
            servers.append((await asyncio.to_thread(redis_server.start, folder))[0])
            reply = None
            async with asyncio.timeout(15):
                while reply is None:
                    try:
                        reply = await asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=10)
                    except Unavailable:
                        await asyncio.sleep(0.05)
            assert reply.arrays["samples"].shape == (2, 2)
        await asks.close()

    async def test_requests_in_flight_are_sent_again(self, server: Any, tmp_path: Path):
        folder, servers, url = server
        put_model(tmp_path / "store")
        settings = Settings(redis_url=url, store=tmp_path / "store", device="cpu", beat_s=0.25)
        asks = RedisAsks(settings)
        with a_worker_that_only_beats(settings):
            waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 2, 1), timeout_s=30))
            await asyncio.sleep(0.1)
            servers[-1].send_signal(signal.SIGKILL)
            servers[-1].wait(10)
            for kept in folder.glob("appendonly*"):
                shutil.rmtree(kept) if kept.is_dir() else kept.unlink()  # Redis 7 has a folder
            servers.append((await asyncio.to_thread(redis_server.start, folder))[0])
            await asyncio.sleep(0.3)
            with worker(settings):
                assert (await waiting).arrays["samples"].shape == (2, 2)
        await asks.close()
