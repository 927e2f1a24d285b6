"""A request that ends each worker that takes it is refused after three; those in its company are answered.

The request is so large that the machine's memory is short, and the test is what the kernel's OOM killer is.
"""

import asyncio
from collections.abc import Sequence
from contextlib import ExitStack
from subprocess import Popen

import numpy as np
import psutil
import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Failed
from pushforward.service.domain.inference import InferenceRequest
from tests.faults.asking import by_id, until_reached
from tests.faults.history import History, put_models
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS

WORKERS = 4
POISON_ROWS = 12_000_000
POISON_BYTES = 8 * POISON_ROWS


async def kill_the_large(workers: Sequence[Popen[bytes]]) -> int:
    """Kill workers that take much more memory than now, until three are dead."""
    limits = {each: _memory_bytes(each) + POISON_BYTES // 2 for each in workers}
    killed: set[Popen[bytes]] = set()
    while len(killed) < 3:
        for each, limit in limits.items():
            if each not in killed and _memory_bytes(each) > limit:
                each.kill()
                killed.add(each)
        await asyncio.sleep(0.005)
    return len(killed)


def _memory_bytes(process: Popen[bytes]) -> int:
    return int(psutil.Process(process.pid).memory_info().rss)


async def test_a_request_that_kills_three_workers_is_refused_and_its_company_is_answered(place: Place) -> None:
    settings = place.settings.model_copy(update={"beat_s": 0.4})
    put_models(settings)
    history, gateway = History(settings), Dispatcher(settings)
    with ExitStack() as stack:
        workers = [stack.enter_context(place.worker(beat_s=0.4)) for _ in range(WORKERS)]
        await by_id(settings, workers)
        await until_reached(gateway, WORKERS)
        for _ in range(5):
            await asyncio.gather(*(history.ask(gateway) for _ in range(20)))
        killing = asyncio.create_task(kill_the_large(workers))
        async with history.clients([gateway], 4):
            poison = InferenceRequest(MOONS, "encode", POISON_ROWS, 0, {}, {"x": np.ones((POISON_ROWS, 2), np.float32)})
            with pytest.raises(Failed, match="no worker survived"):
                await gateway.ask(poison, timeout_s=100)
            assert await killing == 3
            await history.ask(gateway)
        assert sum(each.poll() is None for each in workers) == WORKERS - 3
        await gateway.close()
    history.check()
