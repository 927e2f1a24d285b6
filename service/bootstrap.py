"""Puts the application together: the only module that knows every adapter."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from service.adapters.celery_wakeups import CeleryWakeups
from service.adapters.disk_files import DiskFiles
from service.adapters.disk_models import DiskModels
from service.adapters.measured_asks import MeasuredAsks
from service.adapters.redis_asks import RedisAsks
from service.adapters.redis_jobs import RedisJobs
from service.adapters.redis_workers import RedisWorkers
from service.application import Application
from service.settings import Settings
from service.telemetry import Telemetry


@asynccontextmanager
async def application(settings: Settings, telemetry: Telemetry) -> AsyncIterator[Application]:
    """The application over Redis, Celery and the disk; lets Redis go at the end."""
    jobs, asks, workers = RedisJobs(settings), RedisAsks(settings), RedisWorkers(settings)
    try:
        yield Application(
            jobs=jobs,
            wakeups=CeleryWakeups(settings),
            asks=MeasuredAsks(asks, telemetry),
            models=DiskModels(settings.store),
            workers=workers,
            files=DiskFiles(settings.store),
            settings=settings,
        )
    finally:
        await asks.close()
        await workers.close()
        await jobs.close()
