"""Datasets: files that clients upload under names, for runs to read.

A run is recorded with the digest of its dataset. So a name may get other bytes at any time, and the bytes that a
queued, running or paused job reads stay until it has ended, with a name or without.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar, final

from pydantic import TypeAdapter, ValidationError

from pushforward.models.data.tables.media_types import MEDIA_TYPES, ending_of
from pushforward.models.data.uploads.datasets import Dataset, digest_of
from pushforward.service.application.arrivals import check_room, receive
from pushforward.service.application.commands.uploads import OutlineDataset, PutDataset
from pushforward.service.application.trainings.outlines import DatasetOutline, outline_of
from pushforward.service.domain.catalog import Name
from pushforward.service.domain.datasets import Arrival, Datasets
from pushforward.service.domain.errors import Conflict, FieldError, NotFound, Unavailable
from pushforward.service.domain.jobs import Job, State
from pushforward.service.domain.ports import Jobs, Models
from pushforward.service.formats.signatures import known_media_type
from pushforward.service.processes.background import begin
from pushforward.service.settings import Settings

T = TypeVar("T")

SWEEP_S = 600.0  # between two sweeps
PAGE = 1000  # jobs that are read at a time
# A job that is given back, paused or resumed moves between these: whoever is not seen before is seen after.
UNFINISHED = (State.QUEUED, State.RUNNING, State.PAUSED, State.QUEUED, State.RUNNING)
ENDINGS = {
    **{media_type: ending_of(media_type) for media_type in MEDIA_TYPES},
    "application/x-npy": ".npy",
    "application/x-npz": ".npz",
    "application/zip": ".zip",
    "application/x-idx": ".idx",
}

_NAME: TypeAdapter[str] = TypeAdapter(Name)


@final
@dataclass(frozen=True)
class DatasetService:
    """Receives, lists, sends and deletes datasets."""

    stored: Datasets
    jobs: Jobs
    models: Models
    settings: Settings

    async def put(self, upload: PutDataset, pieces: AsyncIterator[bytes]) -> tuple[Dataset, bool]:
        """Keep a file under a name; the dataset, and whether its name is new.

        Raises UnsupportedMedia, RequestTooLarge, Malformed, Invalid, TooSlow, Conflict, Unavailable.
        """
        media_type = known_media_type(upload.media_type)
        async with self.stored.arrival() as arrival:
            await receive(upload, media_type, pieces, arrival, self.stored, self.settings)
            return await _to_its_end(self._keep(upload, media_type, arrival))

    async def list(self) -> Sequence[Dataset]:
        """All datasets, by name. Raises Unavailable."""
        return await self.stored.all()

    async def get(self, name: str) -> Dataset:
        """Raises NotFound, Unavailable."""
        dataset = await self.stored.get(name) if _is_name(name) else None
        if dataset is None:
            raise NotFound(f"there is no dataset {name[:100]!r}; list the datasets for those there are")
        return dataset

    async def outline(self, name: str, asked: OutlineDataset) -> DatasetOutline:
        """What a dataset would be as data of a run. Raises NotFound, Invalid, Unavailable."""
        return await outline_of(await self.get(name), asked, self.settings.data_root)

    async def file(self, name: str) -> DatasetFile:
        """The file of a dataset. Raises NotFound, Unavailable."""
        return DatasetFile(await self.get(name), self.stored)

    async def delete(self, name: str) -> Sequence[str]:
        """Delete a dataset; returns its name. Raises NotFound, Conflict, Unavailable."""
        await self.get(name)
        return await _to_its_end(self._delete(name))

    async def sweep(self) -> None:
        """Delete what uploads that were killed left behind, and bytes that no name has and no job reads.

        Raises Unavailable.
        """
        if await self.stored.used_bytes() == 0:  # nothing was uploaded; the data root may be read-only
            return
        async with self.stored.changing():
            await self.stored.sweep_arrivals()
            await self._drop_unnamed()

    async def keep_swept(self) -> None:
        """Sweep now and then, for ever."""
        while True:
            with suppress(Unavailable):
                await self.sweep()
            await asyncio.sleep(SWEEP_S)

    async def _keep(self, upload: PutDataset, media_type: str, arrival: Arrival) -> tuple[Dataset, bool]:
        async with self.stored.changing():
            present = await self.stored.get(upload.name)
            if present and (present.sha256, present.media_type) == (arrival.sha256, media_type):
                return present, False
            _check_replaces(upload, present)
            await check_room(0, self.stored, self.settings)
            dataset = Dataset(
                name=upload.name,
                media_type=media_type,
                bytes=arrival.n_bytes,
                sha256=arrival.sha256,
                created_at=time.time(),
            )
            await arrival.keep(dataset)
            with suppress(Unavailable):  # without the record of jobs it is not known who reads them; a sweep comes
                await self._drop_unnamed()
            return dataset, present is None

    async def _delete(self, name: str) -> Sequence[str]:
        async with self.stored.changing():
            dataset = await self.get(name)
            readers = await self._readers()
            if dataset.reference in readers:
                job = readers[dataset.reference]
                raise Conflict(f"job {job} reads the dataset {name}; cancel it, or wait for its end")
            await self.stored.remove(name)
            await self._drop_unnamed(readers)
            return [name]

    async def _drop_unnamed(self, readers: Mapping[str, str] | None = None) -> None:
        """Delete bytes that no name has and no job reads. Raises Unavailable."""
        unnamed = await self.stored.unnamed()
        if unnamed:
            read = await self._readers() if readers is None else readers
            await self.stored.drop(unnamed - {digest_of(reference) for reference in read})

    async def _readers(self) -> Mapping[str, str]:
        """The datasets that queued, running and paused jobs read, by reference, and one of these jobs each."""
        readers: dict[str, str] = {}
        for state in UNFINISHED:
            after: str | None = None
            while True:
                page = await self.jobs.list(state=state, model=None, limit=PAGE, after=after)
                for job in page.jobs:
                    readers |= dict.fromkeys(await self._read_by(job), job.id)
                if (after := page.next) is None:
                    break
        return readers

    async def _read_by(self, job: Job) -> Sequence[str]:
        """The datasets that a job reads: of its run; of an evaluation, what the model was trained on, too."""
        if job.evaluation is None:
            return _named(job.run.get("data"))
        try:
            trained = (await self.models.get(job.evaluation.model)).run
        except NotFound:  # deleted meanwhile
            trained = {}
        return [*_named(job.evaluation.against), *_named(trained.get("data"))]


@final
@dataclass(frozen=True)
class DatasetFile:
    """The file of a dataset, to download."""

    dataset: Dataset
    _stored: Datasets

    @property
    def n_bytes(self) -> int:
        return self.dataset.bytes

    @property
    def sha256(self) -> str:
        return self.dataset.sha256

    @property
    def media_type(self) -> str:
        return self.dataset.media_type

    @property
    def name(self) -> str:
        """The file name that is suggested to the client."""
        return f"{self.dataset.name}{ENDINGS.get(self.dataset.media_type, '.bin')}"

    def read(self, start: int = 0, stop: int | None = None) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 in pieces. Raises NotFound where the file is deleted meanwhile."""
        return self._stored.read(self.dataset, start, self.n_bytes if stop is None else stop)


def _named(data: Any) -> Sequence[str]:
    """The dataset of a source, if it has one."""
    reference = data.get("dataset") if isinstance(data, Mapping) else None
    return [reference] if isinstance(reference, str) else []


def _check_replaces(upload: PutDataset, present: Dataset | None) -> None:
    """Raises Conflict where the upload would replace what it does not say that it replaces."""
    if present is None and upload.if_match is not None:
        what = f"there is no dataset {upload.name} to be replaced; leave it out"
    elif present is not None and upload.if_match not in ("*", present.sha256):
        what = (
            f"{upload.name} holds another file; choose another name, or give its sha256 to replace it: {present.sha256}"
        )
    else:
        return
    raise Conflict(f"if_match: {what}", errors=(FieldError("if_match", what),))


def _is_name(name: str) -> bool:
    try:
        _NAME.validate_python(name)
    except ValidationError:
        return False
    return True


async def _to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of work that is not left half done where the client disconnects."""
    task = begin(work, "a change of the datasets")
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise
