"""Requests while Redis is stopped, killed, flushed or full: they are answered, the gateway is ready, and jobs wait."""

import asyncio
import signal
from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
import redis

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Unavailable
from tests.faults.asking import until_alive, until_reached, worker
from tests.faults.gateways import serving
from tests.faults.history import History, publish_moons, put_models
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS

NPY = {"accept": "application/x-npy"}


def stopped(place: Place) -> None:
    place.redis.send_signal(signal.SIGSTOP)


def killed(place: Place) -> None:
    place.kill_redis()


def flushed(place: Place) -> None:
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.flushall()


def full(place: Place) -> None:
    with redis.Redis.from_url(place.settings.redis_url) as client:
        client.config_set("maxmemory", 1)


@pytest.mark.parametrize("fault", [stopped, killed, flushed, full], ids=lambda fault: fault.__name__)
async def test_requests_are_answered_and_the_gateway_stays_ready(
    place: Place, monkeypatch: pytest.MonkeyPatch, fault: Callable[[Place], None]
) -> None:
    monkeypatch.setattr("pushforward.service.stores.redis_client.COMMAND_S", 0.5)
    settings = place.settings.model_copy(update={"beat_s": 0.2, "device": "cpu", "compile": "off"})
    put_models(settings)
    history, gateway = History(settings), Dispatcher(settings)
    with worker(settings) as thread:
        await until_alive(settings)
        await until_reached(gateway)
        async with history.clients([gateway], 3):
            fault(place)
            before = len(history.asked)
            for _ in range(15):  # three times as long as a heartbeat counts
                await asyncio.sleep(0.2)
                assert [each.id for each in await gateway.reach()] == [thread.id]
            assert len(history.asked) > before + 3
        await gateway.close()
        place.redis.send_signal(signal.SIGCONT)
        await asyncio.to_thread(thread.stop)
    history.check()


async def test_a_gateway_process_is_ready_without_redis_and_no_job_is_lost(place: Place) -> None:
    settings = place.settings.model_copy(update={"beat_s": 0.2, "device": "cpu", "compile": "off"})
    put_models(settings)
    publish_moons(settings)
    job = await place.create(3)
    with worker(settings) as thread, serving(settings) as gateway:
        async with httpx.AsyncClient(base_url=gateway.url, timeout=20, trust_env=False) as http:
            async with asyncio.timeout(30):
                while (await http.get("/readyz")).status_code != 200:
                    await asyncio.sleep(0.05)
            stopped(place)
            await asyncio.sleep(1.5)
            assert [each["id"] for each in (await http.get("/readyz")).json()["workers"]] == [thread.id]
            told = []
            for seed in (1, 1, 2):
                answer = await http.post("/sample", json={"model": MOONS, "n": 2, "seed": seed}, headers=NPY)
                assert answer.status_code == 200, answer.text
                told.append(answer.content)
            assert told[0] == told[1] != told[2]
            refused = await http.get(f"/jobs/{job.id}")
            assert (refused.status_code, refused.json()["type"]) == (503, "/problems/unavailable")
            place.redis.send_signal(signal.SIGCONT)
            assert (await http.get(f"/jobs/{job.id}")).json()["state"] == "queued"
        await asyncio.to_thread(thread.stop)


async def test_a_gateway_that_has_never_seen_redis_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pushforward.service.stores.redis_client.COMMAND_S", 0.3)
    monkeypatch.setattr("pushforward.service.dispatch.roster.OUTAGE_S", 1.0)
    stopped(place)
    gateway = Dispatcher(place.settings.model_copy(update={"beat_s": 0.2}))
    try:
        async with asyncio.timeout(10):
            with suppress(Unavailable):
                await gateway.reach()
            with pytest.raises(Unavailable, match="Redis does not answer"):
                await gateway.reach()
    finally:
        place.redis.send_signal(signal.SIGCONT)
        await gateway.close()
