"""`service.worker.inference`: requests to a real Celery worker process."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from pushforward.service.dispatch.dispatcher import RedisAsks
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.settings import Settings
from tests.service.models_on_disk import MOONS, put_model


async def test_a_celery_worker_answers_and_leaves_on_sigterm(redis_url: str, tmp_path: Path):
    store = tmp_path / "store"
    put_model(store)
    settings = Settings(redis_url=redis_url, store=store, device="cpu")
    environment = {
        **os.environ,
        "PUSHFORWARD_REDIS_URL": redis_url,
        "PUSHFORWARD_STORE": str(store),
        "PUSHFORWARD_DEVICE": "cpu",
    }
    process = subprocess.Popen([sys.executable, "-m", "pushforward.service.worker"], env=environment)
    asks, workers = RedisAsks(settings), RedisWorkers(settings)
    try:
        async with asyncio.timeout(60):
            while not await workers.live():
                await asyncio.sleep(0.05)
        reply = await asks.ask(InferenceRequest(MOONS, "sample", 3, 1), timeout_s=20)
        assert reply.arrays["samples"].shape == (3, 2)
        (worker,) = await workers.live()
        assert worker.device == "cpu"
        process.send_signal(signal.SIGTERM)
        await asyncio.to_thread(process.wait, 40)
        assert await workers.live() == []
    finally:
        process.kill()
        process.wait()
        await asks.close()
        await workers.close()
