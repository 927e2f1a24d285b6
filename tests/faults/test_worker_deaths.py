"""Many requests, several workers, some of which are killed or stopped: every answer is right, and none is lost."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from subprocess import Popen
from time import monotonic

import numpy as np
import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Overloaded, TimedOut
from pushforward.service.domain.inference import InferenceRequest, Reply
from pushforward.service.settings import Settings
from tests.faults.asking import by_id, until_alive, until_reached
from tests.faults.detours import detoured
from tests.faults.history import OTHER, PATIENCE_S, Asked, History, put_models
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS, STEPS

N = 300
RETRY_MS = 2000.0  # a bound for a test that fails, not a measurement


@asynccontextmanager
async def dispatchers(settings: Settings, n: int, workers: int) -> AsyncIterator[list[Dispatcher]]:
    """So many gateways, each connected to so many workers."""
    async with AsyncExitStack() as stack:
        gateways = [Dispatcher(settings) for _ in range(n)]
        for gateway in gateways:
            stack.push_async_callback(gateway.close)
            await until_reached(gateway, workers)
        yield gateways


async def test_answers_are_right_and_none_is_lost_while_workers_are_killed(place: Place) -> None:
    settings = place.settings.model_copy(update={"beat_s": 0.1})
    put_models(settings)
    history, rng = History(settings), np.random.default_rng(7)
    given_up = set(rng.choice(N, N // 10, replace=False).tolist())
    late = set(rng.choice(N, N // 10, replace=False).tolist()) - given_up

    async def ask(i: int) -> None:
        await asyncio.sleep(i * 0.01)
        asking = asyncio.create_task(history.ask(gateways[i % 2], timeout_s=0.02 if i in late else PATIENCE_S))
        if i in given_up:
            await asyncio.sleep(0.01)
            asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    with ExitStack() as stack:
        *doomed, _ = [stack.enter_context(place.worker()) for _ in range(3)]
        await until_alive(settings, 3)
        async with dispatchers(settings, 2, workers=3) as gateways:
            asking = [asyncio.create_task(ask(i)) for i in range(N)]
            await asyncio.sleep(1.0)
            doomed[0].kill()
            await asyncio.sleep(1.0)
            doomed[1].kill()
            await asyncio.gather(*asking)
    history.check(but=(asyncio.CancelledError, TimedOut, Overloaded))
    assert sum(isinstance(asked.outcome, Reply) for asked in history.asked) >= N - len(given_up) - len(late)


@dataclass
class Pair:
    """Two workers with all models in memory. The first is stopped and holds requests; the gateway knows both."""

    first: Popen[bytes]
    second: Popen[bytes]
    gateway: Dispatcher
    history: History
    waiting: list[asyncio.Task[Asked]]


@pytest.fixture
async def pair(place: Place) -> AsyncIterator[Pair]:
    settings = place.settings.model_copy(update={"beat_s": 0.4})
    put_models(settings)
    history, known = History(settings), set[str]()
    with place.worker(beat_s=0.4) as one, place.worker(beat_s=0.4) as another:
        processes = await by_id(settings, [one, another])
        for each in processes:
            async with detoured(settings, of=each.__eq__) as [alone]:
                await until_reached(alone.gateway)
                for model in (MOONS, OTHER, STEPS):
                    await history.ask(alone.gateway, InferenceRequest(model, "sample", 1, 1))
        first, second = processes
        known.add(first)
        async with detoured(settings, of=known.__contains__) as [detour]:
            await until_reached(detour.gateway)
            processes[first].send_signal(signal.SIGSTOP)
            waiting = [asyncio.create_task(history.ask(detour.gateway)) for _ in range(20)]
            known.add(second)
            await until_reached(detour.gateway, 2)
            yield Pair(processes[first], processes[second], detour.gateway, history, waiting)
    history.check()


async def test_a_killed_worker_costs_its_requests_a_retry(
    pair: Pair, record_property: Callable[[str, object], None]
) -> None:
    killed_at = monotonic()
    pair.first.kill()
    asked = await asyncio.gather(*pair.waiting)
    took_ms = sorted(1000 * (each.ended - killed_at) for each in asked)
    record_property("retry_ms", took_ms)
    print(f"{len(asked)} requests were answered {took_ms[0]:.0f} to {took_ms[-1]:.0f} ms after their worker was killed")
    assert took_ms[-1] < RETRY_MS


async def test_a_stopped_worker_is_left_when_it_is_silent_and_takes_part_again_when_it_goes_on(pair: Pair) -> None:
    async with pair.history.clients([pair.gateway], 2, pause_s=0.05):
        await asyncio.gather(*pair.waiting)
        pair.first.send_signal(signal.SIGCONT)
        await until_reached(pair.gateway, 2)
        pair.second.kill()
        await pair.history.ask(pair.gateway)
        assert pair.first.poll() is None
