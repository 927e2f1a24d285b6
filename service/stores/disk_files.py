"""Files of finished samplings: `{store}/.files/{job}-{epoch}.{npy, csv, ...}`, with the epoch that
succeeded.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import final

from pushforward.service.domain.errors import NotFound
from pushforward.service.domain.jobs import NPY, Job, sample_ending

FILES = ".files"  # folder of the store
PIECE_BYTES = 2**20


@final
class DiskFiles:
    """`ports.Files`. Reads in threads, a piece at a time."""

    def __init__(self, store: Path) -> None:
        self._folder = store / FILES

    async def has(self, job: Job) -> bool:
        return await asyncio.to_thread(self._path(job).is_file)

    def read(self, job: Job, start: int, stop: int) -> AsyncGenerator[bytes]:
        return pieces_of(self._path(job), start, stop, f"the file of job {job.id}")

    def _path(self, job: Job) -> Path:
        return self._folder / file_name(job.id, job.epoch, NPY if job.ask is None else job.ask.media_type)


async def pieces_of(file: Path, start: int, stop: int, what: str) -> AsyncGenerator[bytes]:
    """Bytes start, ..., stop - 1 of a file. Raises NotFound, saying `what` it is."""
    try:
        stream = await asyncio.to_thread(file.open, "rb")
    except FileNotFoundError as error:
        raise NotFound(f"{what} is no longer kept; ask for it again") from error
    with stream:
        stream.seek(start)
        while start < stop:
            piece = await asyncio.to_thread(stream.read, min(PIECE_BYTES, stop - start))
            if not piece:
                raise NotFound(f"{what} ends at byte {start}, before {stop}")
            yield piece
            start += len(piece)


def file_name(job_id: str, epoch: int, media_type: str) -> str:
    """The name of an attempt's file."""
    return f"{job_id}-{epoch}{sample_ending(media_type)}"
