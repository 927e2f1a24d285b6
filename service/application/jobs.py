"""Jobs: trainings, samplings into files, and evaluations."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass, replace
from typing import final

from pushforward.service.application.catalog import checked_name
from pushforward.service.application.charts.losses import DEFAULT_POINTS, checked_points, loss_curves
from pushforward.service.application.commands.commands import Evaluate, Sample, TrainModel
from pushforward.service.application.evaluations import checked_evaluation
from pushforward.service.application.idempotency import check_key, of_training
from pushforward.service.application.idempotency import fingerprint as fingerprint_of
from pushforward.service.application.inference import TargetModels
from pushforward.service.application.job_events import first_of, follow_events
from pushforward.service.application.trainings.outlines import TrainingPlan, plan_of
from pushforward.service.application.trainings.sweeps import checked_trials, new_training
from pushforward.service.application.trainings.training import asked_run, checked_run
from pushforward.service.domain.charts import LossCurves
from pushforward.service.domain.datasets import Datasets
from pushforward.service.domain.errors import Conflict, Invalid, NotFound, Unavailable
from pushforward.service.domain.jobs import EVENT_ID_PATTERN, Event, Job, Page, State, sample_ending
from pushforward.service.domain.ports import Asks, Files, Jobs, NewJob, Wakeups
from pushforward.service.formats import npy
from pushforward.service.settings import Settings

MAX_JOBS = 1000  # in one list
WAKEUPS = 16  # sent for a search: a woken slot goes on until no job waits
CURSOR_PATTERN = r"[0-9]{1,16}"  # microseconds since 1970


@final
@dataclass(frozen=True)
class JobService:
    """Starts, lists, follows, pauses, resumes and cancels jobs, and reads their files."""

    record: Jobs
    wakeups: Wakeups
    files: Files
    datasets: Datasets
    targets: TargetModels
    asks: Asks
    settings: Settings

    async def train(self, command: TrainModel, *, idempotency_key: str | None = None) -> Job:
        """Start a training or a search, or find the job of this key.

        Raises Invalid, NotFound, Conflict, Overloaded, Unavailable.
        """
        check_key(idempotency_key)
        asked = await asked_run(command, self.targets.models, self.record)
        fingerprint = of_training(command, asked.run)
        async with self.datasets.relying():
            checked = await checked_run(asked, self.settings.data_root)
            new = await new_training(command, checked, self.settings)
            return await self._start(replace(new, fingerprint=fingerprint, idempotency_key=idempotency_key))

    async def plan(self, command: TrainModel) -> TrainingPlan:
        """What a training would do; it is refused as the training would be. Raises Invalid, NotFound, Unavailable."""
        async with self.datasets.relying():
            asked = await asked_run(command, self.targets.models, self.record)
            checked = await checked_run(asked, self.settings.data_root)
            trials = await checked_trials(command.sweep, checked, self.settings)
            plan = await plan_of(command, checked, self.settings.data_root, self.asks)
            return plan.model_copy(update={"trials": len(trials) or None})

    async def train_or_plan(
        self, command: TrainModel, *, dry_run: bool, idempotency_key: str | None = None
    ) -> Job | TrainingPlan:
        """Start a training or, in a `dry_run`, tell what it would do. Raises as `train` does."""
        return await (self.plan(command) if dry_run else self.train(command, idempotency_key=idempotency_key))

    async def sample(self, ask: Sample, *, media_type: str | None = None, idempotency_key: str | None = None) -> Job:
        """Start a sampling into a file, or find the job of this key; `media_type` of the file: npy, csv, ...

        Raises NotFound, Unsupported, Invalid, NotAcceptable, Conflict, Overloaded.
        """
        check_key(idempotency_key)
        target = await self.targets.get(ask.model)
        sampling = target.sampling(ask, self.settings, media_type)
        condition = sampling.model_dump(mode="json")["condition"]
        file = () if sampling.media_type == npy.MEDIA_TYPE else (sampling.media_type,)
        request = ("sample", ask.model, ask.n, ask.seed, sampling.options, condition, *file)
        fingerprint = fingerprint_of(*request, priority=ask.priority)
        new = NewJob(target.card.model, ask=sampling, priority=ask.priority, fingerprint=fingerprint)
        return await self._start(replace(new, idempotency_key=idempotency_key))

    async def evaluate(self, command: Evaluate, *, idempotency_key: str | None = None) -> Job:
        """Start an evaluation of a model, or find the job of this key.

        Raises NotFound, Unsupported, Invalid, Conflict, Overloaded, Unavailable.
        """
        check_key(idempotency_key)
        target = await self.targets.get(command.model)
        async with self.datasets.relying():
            asked = await checked_evaluation(command, target, self.settings.data_root)
            against = command.against if isinstance(command.against, str) else command.against.model_dump(mode="json")
            request = ("evaluate", command.model, against, asked.metrics, asked.n, asked.seed)
            fingerprint = fingerprint_of(*request, priority=command.priority)
            new = NewJob(target.card.model, evaluation=asked, priority=command.priority, fingerprint=fingerprint)
            return await self._start(replace(new, idempotency_key=idempotency_key))

    async def _start(self, new: NewJob) -> Job:
        job, _ = await self.record.create(new)
        await self._wake(job)
        return job

    async def _wake(self, job: Job) -> None:
        """Tell workers of a job that waits, or of a search that has trials which do."""
        if job.state is State.QUEUED:
            await self.wakeups.wake(job.id, job.kind)
        elif job.sweep is not None:
            waiting = [trial.job for trial in job.sweep.trials if trial.state == State.QUEUED]
            for trial in waiting[:WAKEUPS]:
                await self.wakeups.wake(trial)

    async def get(self, job_id: str) -> Job:
        """Raises NotFound."""
        return await self.record.get(job_id)

    async def list(
        self, *, state: str | None = None, model: str | None = None, limit: int = 100, after: str | None = None
    ) -> Page:
        """Newest first; `after` is the `next` of the page before. Raises Invalid, NotFound."""
        if state is not None and state not in set(State):
            raise Invalid.field("state", f"must be one of {', '.join(State)}")
        if not 1 <= limit <= MAX_JOBS:
            raise Invalid.field("limit", f"must lie in [1, {MAX_JOBS}]")
        if after is not None and not re.fullmatch(CURSOR_PATTERN, after):
            raise Invalid.field("after", "must be what the page before gave for the next")
        if model is not None:
            checked_name(model)
        return await self.record.list(state=State(state) if state else None, model=model, limit=limit, after=after)

    async def cancel(self, job_id: str) -> Job:
        """Request the end of a job. Raises NotFound."""
        return await self.record.cancel(job_id)

    async def pause(self, job_id: str) -> Job:
        """Have a job wait until it is resumed; one that runs keeps what it has done. Raises NotFound, Conflict."""
        return _unfinished(await self.record.pause(job_id), "paused")

    async def resume(self, job_id: str) -> Job:
        """Have a paused job go on where it was. Raises NotFound, Conflict."""
        job = _unfinished(await self.record.resume(job_id), "resumed")
        await self._wake(job)
        return job

    async def losses(self, job_id: str, *, points: int = DEFAULT_POINTS) -> LossCurves:
        """The losses of a training at the steps it reported, thinned. Raises NotFound, Invalid."""
        checked_points(points)
        job, progress = await self.record.get(job_id), await self.record.progress(job_id)
        return await asyncio.to_thread(loss_curves, job, progress, points)

    async def watch(self, job_id: str, *, after: str = "0") -> AsyncIterator[Event] | None:
        """The events of a job after a given one, to its end; None where the job is over and `after` is its last event.

        Raises NotFound, Invalid before the first event.
        """
        if not re.fullmatch(EVENT_ID_PATTERN, after):
            raise Invalid.field("after", "must be the id of an event, or 0 for all")
        job = await self.record.get(job_id)
        events = self.record.watch(job_id, after=after)
        return await first_of(events) if job.state.is_final else events  # the events of a job that is over are there

    async def follow(self, job_id: str, *, after: str = "0", closing: asyncio.Event) -> AsyncIterator[Event]:
        """The events of `watch`. Raises Unavailable, saying where to resume, where `closing` is set before the end."""
        seen, is_over = after, False
        events = await self.watch(job_id, after=after)
        if events is None:
            return
        async for event in follow_events(events, closing):
            if event is not None:
                yield event
                seen, is_over = event.id, event.kind == "state" and State(event.data["state"]).is_final
        if not is_over and not (await self.record.get(job_id)).state.is_final:
            raise Unavailable(f"the service is closing; watch again after {seen}", retry_after_s=1.0)

    async def file(self, job_id: str) -> JobFile:
        """The file of a sampling. Raises NotFound, Conflict."""
        job = await self.record.get(job_id)
        if job.evaluation is not None:
            raise Conflict(f"job {job.id} evaluates a model and leaves no file; its report is on the card of the model")
        if job.ask is None:
            raise Conflict(f"job {job.id} trains a model and leaves no file; its result is the model {job.model}")
        if not job.state.is_final:
            if job.state is State.PAUSED:
                raise Conflict(f"job {job.id} is paused; resume it, and wait for its end")
            raise Conflict(f"job {job.id} is {job.state}; watch its events and wait for its end")
        if job.state is not State.SUCCEEDED or job.file_bytes is None or job.file_sha256 is None:
            raise Conflict(f"job {job.id} {job.state} and left no file; ask for it again")
        if not await self.files.has(job):
            kept_s = self.settings.keep_files_s
            raise NotFound(f"the file of job {job.id} is gone: files are kept for {kept_s:g} s; ask for it again")
        return JobFile(job, job.file_bytes, job.file_sha256, self.files, job.ask.media_type)


@final
@dataclass(frozen=True)
class JobFile:
    """A file to download."""

    job: Job
    n_bytes: int
    sha256: str
    _files: Files
    media_type: str

    @property
    def name(self) -> str:
        """The file name that is suggested to the client."""
        return f"{self.job.model}-{self.job.id}{sample_ending(self.media_type)}"

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 in pieces. Raises NotFound where the file is deleted meanwhile."""
        return self._files.read(self.job, start, self.n_bytes if stop is None else stop)


def _unfinished(job: Job, wanted: str) -> Job:
    """The job itself. Raises Conflict where it is over, or is being cancelled."""
    if job.state.is_final:
        raise Conflict(
            f"job {job.id} {'was ' if job.state is State.CANCELLED else ''}{job.state}; it cannot be {wanted}"
        )
    if job.cancel_requested:
        raise Conflict(f"job {job.id} is being cancelled; it cannot be {wanted}")
    return job
