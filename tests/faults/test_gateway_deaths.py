"""A gateway that is stopped or killed while a worker has its requests: the others do not notice."""

import asyncio
import signal
from time import monotonic

import httpx

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.faults.asking import SOON_S, until_alive, until_reached, worker
from tests.faults.gateways import Gateway, serving
from tests.faults.history import History, publish_moons, put_models
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS

ROWS = 10_000


def settings_of(place: Place) -> Settings:
    settings = place.settings.model_copy(update={"beat_s": 0.3, "device": "cpu", "compile": "off"})
    put_models(settings)
    publish_moons(settings)
    return settings


async def until_ready(gateway: Gateway) -> None:
    async with httpx.AsyncClient(timeout=20, trust_env=False) as http, asyncio.timeout(30):
        while (await http.get(f"{gateway.url}/readyz")).status_code != 200:
            await asyncio.sleep(0.05)


async def draw(gateway: Gateway, seed: int) -> httpx.Response:
    async with httpx.AsyncClient(timeout=60, trust_env=False) as http:
        return await http.post(
            f"{gateway.url}/sample",
            json={"model": MOONS, "n": ROWS, "seed": seed},
            headers={"accept": "application/x-npy"},
        )


async def until_busy(thread: InferenceThread, *, busy: bool) -> None:
    async with asyncio.timeout(SOON_S):
        while thread.busy != busy:
            await asyncio.sleep(0.002)


async def test_a_stopped_gateway_slows_no_other_and_its_requests_end_when_it_goes_on(place: Place) -> None:
    settings = settings_of(place)
    history, other = History(settings), Dispatcher(settings)
    with worker(settings) as thread, serving(settings) as gateway:
        await until_alive(settings)
        await until_ready(gateway)
        await until_reached(other)
        expected = [(await draw(gateway, seed)).content for seed in range(12)]
        waiting = [asyncio.create_task(draw(gateway, seed)) for seed in range(12)]
        await until_busy(thread, busy=True)
        gateway.process.send_signal(signal.SIGSTOP)
        since = monotonic()
        async with history.clients([other], 3):
            await asyncio.sleep(3.0)
        assert max(asked.ended - asked.began for asked in history.asked) < SOON_S / 3
        assert len(history.asked) > 3 * (monotonic() - since) / SOON_S
        gateway.process.send_signal(signal.SIGCONT)
        for answer, rows in zip(await asyncio.gather(*waiting), expected, strict=True):
            if answer.status_code == 200:
                assert answer.content == rows
            else:
                assert answer.status_code in (503, 504), answer.text
                assert answer.json()["detail"]
        assert (await draw(gateway, 0)).content == expected[0]
        await other.close()
        await asyncio.to_thread(thread.stop)
    history.check()


async def test_a_worker_forgets_the_requests_of_a_killed_gateway_and_serves_others(place: Place) -> None:
    settings = settings_of(place)
    history, other = History(settings), Dispatcher(settings)
    with worker(settings) as thread, serving(settings) as gateway:
        await until_alive(settings)
        await until_ready(gateway)
        await until_reached(other)
        waiting = [asyncio.create_task(draw(gateway, seed)) for seed in range(10)]
        await until_busy(thread, busy=True)
        gateway.process.kill()
        await asyncio.gather(*waiting, return_exceptions=True)
        since = monotonic()
        await until_busy(thread, busy=False)
        assert monotonic() - since < SOON_S / 3
        await history.ask(other)
        await other.close()
        await asyncio.to_thread(thread.stop)
    history.check()
