"""Builds the application: the only module that knows every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pushforward.service.application.application import Application
from pushforward.service.dispatch.dispatcher import Dispatcher
from pushforward.service.dispatch.workers import RedisWorkers
from pushforward.service.domain.ports import Asks
from pushforward.service.jobs.celery_wakeups import CeleryWakeups
from pushforward.service.jobs.redis_record import RedisJobs
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_datasets import DiskDatasets
from pushforward.service.stores.disk_files import DiskFiles
from pushforward.service.stores.disk_models import DiskModels
from pushforward.service.telemetry.gateway import Telemetry
from pushforward.service.telemetry.measured import MeasuredAsks

if TYPE_CHECKING:
    from pushforward.service.telemetry.spans import GatewayTracing


@asynccontextmanager
async def application(
    settings: Settings, telemetry: Telemetry, tracing: GatewayTracing | None = None
) -> AsyncIterator[Application]:
    """The application with Redis, Celery and the disk; closes Redis at the end."""
    jobs, asks, workers = RedisJobs(settings), Dispatcher(settings), RedisWorkers(settings)
    try:
        yield Application.over(
            jobs=jobs,
            wakeups=CeleryWakeups(settings),
            asks=MeasuredAsks(_traced(asks, tracing), telemetry),
            models=DiskModels(settings.store),
            workers=workers,
            reach=asks,
            files=DiskFiles(settings.store),
            datasets=DiskDatasets(settings.data_root),
            settings=settings,
        )
    finally:
        await asks.close()
        await workers.close()
        await jobs.close()


def _traced(asks: Asks, tracing: GatewayTracing | None) -> Asks:
    if tracing is None:
        return asks
    from pushforward.service.telemetry.traced import TracedAsks

    return TracedAsks(asks, tracing)
