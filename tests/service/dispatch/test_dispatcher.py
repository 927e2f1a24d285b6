"""`service.dispatch.dispatcher`: requests over real connections to an inference thread, or to one that only speaks."""

from __future__ import annotations

import asyncio
import re
import shutil
from contextlib import aclosing

import numpy as np
import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Failed, NotFound, Unavailable
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply
from pushforward.service.settings import Settings
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.measured import MeasuredAsks
from pushforward.service.worker.inference import InferenceThread
from tests.service.dispatch.asking import sample
from tests.service.dispatch.fake_worker import answers, fake_worker
from tests.service.models_on_disk import MOONS, STEPS, put_steps

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)


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


# --- answers ---


async def test_each_caller_gets_its_own_rows(settings: Settings, asks: Dispatcher, inference: InferenceThread):
    rng = np.random.default_rng(1)
    requests = [random_request(rng) for _ in range(150)]
    other = Dispatcher(settings)
    try:
        replies = await asyncio.gather(
            *((asks if i % 2 else other).ask(request, timeout_s=20) for i, request in enumerate(requests))
        )
    finally:
        await other.close()
    assert max(reply.timing.batch_rows for reply in replies) > 9
    for request, reply in zip(requests[::5], replies[::5], strict=True):
        assert_equal(await asks.ask(request, timeout_s=20), reply)
    assert not inference.busy


async def test_an_answer_tells_where_its_time_went(asks: Dispatcher, inference: InferenceThread):
    reply = await asks.ask(sample(3), timeout_s=20)
    timing = reply.timing
    assert reply.arrays["samples"].shape == (3, 2)
    assert timing.batch_rows == 3
    assert timing.compute_ms > 0
    assert timing.queue_ms > 0
    assert timing.linger_ms >= 0
    assert timing.total_ms >= timing.compute_ms + timing.linger_ms


async def test_a_large_request_and_its_large_answer_arrive_whole(asks: Dispatcher, inference: InferenceThread):
    z = np.tile(X, (1000, 1))
    large = InferenceRequest(MOONS, "decode", len(z), 0, {}, {"z": z})
    reply, *small = await asyncio.gather(*(asks.ask(each, timeout_s=60) for each in [large, *[sample()] * 5]))
    assert reply.arrays["x"].shape == z.shape
    np.testing.assert_allclose(reply.arrays["x"][:64], reply.arrays["x"][-64:], rtol=1e-4, atol=1e-4)
    assert all(each.arrays["samples"].shape == (1, 2) for each in small)


async def test_requests_of_one_turn_of_the_loop_leave_in_one_frame_of_each_key(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, on_requests=lambda frame: answers(frame.requests)) as worker:
        await asks.reach()
        seeds, others = range(20), range(20, 25)
        replies = await asyncio.gather(
            *(asks.ask(sample(2, seed), timeout_s=20) for seed in seeds),
            *(asks.ask(sample(2, seed, "moons@2"), timeout_s=20) for seed in others),
        )
        assert [len(frame.requests) for frame in worker.received] == [20, 5]  # type: ignore[union-attr]
    assert [reply.arrays["samples"][0, 0] for reply in replies] == [*seeds, *others]


async def test_previews_come_in_order_before_the_answer(
    settings: Settings, asks: Dispatcher, inference: InferenceThread
):
    put_steps(settings.store, steps=20)
    request = InferenceRequest(STEPS, "sample", 3, 1, {"sampler": "ancestral"}, preview_every=5)
    seen = [each async for each in asks.watch(request, timeout_s=20)]
    assert [each.step for each in seen[:-1] if isinstance(each, Preview)] == [5, 10, 15]
    assert isinstance(seen[-1], Reply)


async def test_a_poisoned_request_fails_alone(asks: Dispatcher, inference: InferenceThread):
    bad = InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": np.zeros((2, 5), np.float32)})
    good = [InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": X[i : i + 2]}) for i in range(10)]
    refused, *replies = await asyncio.gather(
        *(asks.ask(request, timeout_s=20) for request in [bad, *good]), return_exceptions=True
    )
    assert isinstance(refused, Failed)
    assert all(isinstance(reply, Reply) for reply in replies)


async def test_a_version_that_is_gone_is_not_found(settings: Settings, asks: Dispatcher, inference: InferenceThread):
    await asks.ask(sample(), timeout_s=20)
    shutil.rmtree(settings.store / "moons")
    with pytest.raises(NotFound, match="moons@1"):
        await asks.ask(sample(), timeout_s=20)


# --- cancelled ---


async def test_a_request_cancelled_before_it_left_is_never_sent(settings: Settings, asks: Dispatcher):
    telemetry = Telemetry()
    measured = MeasuredAsks(asks, telemetry)
    async with fake_worker(settings) as worker:
        await asks.reach()
        many = [asyncio.create_task(measured.ask(sample(seed=i), timeout_s=60)) for i in range(4)]
        await asyncio.sleep(0)
        for task in many[1:]:
            task.cancel()
        await worker.until_asked()
        many[0].cancel()
        await asyncio.gather(*many, return_exceptions=True)
        await worker.until(lambda: bool(worker.cancelled))
    assert [each.request.seed for each in worker.requests] == [0]
    assert worker.cancelled == [worker.requests[0].id]
    counted = telemetry.metrics.exposition().decode()
    assert 'pushforward_ask_cancellations_total{op="sample",stage="gateway"} 3.0' in counted
    assert 'pushforward_ask_cancellations_total{op="sample",stage="worker"} 1.0' in counted


async def test_a_request_cancelled_in_flight_frees_its_rows(
    settings: Settings, asks: Dispatcher, inference: InferenceThread
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
        reply = await asks.ask(sample(seed=9, model=STEPS), timeout_s=20)
    assert reply.timing.batch_rows == 1
    left = inference.telemetry.metrics.exposition().decode()
    assert sum(float(n) for n in re.findall(r"^pushforward_worker_left_total{.*} (.*)$", left, re.MULTILINE)) == 4


async def test_who_stops_watching_takes_the_request_back(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings) as worker:
        async with aclosing(asks.watch(sample(), timeout_s=60)) as watched:
            first = asyncio.ensure_future(anext(watched))
            await worker.until_asked()
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
        await worker.until(lambda: bool(worker.cancelled))


async def test_an_answered_request_is_not_taken_back(settings: Settings, asks: Dispatcher):
    """Cancellations leave in order, so the one that is sent last shows that there was none before."""
    async with fake_worker(settings, on_requests=lambda frame: answers(frame.requests)) as worker:
        for seed in range(3):
            await asks.ask(sample(seed=seed), timeout_s=20)
        worker.on_requests = lambda _: None
        waiting = asyncio.create_task(asks.ask(sample(seed=7), timeout_s=60))
        await worker.until_asked(4)
        waiting.cancel()
        await worker.until(lambda: bool(worker.cancelled))
    assert worker.cancelled == [worker.requests[-1].id]


# --- closing ---


async def test_closing_takes_no_longer_than_it_must(settings: Settings, inference: InferenceThread):
    for _ in range(5):
        asks = Dispatcher(settings)
        await asks.ask(sample(), timeout_s=20)
        async with asyncio.timeout(1):
            await asks.close()


async def test_closing_refuses_what_waits(settings: Settings):
    asks = Dispatcher(settings)
    async with fake_worker(settings) as worker:
        sent = asyncio.create_task(asks.ask(sample(), timeout_s=60))
        await worker.until_asked()
        unsent = asyncio.create_task(asks.ask(sample(), timeout_s=60))
        await asyncio.sleep(0)
        await asks.close()
        for task in (sent, unsent):
            with pytest.raises(Unavailable, match="stops"):
                await task
