"""A gateway's dispatcher, and a real inference thread where a test asks for it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.service.models_on_disk import put_model
from tests.service.running_worker import running_worker


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    put_model(tmp_path / "store")
    return Settings(redis_url=redis_url, store=tmp_path / "store", device="cpu", beat_s=0.25)


@pytest.fixture
async def inference(settings: Settings) -> AsyncIterator[InferenceThread]:
    async with running_worker(settings) as thread:
        yield thread


@pytest.fixture
async def asks(settings: Settings) -> AsyncIterator[Dispatcher]:
    asks = Dispatcher(settings)
    yield asks
    await asks.close()
