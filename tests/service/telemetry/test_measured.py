"""`service.telemetry.measured`: every request is counted once, however it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from dataclasses import dataclass

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pushforward.service.dispatch.frames import Refusal
from pushforward.service.domain.errors import Overloaded, ServiceError, TimedOut
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing
from pushforward.service.domain.ports import UNSENT
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.measured import MeasuredAsks

QUESTION = InferenceRequest("digits@1", "sample", rows=2, seed=0)
TIMING = Timing(linger_ms=1.0, queue_ms=20.0, compute_ms=300.0, total_ms=321.0, batch_rows=5)
REPLY = Reply({"samples": np.zeros((2, 2), np.float32)}, {}, TIMING)


@dataclass
class Told:
    """`ports.Asks` that ends as it is told to."""

    end: Reply | BaseException
    closed: bool = False

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        if isinstance(self.end, BaseException):
            raise self.end
        return self.end

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        try:
            yield Preview(1, 2, {})
            yield await self.ask(request, timeout_s=timeout_s)
        finally:
            self.closed = True


def counted(telemetry: Telemetry) -> dict[tuple[str, ...], float]:
    """The counts of asks that are not zero, by name and labels."""
    told = text_string_to_metric_families(telemetry.metrics.exposition().decode())
    samples = [s for family in told for s in family.samples if s.name.startswith("pushforward_ask_")]
    return {
        (s.name.removeprefix("pushforward_ask_"), *s.labels.values()): s.value
        for s in samples
        if s.name.endswith(("_count", "_sum", "_total")) and s.value
    }


async def ends(end: Reply | BaseException, *, watching: bool) -> dict[tuple[str, ...], float]:
    """What is counted of an ask that ends so."""
    telemetry = Telemetry()
    asks = MeasuredAsks(Told(end), telemetry)
    with pytest.raises(type(end)) if isinstance(end, BaseException) else nullcontext():
        if watching:
            assert [type(news) async for news in asks.watch(QUESTION, timeout_s=1.0)] == [Preview, Reply]
        else:
            assert await asks.ask(QUESTION, timeout_s=1.0) is end
    return counted(telemetry)


@pytest.mark.parametrize("watching", [False, True])
async def test_an_answer_leaves_its_times_and_its_rows(watching: bool) -> None:
    assert await ends(REPLY, watching=watching) == {
        **{(f"{name}_seconds_count", "digits@1", "sample"): 1 for name in ("linger", "queue", "compute", "total")},
        ("linger_seconds_sum", "digits@1", "sample"): 0.001,
        ("queue_seconds_sum", "digits@1", "sample"): 0.02,
        ("compute_seconds_sum", "digits@1", "sample"): 0.3,
        ("total_seconds_sum", "digits@1", "sample"): 0.321,
        ("batch_rows_count", "digits@1", "sample"): 1,
        ("batch_rows_sum", "digits@1", "sample"): 5,
    }


@pytest.mark.parametrize("watching", [False, True])
@pytest.mark.parametrize(
    ("error", "refusal", "stage"),
    [
        (Overloaded("full"), "overloaded", "door"),
        (TimedOut("late"), "timed-out", "door"),
        (Refusal(0, "not-found", "gone").error(), "not-found", "worker"),
    ],
)
async def test_a_refusal_says_who_refused_and_why(
    error: ServiceError, refusal: str, stage: str, watching: bool
) -> None:
    assert await ends(error, watching=watching) == {("refusals_total", "sample", refusal, stage): 1}


@pytest.mark.parametrize(("args", "stage"), [((), "worker"), ((UNSENT,), "gateway")])
async def test_a_client_that_leaves_is_counted_by_how_far_its_ask_had_come(args: tuple[str, ...], stage: str) -> None:
    ended = await ends(asyncio.CancelledError(*args), watching=False)
    assert ended == {("cancellations_total", "sample", stage): 1}


async def test_a_client_that_stops_watching_cancels_its_request_at_once() -> None:
    telemetry, told = Telemetry(), Told(REPLY)
    async with aclosing(MeasuredAsks(told, telemetry).watch(QUESTION, timeout_s=1.0)) as watched:
        await anext(watched)
    assert told.closed
    assert counted(telemetry) == {("cancellations_total", "sample", "worker"): 1}


async def test_a_client_that_stops_watching_after_the_answer_cancels_nothing() -> None:
    telemetry = Telemetry()
    async with aclosing(MeasuredAsks(Told(REPLY), telemetry).watch(QUESTION, timeout_s=1.0)) as watched:
        assert [await anext(watched), await anext(watched)][1] is REPLY
    assert not [name for name, *_ in counted(telemetry) if name == "cancellations_total"]
