"""`service.dispatch.dispatcher`: workers that die, leave or lie, and what becomes of their requests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import numpy as np
import pytest

from pushforward.service.dispatch.dispatcher import MAX_DEATHS, Dispatcher
from pushforward.service.dispatch.messages import Hello, Requests
from pushforward.service.domain.errors import Failed, Unavailable
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.settings import Settings
from pushforward.service.worker import listener
from pushforward.service.worker.inference import InferenceThread
from tests.service.dispatch.asking import answer, sample, until_joined
from tests.service.dispatch.fake_worker import FakeWorker, Said, answers, fake_worker
from tests.service.models_on_disk import MOONS
from tests.service.running_worker import running_worker

POISON = 666
MODELS = [f"moons@{i}" for i in range(1, 12)]


@pytest.fixture
async def slow(settings: Settings) -> Settings:
    """Beats are so rare that nothing is known from a missing one in time."""
    return settings.model_copy(update={"beat_s": 60.0})


# --- deaths ---


async def test_requests_of_a_worker_that_dies_are_answered_by_another_at_once(slow: Settings):
    """Its heartbeat counts for minutes still: that its connection broke is enough."""
    asks = Dispatcher(slow)
    async with fake_worker(slow, "one") as one, fake_worker(slow, "two") as two:
        await asks.reach()
        await until_joined(asks, 2)
        waiting = [asyncio.create_task(asks.ask(sample(2, 7, model), timeout_s=60)) for model in MODELS]
        async with asyncio.timeout(20):
            while len(one.requests) + len(two.requests) < len(MODELS):
                await asyncio.sleep(0.01)
            dead, alive = (one, two) if one.requests else (two, one)
            alive.say(answers(alive.requests))
            alive.on_requests = answer
            dead.die()
            replies = await asyncio.gather(*waiting)
    assert all((reply.arrays["samples"] == 7).all() for reply in replies)
    await asks.close()


async def test_when_the_last_worker_dies_what_waits_is_refused(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings) as worker:
        waiting = asyncio.create_task(asks.ask(sample(), timeout_s=60))
        await worker.until_asked()
    async with asyncio.timeout(20):
        with pytest.raises(Unavailable, match="no worker"):
            await waiting


async def test_what_waits_is_answered_by_a_worker_that_comes_in_time(settings: Settings, asks: Dispatcher):
    """Where the last one died there may soon be another."""
    async with fake_worker(settings) as worker:
        waiting = asyncio.create_task(asks.ask(sample(2), timeout_s=60))
        await worker.until_asked()
        worker.die()
        async with fake_worker(settings, "its successor", on_requests=answer):
            assert (await waiting).arrays["samples"].shape == (2, 2)


async def test_a_connection_that_breaks_is_made_again(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings) as worker:
        for n in range(1, 3):
            waiting = asyncio.create_task(asks.ask(sample(2), timeout_s=60))
            await worker.until_asked(2 * n - 1)
            worker.hang_up()
            await worker.until_asked(2 * n)
            worker.say(answers(worker.requests[-1:]))
            assert (await waiting).arrays["samples"].shape == (2, 2)


def dies_of_poison(worker: FakeWorker) -> Callable[[Requests], Said | None]:
    def take(frame: Requests) -> Said | None:
        if any(each.request.seed == POISON for each in frame.requests):
            worker.die()
            return None
        return answers(frame.requests)

    return take


async def test_a_request_that_no_worker_survives_is_refused_and_its_company_is_answered(slow: Settings):
    asks = Dispatcher(slow)
    seeds = [1, 2, POISON, 3, 4]
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(fake_worker(slow, f"w{i}")) for i in range(MAX_DEATHS + 1)]
        for worker in workers:
            worker.on_requests = dies_of_poison(worker)
        await asks.reach()
        await until_joined(asks, len(workers))
        async with asyncio.timeout(20):
            outcomes = await asyncio.gather(
                *(asks.ask(sample(2, seed), timeout_s=60) for seed in seeds), return_exceptions=True
            )
            again = await asks.ask(sample(2, 9), timeout_s=60)
    for seed, outcome in zip(seeds, outcomes, strict=True):
        if seed == POISON:
            assert isinstance(outcome, Failed)
            assert "survived" in outcome.detail
        else:
            assert isinstance(outcome, Reply)
            assert (outcome.arrays["samples"] == seed).all()
    assert (again.arrays["samples"] == 9).all()
    killed = [worker for worker in workers if any(each.request.seed == POISON for each in worker.requests)]
    assert len(killed) == MAX_DEATHS
    fatal = [worker.received[-1] for worker in killed]  # what each read last
    companies = sorted(len(frame.requests) for frame in fatal if isinstance(frame, Requests))
    assert companies == [1, len(seeds), len(seeds)]  # the last time it travels alone
    await asks.close()


async def test_who_gives_up_a_suspect_lets_the_next_one_travel(slow: Settings):
    asks = Dispatcher(slow)
    async with AsyncExitStack() as stack:
        workers = [await stack.enter_async_context(fake_worker(slow, f"w{i}")) for i in range(MAX_DEATHS)]
        await asks.reach()
        await until_joined(asks, len(workers))
        waiting = [asyncio.create_task(asks.ask(sample(2, seed), timeout_s=60)) for seed in (1, 2)]
        left = list(workers)
        async with asyncio.timeout(20):
            for _ in range(MAX_DEATHS - 1):
                while not (holding := [each for each in left if each.requests]):
                    await asyncio.sleep(0.01)
                await holding[0].until_asked(2)
                holding[0].die()
                left.remove(holding[0])
            await left[0].until_asked(1)
            waiting[0].cancel()
            await left[0].until_asked(2)
            left[0].say(answers(left[0].requests))
            assert ((await waiting[1]).arrays["samples"] == 2).all()
    await asks.close()


# --- silence, lies ---


async def test_a_worker_that_falls_silent_loses_its_requests_to_another(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, "w", beat=None) as silent:
        waiting = asyncio.create_task(asks.ask(sample(2), timeout_s=60))
        await silent.until_asked()
        async with fake_worker(settings, "other", on_requests=answer):
            assert (await waiting).arrays["samples"].shape == (2, 2)


@pytest.mark.parametrize(
    "lie",
    [b"garbage" * 9, b"PFW\x02" + bytes(60), b"PFW\x03" + b"\xff" * 60, Hello("liar", b"again")],
    ids=["garbage", "another release", "endless", "a second hello"],
)
async def test_a_worker_that_talks_garbage_loses_its_requests_to_another(
    settings: Settings, asks: Dispatcher, lie: Said
):
    async with fake_worker(settings, "liar", on_requests=lambda _: lie) as liar:
        waiting = asyncio.create_task(asks.ask(sample(2), timeout_s=60))
        await liar.until_asked()
        await liar.until(lambda: not liar._proven)
        liar.on_requests = answer
        assert (await waiting).arrays["samples"].shape == (2, 2)


async def test_replies_that_nobody_waits_for_do_no_harm(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, on_requests=answer) as worker:
        first = await asks.ask(sample(2, 3), timeout_s=20)
        worker.say(answers(worker.requests), answers(worker.requests))
        second = await asks.ask(sample(2, 4), timeout_s=20)
    assert (first.arrays["samples"] == 3).all()
    assert (second.arrays["samples"] == 4).all()


# --- defects ---


async def test_a_defect_of_a_worker_that_reads_loses_no_request(
    settings: Settings, asks: Dispatcher, monkeypatch: pytest.MonkeyPatch
):
    read, decode = list[bytes](), listener.decode_from_gateway

    def defective(frame: bytes) -> object:
        message = decode(frame)
        if isinstance(message, Requests):
            read.append(frame)
            if len(read) == 2:
                raise ZeroDivisionError
        return message

    monkeypatch.setattr(listener, "decode_from_gateway", defective)
    other = InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": np.zeros((2, 2), np.float32)})
    async with running_worker(settings):
        replies = await asyncio.gather(*(asks.ask(each, timeout_s=20) for each in (sample(2), other, sample(3))))
    assert all(isinstance(reply, Reply) for reply in replies)
    assert len(read) > 2


async def test_a_defect_in_the_midst_of_received_messages_loses_none(
    settings: Settings, asks: Dispatcher, inference: InferenceThread, monkeypatch: pytest.MonkeyPatch
):
    """The request that meets it is refused, and those behind it are answered."""
    await asks.ask(sample(), timeout_s=20)
    add, added = inference._engine.add, list[object]()

    def defective(tickets: list[object]) -> None:
        added.append(tickets)
        if len(added) == 1:
            raise ZeroDivisionError
        add(tickets)  # type: ignore[arg-type]

    monkeypatch.setattr(inference._engine, "add", defective)
    others = [InferenceRequest(MOONS, "encode", 2, 0, {}, {"x": np.zeros((2, 2), np.float32)}), sample(3)]
    first, *behind = await asyncio.gather(
        *(
            asks.ask(each, timeout_s=20)
            for each in [
                InferenceRequest(MOONS, "likelihood", 1, 0, {"k": 1}, {"x": np.zeros((1, 2), np.float32)}),
                *others,
            ]
        ),
        return_exceptions=True,
    )
    assert isinstance(first, Failed)
    assert all(isinstance(reply, Reply) for reply in behind)
