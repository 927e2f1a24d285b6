"""What the service does, the same for every API. Every refusal is a `ServiceError`.

rest | rpc  ->  Application  ->  Jobs, Wakeups, Asks, Models, Workers, Files, Datasets (ports)
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import cast, final

from pushforward.service.application.catalog import Catalog
from pushforward.service.application.commands.commands import Sample
from pushforward.service.application.datasets import DatasetService
from pushforward.service.application.delivery import Delivered, Delivery, Form
from pushforward.service.application.inference import InferenceService, TargetModels
from pushforward.service.application.jobs import JobService
from pushforward.service.application.results import SampleResult, SampleStream
from pushforward.service.domain.datasets import Datasets
from pushforward.service.domain.errors import Invalid
from pushforward.service.domain.jobs import Job
from pushforward.service.domain.ports import Asks, Files, Jobs, Models, Reach, Wakeups, Workers
from pushforward.service.processes.background import begin
from pushforward.service.processes.intake import Intake
from pushforward.service.processes.table_reader import TableReader
from pushforward.service.settings import Settings

REPLY_ROWS = 64  # so few rows are one array at once: to see whether they need parts takes longer


@final
@dataclass(frozen=True)
class Application:
    """The service behind its APIs."""

    jobs: JobService
    inference: InferenceService
    catalog: Catalog
    datasets: DatasetService
    settings: Settings
    intake: Intake  # the bodies that this process holds at a time, through all its APIs

    @classmethod
    def over(
        cls,
        *,
        jobs: Jobs,
        wakeups: Wakeups,
        asks: Asks,
        models: Models,
        workers: Workers,
        reach: Reach,
        files: Files,
        datasets: Datasets,
        settings: Settings,
    ) -> Application:
        """The application over implementations of its ports."""
        targets, intake = TargetModels(models), Intake(settings)
        return cls(
            JobService(jobs, wakeups, files, datasets, targets, asks, settings),
            InferenceService(asks, targets, settings, intake, TableReader(settings.max_rows)),
            Catalog(models, workers, reach),
            DatasetService(datasets, jobs, models, settings),
            settings,
            intake,
        )

    async def sample(self, ask: Sample, delivery: Delivery[Delivered]) -> Delivered:
        """Draw a sample: one reply, a stream, or a job that writes a file. Raises as requests to models do."""
        return cast(Delivered, await self._sample(ask, delivery))

    async def _sample(self, ask: Sample, delivery: Delivery[Delivered]) -> Job | SampleResult | SampleStream:
        timeout_s = delivery.timeout_s
        if ask.where is not None:
            if delivery.form not in (Form.REPLY, Form.ARRAY):
                raise Invalid.field("where", "is for one reply; leave it out of streams and jobs")
            return await self.inference.accepted(ask, timeout_s=timeout_s)
        if delivery.large_as_job and ask.n > self.settings.max_stream_rows and ask.preview_every is None:
            return await self._start(ask, delivery)
        match delivery.form:
            case Form.JOB:
                return await self._start(ask, delivery)
            case Form.EVENTS:
                return await self.inference.previews(ask, timeout_s=timeout_s)
            case Form.MESSAGES if ask.preview_every is not None:
                return await self.inference.previews(ask, timeout_s=timeout_s)
            case Form.MESSAGES:
                return await self.inference.parts(ask, timeout_s=timeout_s)
            case Form.ARRAY if ask.n > REPLY_ROWS:
                stream = await self.inference.parts(ask, timeout_s=timeout_s)
                is_whole = isinstance(stream.first, SampleResult) and len(stream.first.samples) == ask.n
                return cast(SampleResult, stream.first) if is_whole else stream
        return await self.inference.ask(ask, timeout_s=timeout_s)

    async def _start(self, ask: Sample, delivery: Delivery[Delivered]) -> Job:
        """Start the job, even if the client disconnects meanwhile."""
        key, media_type = delivery.idempotency_key, delivery.media_type
        return await asyncio.shield(begin(self.jobs.sample(ask, media_type=media_type, idempotency_key=key), "a job"))
