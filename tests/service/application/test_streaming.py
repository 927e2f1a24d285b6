"""`service.application.streaming`: a long sample in parts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field

import numpy as np
import pytest

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.application import streaming
from pushforward.service.domain.errors import Failed, Overloaded, ServiceError, TimedOut
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing
from pushforward.service.settings import Settings

MINUTE_S = 60.0


@dataclass
class Numbered:
    """`ports.Asks` whose row i is the number i."""

    delay_s: float = 0.0
    refusals: dict[int, list[ServiceError]] = field(default_factory=dict)  # by first row, one for each ask
    asked: list[InferenceRequest] = field(default_factory=list)
    under_way: int = 0
    most_under_way: int = 0
    cancelled: int = 0

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        self.asked.append(request)
        self.under_way += 1
        self.most_under_way = max(self.under_way, self.most_under_way)
        try:
            await asyncio.wait_for(asyncio.sleep(self.delay_s), timeout_s)
        except TimeoutError:
            raise TimedOut("too late") from None
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.under_way -= 1
        if self.refusals.get(request.first):
            raise self.refusals[request.first].pop(0)
        rows = np.arange(request.first, request.first + request.rows)
        timing = Timing(linger_ms=0.0, queue_ms=0.0, compute_ms=0.0, total_ms=0.0, batch_rows=request.rows)
        return Reply({"samples": rows}, {}, timing)

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        yield await self.ask(request, timeout_s=timeout_s)


def parts(
    asks: Numbered, rows: int, *, most: int = 1000, part_s: float = MINUTE_S, whole_s: float | None = None
) -> AsyncGenerator[streaming.Part]:
    request = InferenceRequest("moons@1", "sample", rows, seed=7)
    return streaming.parts(asks, request, most=most, part_s=part_s, whole_s=whole_s)


@pytest.mark.parametrize("rows", [1, 999, 1000, 1001, 12_345])
async def test_the_parts_are_the_rows_in_order_of_one_seed(rows: int) -> None:
    asks = Numbered()
    drawn = [part.reply.arrays["samples"] async for part in parts(asks, rows)]
    np.testing.assert_array_equal(np.concatenate(drawn), np.arange(rows))
    assert {request.seed for request in asks.asked} == {7}
    assert max(len(part) for part in drawn) <= 1000
    assert len(drawn) == 1 or rows > 1000


async def test_a_few_parts_are_under_way_at_once_and_none_for_a_reader_who_pauses() -> None:
    asks = Numbered()
    async with aclosing(parts(asks, 100_000)) as stream:
        for taken in range(1, 6):
            await anext(stream)
            for _ in range(10):
                await asyncio.sleep(0)
            assert len(asks.asked) == taken + streaming.AHEAD - 1
    assert asks.most_under_way == streaming.AHEAD


async def test_parts_grow_while_they_come_quickly() -> None:
    sizes = [part.request.rows async for part in parts(Numbered(), 20_000)]
    assert sizes[: streaming.AHEAD + 1] == [256] * streaming.AHEAD + [512]
    assert sizes[-2] == 1000


async def test_parts_shrink_while_they_come_slowly_to_one_row_at_least() -> None:
    begun = 4 * streaming.AHEAD
    sizes = [part.request.rows async for part in parts(Numbered(delay_s=0.06), begun + 4, most=4, part_s=0.5)]
    assert sizes == [4] * streaming.AHEAD + [2, 2]
    sizes = [part.request.rows async for part in parts(Numbered(delay_s=0.06), 5, most=1, part_s=0.5)]
    assert sizes == [1] * 5


async def test_a_stream_that_makes_progress_may_take_longer_than_one_ask() -> None:
    drawn = [part async for part in parts(Numbered(delay_s=0.1), 40, most=4, part_s=0.3)]
    assert sum(part.request.rows for part in drawn) == 40
    with pytest.raises(TimedOut):
        _ = [part async for part in parts(Numbered(delay_s=0.1), 4, most=4, part_s=0.05)]


async def test_a_deadline_of_the_whole_ends_it() -> None:
    with pytest.raises(TimedOut):
        _ = [part async for part in parts(Numbered(delay_s=0.1), 100, most=4, whole_s=0.25)]


async def test_what_refuses_the_first_part_is_told_at_once() -> None:
    asks = Numbered(refusals={0: [Overloaded("full", retry_after_s=0.01)]})
    with pytest.raises(Overloaded):
        await anext(parts(asks, 3000))


async def test_what_passes_is_waited_out_once_rows_have_gone_out() -> None:
    asks = Numbered(refusals={256: [Overloaded("full", retry_after_s=0.01)] * 3})
    drawn = [part.reply.arrays["samples"] async for part in parts(asks, 3000)]
    np.testing.assert_array_equal(np.concatenate(drawn), np.arange(3000))


async def test_what_does_not_pass_ends_the_stream() -> None:
    overloaded = Numbered(refusals={256: [Overloaded("full", retry_after_s=30)]})
    broken = Numbered(refusals={256: [Failed("broken")]})
    for asks, kind, part_s in ((overloaded, Overloaded, 1.0), (broken, Failed, MINUTE_S)):
        stream = parts(asks, 3000, part_s=part_s)
        await anext(stream)
        with pytest.raises(kind):
            await anext(stream)
        assert asks.under_way == 0


async def test_closing_a_stream_gives_up_what_is_under_way() -> None:
    asks = Numbered()
    stream = parts(asks, 100_000)
    await anext(stream)
    asks.delay_s = MINUTE_S
    await anext(stream)
    await asyncio.sleep(0)
    await stream.aclose()
    assert (asks.under_way, asks.cancelled) == (0, 1)


async def test_a_reader_who_is_cancelled_gives_up_what_is_under_way() -> None:
    asks = Numbered(delay_s=MINUTE_S)
    reading = asyncio.ensure_future(anext(parts(asks, 100_000)))
    while asks.under_way < streaming.AHEAD:
        await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert (asks.under_way, asks.cancelled) == (0, streaming.AHEAD)


@pytest.mark.parametrize(
    ("shape", "rows"), [((2,), 4096), ((784,), 334), ((3, 32, 32), 85), ((3, 1024, 1024), 1), ((3, 4096, 4096), 1)]
)
def test_a_part_is_bounded_in_rows_and_in_bytes(shape: tuple[int, ...], rows: int) -> None:
    assert streaming.most_rows(DataSpec(shape=shape), Settings()) == rows
    assert streaming.most_rows(DataSpec(shape=shape), Settings(max_rows=1)) == 1
