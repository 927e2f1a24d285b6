"""Attempts at jobs: the order for the child, and where its result goes, for each kind of job.

training    {attempt}/states, {attempt}/model  ─ reserve a version ─ {store}/{model}/{version}
sampling    {attempt}/rows.npy, or rows.csv    ─ one rename ──────── {store}/.files/{job}-{epoch}.npy, or .csv
evaluation  {attempt}/report                   ─ one rename each ─── {store}/{model}/{version}/evaluation.json

Data that are too large for memory are decoded into {job}/scratch, which all attempts at a job share.
"""

from __future__ import annotations

import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar, Protocol, TypeVar, final

from pushforward.models.storage.durable import sync
from pushforward.models.storage.evaluation import CLASSIFIER, CLASSIFIER_WEIGHTS, REPORT
from pushforward.service.domain.jobs import Job, ModelEvaluation, Sampling, sample_ending
from pushforward.service.domain.ports import Runs
from pushforward.service.runner.messages import (
    EvaluateOrder,
    JobOrder,
    ModelWritten,
    ReportWritten,
    Result,
    RowsWritten,
    SampleOrder,
    TrainOrder,
)
from pushforward.service.runner.restoring import JOBS, SCRATCH
from pushforward.service.settings import Settings
from pushforward.service.stores.disk_files import FILES, file_name
from pushforward.service.stores.disk_models import newest_number, publish

log = logging.getLogger(__name__)

T = TypeVar("T")
ROWS = "rows"  # with the ending of its format


class Retry(Protocol):
    """Retries a write to the record until Redis answers."""

    def __call__(self, write: Callable[[], T]) -> T:
        """The result of `write`. Raises Stale, and Unavailable where Redis does not answer for long."""


def attempts_in(folder: Path) -> list[Path]:
    """The folders of attempts at a job, newest first."""
    return sorted(folder.glob("[0-9]*"), key=lambda each: int(each.name), reverse=True)


class JobAttempt(ABC):
    """One attempt at a job, in a folder of its own."""

    keep_when_cancelled: ClassVar[bool]  # whether the files of a cancelled attempt are of use

    def __init__(self, job: Job, runs: Runs, settings: Settings) -> None:
        self.job = job
        self._runs = runs
        self._settings = settings
        self._store = settings.store.resolve()
        self.folder = self._store / JOBS / job.id
        self.attempt = self.folder / str(job.epoch)

    def prepare(self) -> Path:
        """Make the attempt's folder and write the order for its child; the file of the order. Raises OSError."""
        shutil.rmtree(self.attempt, ignore_errors=True)
        earlier = attempts_in(self.folder)
        self.attempt.mkdir(parents=True)
        order_file = self.attempt / "order.json"
        order_file.write_text(self.order(earlier).model_dump_json())
        return order_file

    def forget(self) -> None:
        """Delete the folders of all attempts at the job."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def forget_failed(self) -> None:
        """Delete what is of no use of a job that failed."""
        self.forget()

    @abstractmethod
    def order(self, earlier: Sequence[Path]) -> JobOrder:
        """The order for the child; `earlier` are the folders of the attempts before, newest first."""

    @abstractmethod
    def deliver(self, made: Result, retry: Retry) -> bool:
        """Publish the child's result, and record it; False where the job was cancelled.

        Raises:
            OSError, ValueError, Conflict: the result could not be published.
            Stale, Unavailable: as `retry` does.
        """


@final
class TrainingAttempt(JobAttempt):
    """Trains a version of a model."""

    keep_when_cancelled = True  # its checkpoints

    def order(self, earlier: Sequence[Path]) -> TrainOrder:
        start_model, start_states = self._start()
        return TrainOrder(
            run=self.job.run,
            data_root=self._settings.data_root.resolve(),
            states=self.attempt / "states",
            earlier=tuple(folder / "states" for folder in earlier),
            model=self.attempt / "model",
            checkpoint_s=self._settings.checkpoint_s,
            start_model=start_model,
            start_states=start_states,
            device=self._settings.device,
            torch_threads=self._settings.n_torch_threads,
            memory_bytes=self._settings.job_memory_bytes,
            scratch=self.folder / SCRATCH,
        )

    def deliver(self, made: Result, retry: Retry) -> bool:
        if not isinstance(made, ModelWritten):
            raise ValueError(f"a training left {made.kind!r}")
        job, metrics = self.job, made.metrics
        floor = newest_number(self._store, job.model)
        version = retry(lambda: self._runs.reserve_version(job.id, job.epoch, floor))
        if version is None:
            return False
        card = publish(self.attempt / "model", self._store, model=job.model, version=version, job=job.id)
        retry(lambda: self._runs.succeed(job.id, job.epoch, version, metrics))
        log.info("job %s: published %s", job.id, card.reference)
        return True

    def forget_failed(self) -> None:
        """Another run may start from the checkpoints; they are swept later (`runner.reconciler.sweep`)."""
        if not any(self.folder.glob("[0-9]*/states/step-*")):
            self.forget()

    def _start(self) -> tuple[Path | None, tuple[Path, ...]]:
        """The folder of the version that the run starts from, or those of a job's checkpoints; neither without one."""
        kind, _, rest = (self.job.run.get("start_from") or "").rpartition(":")
        if kind:
            return None, tuple(each / "states" for each in attempts_in(self._store / JOBS / rest))
        name, _, version = rest.partition("@")
        return (self._store / name / version if rest else None), ()


@final
class SamplingAttempt(JobAttempt):
    """Writes a sample into a file, whose name has the epoch, so that no attempt replaces the file of another."""

    keep_when_cancelled = False

    def __init__(self, job: Job, ask: Sampling, runs: Runs, settings: Settings) -> None:
        super().__init__(job, runs, settings)
        self._ask = ask

    def order(self, earlier: Sequence[Path]) -> SampleOrder:
        name, _, version = self._ask.model.partition("@")
        unfinished = [(folder / ROWS).with_suffix(".npy") for folder in earlier]
        unrecorded = [self._file(int(folder.name)) for folder in earlier]
        return SampleOrder(
            ask=self._ask,
            model=self._store / name / version,
            file=self._made,
            earlier=(*unrecorded, *unfinished),
            rows=self.job.progress.step,
            device=self._settings.device,
            torch_threads=self._settings.n_torch_threads,
            memory_bytes=self._settings.job_memory_bytes,
        )

    def deliver(self, made: Result, retry: Retry) -> bool:
        if not isinstance(made, RowsWritten):
            raise ValueError(f"a sampling left {made.kind!r}")
        job, n_bytes, digest = self.job, made.file_bytes, made.file_sha256
        file = self._file(job.epoch)
        file.parent.mkdir(exist_ok=True)
        self._made.rename(file)
        sync(file.parent)
        if not retry(lambda: self._runs.deliver(job.id, job.epoch, n_bytes, digest)):
            file.unlink(missing_ok=True)
            return False
        log.info("job %s: drew %d rows of %s", job.id, self._ask.n, self._ask.model)
        return True

    @property
    def _made(self) -> Path:
        """What the child leaves."""
        return (self.attempt / ROWS).with_suffix(sample_ending(self._ask.media_type))

    def _file(self, epoch: int) -> Path:
        """Where the file of an attempt goes."""
        return self._store / FILES / file_name(self.job.id, epoch, self._ask.media_type)


@final
class EvaluationAttempt(JobAttempt):
    """Compares a model's samples with rows of data, and puts the report beside its card."""

    keep_when_cancelled = False

    def __init__(self, job: Job, evaluation: ModelEvaluation, runs: Runs, settings: Settings) -> None:
        super().__init__(job, runs, settings)
        self._evaluation = evaluation
        name, _, version = evaluation.model.partition("@")
        self._model = self._store / name / version

    def order(self, earlier: Sequence[Path]) -> EvaluateOrder:
        return EvaluateOrder(
            job=self.job.id,
            evaluation=self._evaluation,
            model=self._model,
            data_root=self._settings.data_root.resolve(),
            report=self.attempt / "report",
            device=self._settings.device,
            torch_threads=self._settings.n_torch_threads,
            memory_bytes=self._settings.job_memory_bytes,
            scratch=self.folder / SCRATCH,
        )

    def deliver(self, made: Result, retry: Retry) -> bool:
        if not isinstance(made, ReportWritten):
            raise ValueError(f"an evaluation left {made.kind!r}")
        job, metrics, version = self.job, made.metrics, int(self._model.name)
        if not self._model.is_dir():
            raise ValueError(f"the model {self._evaluation.model} was deleted meanwhile")
        for name in (CLASSIFIER_WEIGHTS, CLASSIFIER, REPORT):  # what a file needs before it
            if (self.attempt / "report" / name).exists():
                (self.attempt / "report" / name).replace(self._model / name)
                sync(self._model)
        retry(lambda: self._runs.succeed(job.id, job.epoch, version, metrics))
        log.info("job %s: evaluated %s", job.id, self._evaluation.model)
        return True


def attempt_of(job: Job, runs: Runs, settings: Settings) -> JobAttempt:
    """The attempt of the job's kind."""
    if job.evaluation is not None:
        return EvaluationAttempt(job, job.evaluation, runs, settings)
    return TrainingAttempt(job, runs, settings) if job.ask is None else SamplingAttempt(job, job.ask, runs, settings)
