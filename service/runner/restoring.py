"""Restores jobs after Redis has lost its data, from records beside their checkpoints.

    {store}/.jobs/{job}/job.json     the record of an unfinished job, written when it was last claimed
    {store}/.jobs/{job}/paused       it is paused; follows the record at each reconciliation

A job that Redis does not know and that has such a file is queued again, or paused, with the epoch of the file. So its
runner, if it still has one, keeps the job, and writes of any other runner are refused as ever. The next attempt resumes
from the checkpoints. Jobs that no worker had claimed, records of finished jobs and requests to cancel are lost.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, final

from pydantic import ValidationError

from pushforward.models.storage.durable import sync
from pushforward.service.domain.jobs import Fault, Job, Kind, State, Wish
from pushforward.service.domain.ports import Runs, Stale, Update

log = logging.getLogger(__name__)

T = TypeVar("T")
JOBS = ".jobs"
RECORD = "job.json"
PAUSED = "paused"
SCRATCH = "scratch"  # data of the job that are too large for memory


def keep_record(store: Path, job: Job) -> None:
    """Write the record of a claimed job. Raises OSError."""
    folder = store / JOBS / job.id
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f".{RECORD}-{secrets.token_hex(4)}"
    try:
        draft.write_text(job.model_dump_json())
        sync(draft)
        draft.replace(folder / RECORD)
        sync(folder)
    except OSError:
        draft.unlink(missing_ok=True)
        raise


def drop_record(store: Path, job_id: str) -> None:
    """Delete the record of a finished job. If the disk fails, a later `restore` deletes it."""
    with suppress(OSError):
        (store / JOBS / job_id / RECORD).unlink(missing_ok=True)


def read_record(store: Path, job_id: str) -> Job | None:
    """None where there is none, or where it cannot be read."""
    try:
        job = Job.model_validate_json((store / JOBS / job_id / RECORD).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValidationError) as error:
        log.warning("job %s cannot be restored from its record on the disk: %s", job_id, error)
        return None
    return job if job.id == job_id else None


def restore(runs: Runs, store: Path) -> list[str]:
    """Restore the unfinished jobs that Redis lost; their ids. Deletes the records of finished jobs.

    Raises Unavailable: without Redis it is not known which jobs are lost.
    """
    restored = []
    for file in (store / JOBS).glob(f"*/{RECORD}"):
        job_id = file.parent.name
        state = runs.state(job_id)
        if state is not None:
            _mark(file.with_name(PAUSED), is_paused=state is State.PAUSED)
        if state is None and (job := read_record(store, job_id)) is not None:
            is_paused = file.with_name(PAUSED).exists()
            runs.restore(job.model_copy(update={"state": State.PAUSED}) if is_paused else job)
            log.warning("job %s was lost by Redis, and is restored from the disk", job_id)
            restored.append(job_id)
        elif state is not None and state.is_final:
            drop_record(store, job_id)
    return restored


def _mark(marker: Path, *, is_paused: bool) -> None:
    """Where the disk fails, the marker stays as it is, and a lost job may go on that was paused."""
    with suppress(OSError):
        if is_paused:
            marker.touch()
        else:
            marker.unlink(missing_ok=True)


@final
@dataclass(frozen=True)
class DurableRuns:
    """`ports.Runs` whose claimed jobs survive a loss of Redis's data."""

    runs: Runs
    store: Path

    def claim(self, kind: Kind, worker: str) -> Job | None:
        job = self.runs.claim(kind, worker)
        if job is not None:
            try:
                keep_record(self.store, job)
            except OSError as error:
                log.warning("job %s: a Redis that loses its data would lose it too: %s", job.id, error)
        return job

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> Wish:
        return self._again(job_id, lambda: self.runs.beat(job_id, epoch, updates))

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        return self._again(job_id, lambda: self.runs.reserve_version(job_id, epoch, floor))

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        self._again(job_id, lambda: self.runs.succeed(job_id, epoch, version, metrics))
        drop_record(self.store, job_id)

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        delivered = self._again(job_id, lambda: self.runs.deliver(job_id, epoch, file_bytes, file_sha256))
        if delivered:
            drop_record(self.store, job_id)
        return delivered

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._again(job_id, lambda: self.runs.fail(job_id, epoch, fault))
        drop_record(self.store, job_id)

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        self._again(job_id, lambda: self.runs.lose(job_id, epoch, fault))

    def give_back(self, job_id: str, epoch: int) -> None:
        self._again(job_id, lambda: self.runs.give_back(job_id, epoch))

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        self._again(job_id, lambda: self.runs.defer(job_id, epoch, reason))

    def state(self, job_id: str) -> State | None:
        return self.runs.state(job_id)

    def expire(self) -> Sequence[str]:
        return self.runs.expire()

    def unannounced(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        return self.runs.unannounced(older_s, kind)

    def waiting(self, kind: Kind = "train") -> int:
        return self.runs.waiting(kind)

    def restore(self, job: Job) -> None:
        self.runs.restore(job)

    def _again(self, job_id: str, write: Callable[[], T]) -> T:
        """Write; if that is stale because Redis lost the record, restore the record and write again."""
        try:
            return write()
        except Stale:
            if self.runs.state(job_id) is not None:
                raise
            job = read_record(self.store, job_id)
            if job is None:
                raise
        self.runs.restore(job)
        log.warning("job %s was lost by Redis, and is restored by its runner", job_id)
        return write()
