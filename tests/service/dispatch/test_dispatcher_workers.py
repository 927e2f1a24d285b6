"""`service.dispatch.dispatcher`: several workers, which come and leave."""

from __future__ import annotations

import asyncio

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.messages import Farewell, Leaving
from pushforward.service.domain.inference import Reply
from pushforward.service.settings import Settings
from tests.service.dispatch.asking import answer, sample, until_joined
from tests.service.dispatch.fake_worker import answers, fake_worker
from tests.service.models_on_disk import put_model
from tests.service.running_worker import running_worker, until_live

MODELS = [f"moons@{i}" for i in range(1, 12)]


async def of_all_models(asks: Dispatcher) -> list[Reply]:
    return await asyncio.gather(*(asks.ask(sample(model=model), timeout_s=20) for model in MODELS))


async def test_a_model_stays_with_one_worker_and_the_models_spread(settings: Settings, asks: Dispatcher):
    for i, model in enumerate(MODELS[1:]):
        put_model(settings.store, model, seed=i)
    async with running_worker(settings) as one, running_worker(settings) as other:
        await asks.reach()
        await until_joined(asks, 2)
        for _ in range(2):
            await of_all_models(asks)
        held = [set(thread._models.references) for thread in (one, other)]
    assert sorted([*held[0], *held[1]]) == sorted(MODELS)
    assert all(held)


async def test_a_worker_that_comes_later_gets_its_share(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, "one", on_requests=answer) as one:
        await of_all_models(asks)
        async with fake_worker(settings, "two", on_requests=answer) as two:
            await until_joined(asks, 2)
            await of_all_models(asks)
            assert two.requests
        assert len(one.requests) > len(MODELS)


async def test_what_a_stopping_worker_took_is_answered(settings: Settings, asks: Dispatcher):
    async with running_worker(settings) as thread:
        await asks.ask(sample(), timeout_s=20)
        waiting = [asyncio.create_task(asks.ask(sample(5000, i), timeout_s=20)) for i in range(5)]
        async with asyncio.timeout(20):
            while not thread.busy and not all(task.done() for task in waiting):
                await asyncio.sleep(0)
        await asyncio.to_thread(thread.stop)
        replies = await asyncio.gather(*waiting)
    assert all(reply.arrays["samples"].shape == (5000, 2) for reply in replies)


async def test_requests_go_on_being_answered_while_workers_come_and_leave(settings: Settings, asks: Dispatcher):
    stopped = asyncio.Event()
    answered: list[Reply] = []

    async def keep_asking(seed: int) -> None:
        while not stopped.is_set():
            answered.append(await asks.ask(sample(4, seed), timeout_s=30))

    async with running_worker(settings), asyncio.TaskGroup() as group:
        for seed in range(8):
            group.create_task(keep_asking(seed))
        for _ in range(3):
            async with running_worker(settings) as guest:
                await until_live(settings, guest.id)
                await until_joined(asks, 2)
        stopped.set()
    assert len(answered) > 8


async def test_a_leaving_worker_gets_a_farewell_and_nothing_after_it(settings: Settings, asks: Dispatcher):
    async with fake_worker(settings, "leaving") as leaving:
        sent = asyncio.create_task(asks.ask(sample(2, 1), timeout_s=60))
        await leaving.until_asked()
        leaving.say(Leaving())
        await leaving.until(lambda: leaving.received[-1:] == [Farewell()])
        async with fake_worker(settings, "staying", on_requests=answer) as staying:
            later = await asks.ask(sample(2, 2), timeout_s=60)
            assert [each.request.seed for each in staying.requests] == [2]
        leaving.say(answers(leaving.requests))
        assert ((await sent).arrays["samples"] == 1).all()
    assert (later.arrays["samples"] == 2).all()
    assert len(leaving.requests) == 1
