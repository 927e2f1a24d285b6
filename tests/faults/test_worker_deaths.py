"""Many requests, several workers, some of which are killed: every answer is right, and none is lost."""

import asyncio
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import redis
import torch

from pushforward.service.dispatch.dispatcher import RedisAsks
from pushforward.service.dispatch.keys import WORKERS
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.errors import Overloaded, TimedOut
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.engine.engine import Engine, Ticket
from pushforward.service.engine.model_cache import ModelCache
from pushforward.service.settings import Settings
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS, STEPS, put_model, put_steps

X = np.random.default_rng(0).normal(size=(64, 2)).astype(np.float32)
N = 300
PATIENCE_S = 60.0


def random_request(rng: np.random.Generator) -> InferenceRequest:
    n, at, seed = int(rng.integers(1, 20)), int(rng.integers(40)), int(rng.integers(2**63))
    choices = [
        InferenceRequest(MOONS, "sample", n, seed, first=int(rng.integers(100))),
        InferenceRequest(MOONS, "likelihood", n, seed, {"k": int(rng.integers(1, 3))}, {"x": X[at : at + n]}),
        InferenceRequest(MOONS, "encode", n, 0, {}, {"x": X[at : at + n]}),
        InferenceRequest("other@1", "decode", n, 0, {}, {"z": X[at : at + n]}),
        InferenceRequest(STEPS, "sample", n, seed, {"sampler": "ancestral"}),
        InferenceRequest(STEPS, "sample", n, seed, {"steps": 7}),
    ]
    return choices[rng.integers(len(choices))]


class Oracle:
    """The answer to each request alone, in this process."""

    def __init__(self, settings: Settings) -> None:
        device = torch.device("cpu")
        self._engine = Engine(ModelCache(settings.store, device, settings.memory_bytes), device)

    def answer(self, request: InferenceRequest) -> Ticket:
        ticket = Ticket(request, deadline=float("inf"))
        self._engine.add([ticket])
        while self._engine.busy:
            self._engine.turn()
        return ticket


async def test_answers_are_right_and_none_is_lost_while_workers_are_killed(place: Place) -> None:
    put_model(place.settings.store)
    put_model(place.settings.store, "other@1", seed=1)
    put_steps(place.settings.store, steps=60)
    settings = place.settings.model_copy(update={"beat_s": 0.1})
    gateways = [RedisAsks(settings), RedisAsks(settings)]
    rng = np.random.default_rng(7)
    requests = [random_request(rng) for _ in range(N)]
    given_up = set(rng.choice(N, N // 10, replace=False).tolist())
    late = set(rng.choice(N, N // 10, replace=False).tolist()) - given_up

    async def ask(i: int) -> Reply | BaseException:
        await asyncio.sleep(i * 0.01)
        request, gateway = requests[i], gateways[i % 2]
        asking = asyncio.create_task(gateway.ask(request, timeout_s=0.02 if i in late else PATIENCE_S))
        if i in given_up:
            await asyncio.sleep(0.01)
            asking.cancel()
        return (await asyncio.gather(asking, return_exceptions=True))[0]

    with ExitStack() as stack:
        *doomed, _ = [stack.enter_context(place.worker()) for _ in range(3)]
        await _until_alive(settings, 3)
        asking = [asyncio.create_task(ask(i)) for i in range(N)]
        await asyncio.sleep(1.0)
        doomed[0].kill()
        await asyncio.sleep(1.0)
        doomed[1].kill()
        replies = await asyncio.gather(*asking)
        await _until_nothing_is_left(settings)
    for gateway in gateways:
        await gateway.close()
    oracle = Oracle(settings)
    for i, (request, reply) in enumerate(zip(requests, replies, strict=True)):
        if isinstance(reply, asyncio.CancelledError):
            assert i in given_up
        elif isinstance(reply, TimedOut | Overloaded):  # a short deadline may be foreseen to pass
            assert i in late
        else:
            assert isinstance(reply, Reply), f"{replace(request, arrays={})} was answered by {reply!r}"
            _assert_equal(oracle.answer(request), reply)
    assert sum(isinstance(reply, Reply) for reply in replies) >= 0.8 * N


def _assert_equal(alone: Ticket, reply: Reply) -> None:
    assert alone.arrays.keys() == reply.arrays.keys()
    for name, array in alone.arrays.items():
        np.testing.assert_allclose(reply.arrays[name], array, rtol=1e-3, atol=1e-4)


async def _until_alive(settings: Settings, n: int) -> None:
    workers = RedisWorkers(settings)
    async with asyncio.timeout(60):
        while len(await workers.live()) < n:
            await asyncio.sleep(0.05)
    await workers.close()


async def _until_nothing_is_left(settings: Settings) -> None:
    """The streams of the dead are taken away once their frames are answered."""
    with redis.Redis.from_url(settings.redis_url) as client:
        async with asyncio.timeout(30):
            while client.scard(WORKERS) != 1:
                await asyncio.sleep(0.05)
        for stream in client.scan_iter("pf:asks:*"):
            assert client.xlen(stream) == 0
