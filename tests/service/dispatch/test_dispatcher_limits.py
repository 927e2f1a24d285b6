"""`service.dispatch.dispatcher`: how long, how much and what a request may be."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest

from pushforward.service.dispatch import connection, pending
from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Failed, Overloaded, TimedOut
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.service.dispatch.asking import sample
from tests.service.dispatch.fake_worker import answers, fake_worker
from tests.service.models_on_disk import MOONS

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)


async def test_a_request_without_an_answer_times_out_and_is_taken_back(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings) as worker:
        await asks.reach()
        with pytest.raises(TimedOut):
            await asks.ask(sample(), timeout_s=0.1)
        await worker.until(lambda: len(worker.cancelled) == 1)
    assert worker.cancelled == [each.id for each in worker.requests]


async def test_a_worker_is_told_how_long_a_request_may_take(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, on_requests=lambda frame: answers(frame.requests)) as worker:
        await asks.ask(sample(), timeout_s=30)
    assert 0 < worker.requests[0].left_ms <= 30_000


async def test_a_full_gateway_says_when_to_come_back(settings: Settings):
    asks = Dispatcher(settings.model_copy(update={"max_pending_rows": 10}))
    async with fake_worker(settings) as worker:
        waiting = asyncio.create_task(asks.ask(sample(8), timeout_s=60))
        await worker.until_asked()
        with pytest.raises(Overloaded) as refusal:
            await asks.ask(sample(3), timeout_s=60)
        assert refusal.value.retry_after_s
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        with pytest.raises(TimedOut):  # given up, it takes no room
            await asks.ask(sample(10), timeout_s=0.05)
    await asks.close()


async def test_a_gateway_holds_no_more_bytes_than_it_may(
    settings: Settings, asks: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pending, "MAX_PENDING_BYTES", X.nbytes)
    async with fake_worker(settings) as worker:
        waiting = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "encode", 64, 0, {}, {"x": X}), timeout_s=60))
        await worker.until_asked()
        with pytest.raises(Overloaded, match="bytes"):
            await asks.ask(InferenceRequest(MOONS, "encode", 1, 0, {}, {"x": X[:1]}), timeout_s=60)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


async def test_a_worker_that_reads_nothing_gets_no_more(
    settings: Settings, asks: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(connection, "UNSENT_BYTES", 2**16)
    z = np.zeros((2**19, 2), np.float32)
    async with fake_worker(settings, reads=False):
        await asks.reach()
        large = [InferenceRequest(MOONS, "decode", len(z), 0, {}, {"z": z})] * 8
        waiting = [asyncio.create_task(asks.ask(each, timeout_s=60)) for each in large]
        await asyncio.sleep(0)  # they are sent at the end of this turn
        await asyncio.sleep(0)
        with pytest.raises(Overloaded) as refusal:
            await asks.ask(sample(), timeout_s=60)
        assert refusal.value.retry_after_s
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_request_that_no_frame_can_hold_is_refused_at_once(asks: Dispatcher, inference: InferenceThread):
    beyond = InferenceRequest(MOONS, "likelihood", 1, 0, {"k": 2**64}, {"x": X[:1]})
    async with asyncio.timeout(20):
        refused, *replies = await asyncio.gather(
            *(asks.ask(each, timeout_s=60) for each in [beyond, *[sample()] * 3]), return_exceptions=True
        )
        assert isinstance(refused, Failed)
        assert all(isinstance(reply, Reply) for reply in replies)


async def test_a_seed_that_no_frame_can_hold_costs_its_company_nothing(
    settings: Settings, asks: Dispatcher, inference: InferenceThread
):
    """They are of one key, and so of one frame."""
    await asks.reach()
    refused, *replies = await asyncio.gather(
        *(asks.ask(sample(2, seed), timeout_s=20) for seed in (2**64, 1, 2, 3)), return_exceptions=True
    )
    assert isinstance(refused, Failed)
    assert all(isinstance(reply, Reply) for reply in replies)
