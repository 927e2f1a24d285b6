"""`service.worker.forecasts`: a live worker measures trainings for its gateways, in a child process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from pushforward.models.run import Run
from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.domain.errors import Invalid, ServiceError, TimedOut, Unavailable
from pushforward.service.domain.forecasts import Forecast
from pushforward.service.domain.inference import FORECAST, InferenceRequest, Reply
from pushforward.service.settings import Settings
from pushforward.service.worker.inference import InferenceThread
from tests.service.conftest import small_run
from tests.service.running_worker import running_worker


@asynccontextmanager
async def worker(settings: Settings) -> AsyncIterator[tuple[Dispatcher, InferenceThread]]:
    dispatcher = Dispatcher(settings)
    async with running_worker(settings) as thread:
        try:
            yield dispatcher, thread
        finally:
            await dispatcher.close()


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> Settings:
    return Settings(redis_url=redis_url, store=tmp_path / "store", data_root=tmp_path, device="cpu", torch_threads=1)


def asked(run: dict[str, Any]) -> InferenceRequest:
    return InferenceRequest(FORECAST, "forecast", 1, 0, {"run": Run.model_validate(run).model_dump(mode="json")})


async def test_a_worker_foresees_a_training(settings: Settings) -> None:
    async with worker(settings) as (dispatcher, _):
        reply = await dispatcher.ask(asked(small_run(500)), timeout_s=60.0)
    told = Forecast.model_validate(reply.info)
    assert (told.total_steps, told.batch_size, told.device, told.torch_threads) == (500, 16, "cpu", 1)
    assert 0 < told.step_ms < 1000 * told.seconds
    assert 0 < told.n_parameters < told.memory_bytes < told.free_bytes


async def test_what_does_not_fit_is_refused_by_the_field(settings: Settings) -> None:
    tight = settings.model_copy(update={"job_memory_bytes": 2**28})
    large = small_run(500, optimizer={"batch_size": 65536}, family={"family": "vae", "width": 2048, "depth": 8})
    async with worker(tight) as (dispatcher, _):
        with pytest.raises(Invalid) as refused:
            await dispatcher.ask(asked(large), timeout_s=60.0)
    assert refused.value.errors[0].field in ("run.optimizer.batch_size", "run.family")
    assert "GiB" in refused.value.detail


async def test_data_that_cannot_be_read_are_refused_by_the_field(settings: Settings) -> None:
    run = small_run(500, data={"source": "npy", "path": "missing.npy"})
    async with worker(settings) as (dispatcher, _):
        with pytest.raises(Invalid) as refused:
            await dispatcher.ask(asked(run), timeout_s=60.0)
    assert refused.value.errors[0].field == "run.data.path"


async def test_several_are_foreseen_one_after_another(settings: Settings) -> None:
    async with worker(settings) as (dispatcher, _):
        replies = await asyncio.gather(*(dispatcher.ask(asked(small_run(n)), timeout_s=60.0) for n in (5, 6)))
    assert [reply.info["total_steps"] for reply in replies] == [5, 6]


async def test_one_that_nobody_waits_for_ends_its_child(settings: Settings) -> None:
    async with worker(settings) as (dispatcher, _):
        with pytest.raises(TimedOut):
            await dispatcher.ask(asked(small_run(500)), timeout_s=0.3)
        async with asyncio.timeout(20):
            while children():
                await asyncio.sleep(0.05)


async def test_a_worker_that_stops_gives_its_forecasts_up(settings: Settings) -> None:
    async with worker(settings) as (dispatcher, thread):
        waiting = asyncio.create_task(_outcome(dispatcher, asked(small_run(500))))
        async with asyncio.timeout(20):
            while not children():
                await asyncio.sleep(0.05)
        await asyncio.to_thread(thread.stop)
        assert isinstance(await waiting, Unavailable)
    assert not children()


async def _outcome(dispatcher: Dispatcher, request: InferenceRequest) -> Reply | ServiceError:
    try:
        return await dispatcher.ask(request, timeout_s=60.0)
    except ServiceError as error:
        return error


def children() -> list[psutil.Process]:
    """The children that run jobs or forecasts."""
    mine = psutil.Process().children(recursive=True)
    return [each for each in mine if any("runner.child" in word for word in _words(each))]


def _words(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.NoSuchProcess:
        return []
