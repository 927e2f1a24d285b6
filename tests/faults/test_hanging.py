"""A worker whose thread hangs in a call: its beats go on and tell of it, nobody trusts it, and its process ends."""

import asyncio
import os
import subprocess
import sys
import threading

import pytest

from pushforward.service import healthcheck
from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.frames import decode_from_gateway
from pushforward.service.dispatch.framing import Buffer
from pushforward.service.dispatch.messages import FromGateway
from pushforward.service.domain.errors import Unavailable
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.processes.background import EX_SOFTWARE
from pushforward.service.worker import listener
from tests.faults.asking import ONE, until_alive, until_reached, worker
from tests.faults.place import Place
from tests.service.models_on_disk import MOONS, put_model


async def test_a_thread_that_hangs_is_seen_by_the_gateway_and_the_health_check(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def hanging(data: Buffer) -> FromGateway:
        go_on.wait(60)
        return decode_from_gateway(data)

    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu", "ask_timeout_s": 0.5})
    asks = Dispatcher(settings)
    with worker(settings) as thread:
        await until_alive(settings)
        await until_reached(asks)
        assert await healthcheck.check_worker(settings) is None
        monkeypatch.setattr(listener, "decode_from_gateway", hanging)
        waiting = asyncio.create_task(asks.ask(ONE, timeout_s=60))
        await asyncio.sleep(1.5)
        with pytest.raises(Unavailable, match=f"no worker's inference thread comes round.*{thread.id}"):
            await asks.reach()
        assert "the thread that answers requests" in str(await healthcheck.check_worker(settings))
        go_on.set()
        await waiting
        await until_reached(asks)
        await asks.close()
        await asyncio.to_thread(thread.stop)


async def test_a_worker_amid_a_long_call_is_still_ready(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = threading.Event()

    def slow(data: Buffer) -> FromGateway:
        go_on.wait(60)
        return decode_from_gateway(data)

    put_model(place.settings.store)
    settings = place.settings.model_copy(update={"beat_s": 0.1, "device": "cpu"})
    asks = Dispatcher(settings)
    with worker(settings) as thread:
        await until_alive(settings)
        await until_reached(asks)
        monkeypatch.setattr(listener, "decode_from_gateway", slow)
        waiting = asyncio.create_task(asks.ask(ONE, timeout_s=60))
        await asyncio.sleep(1.2)
        await asks.reach()
        go_on.set()
        await waiting
        await asks.close()
        await asyncio.to_thread(thread.stop)


async def test_a_worker_that_hangs_ends_with_a_line_and_an_exit_code(place: Place) -> None:
    put_model(place.settings.store)
    program = """
import sys, threading
from pushforward.service.settings import Settings
from pushforward.service.worker import listener, inference
from pushforward.service.telemetry import logs
logs.setup("worker", 20)
def hangs(data): threading.Event().wait(3600)
listener.decode_from_gateway = hangs
thread = inference.InferenceThread(Settings(device="cpu"))
thread.start()
thread.join()
"""
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": place.settings.redis_url,
        "PUSHFORWARD_STORE": str(place.settings.store),
        "PUSHFORWARD_HANG_S": "1.5",
        "PUSHFORWARD_BEAT_S": "0.1",
    }
    process = subprocess.Popen([sys.executable, "-c", program], env=environment, stderr=subprocess.PIPE, text=True)
    asks = Dispatcher(place.settings.model_copy(update={"beat_s": 0.1}))
    try:
        await until_alive(place.settings)
        asking = asyncio.create_task(asks.ask(InferenceRequest(MOONS, "sample", 1, 1), timeout_s=60))
        _, said = await asyncio.to_thread(process.communicate, None, 60)
        assert process.returncode == EX_SOFTWARE
        assert "the thread that answers requests has hung" in said
        assert "in hangs" in said
        with pytest.raises(Unavailable, match="no worker is alive"):
            await asking
    finally:
        process.kill()
        await asks.close()
