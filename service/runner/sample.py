"""One attempt at a sampling, in a child process: writes the rows of one seed, chunk by chunk, into an npy file.

Row i is a pure function of (model, seed, i). So an attempt goes on at the row where the one before ended, and the file
is the same. Progress counts only rows that are on the disk, so the record holds even after a power failure.

Rows of a table that are asked for in another format are written into a file of it at the end, from the npy file.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import final

import numpy as np
import torch
from torch import Tensor

from pushforward.models.errors import BadCheckpoint, Diverged, Hindered, TooLarge
from pushforward.models.family import Samples
from pushforward.models.noise import Noise
from pushforward.models.spec.condition import ConditionValue, as_array
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.stepwise.program import states
from pushforward.models.stepwise.sampling import Sampler
from pushforward.models.storage.model import Model, load_model
from pushforward.service.domain.jobs import NPY, Fault
from pushforward.service.engine.failures import not_finite
from pushforward.service.formats.table_files import table_file
from pushforward.service.runner.messages import (
    DONE,
    FAULTY,
    INTERRUPTED,
    PACE_S,
    ProgressMessage,
    RefusalMessage,
    RowsWritten,
    SampleOrder,
    Send,
    pace_s,
)
from pushforward.service.runner.rows_file import RowsFile, whole_bytes

log = logging.getLogger(__name__)

CHUNK_ROWS = 1024
CHUNK_VALUES = 2**20  # numbers in the data of one forward pass


def run_order(order: SampleOrder, device: torch.device, send: Send, stop: threading.Event) -> int:
    """Draw to the last row, or until `stop` is set; the exit code. Raises LaboratoryError."""
    model = _load(order, device)
    try:
        spec = model.card.spec
        _check_room(order.file.parent, whole_bytes(order.ask.n, spec.shape, spec.dtype))
        with RowsFile(order.file.with_suffix(".npy"), order.ask.n, spec.shape, spec.dtype) as file:
            return _fill(file, order, model, device, send, stop)
    except TooLarge as error:
        send(RefusalMessage(fault=Fault(type="store", detail=error.message)))
        return FAULTY


def _load(order: SampleOrder, device: torch.device) -> Model:
    if not order.model.is_dir():
        raise BadCheckpoint(f"the model {order.ask.model} is gone; ask one of the models that are listed")
    return load_model(order.model, device)


def _check_room(folder: Path, wanted_bytes: int) -> None:
    """Raises TooLarge where the disk is too small, Hindered where it is too full."""
    disk = shutil.disk_usage(folder)
    if disk.total < wanted_bytes:
        raise TooLarge(
            f"the file takes {wanted_bytes} bytes, and the whole disk has {disk.total}; make room, or ask for less"
        )
    if disk.free < wanted_bytes:
        raise Hindered(
            f"the file takes {wanted_bytes} bytes, and the disk of the store has {disk.free} left; make room"
        )


def _fill(
    file: RowsFile, order: SampleOrder, model: Model, device: torch.device, send: Send, stop: threading.Event
) -> int:
    if order.earlier:
        _resume(file, order, send)
    progress = _RowProgress(file, order.ask.n, send)
    sampler, ask = _sampler(model, order), order.ask
    spec = model.card.spec
    given = _values(ask.condition, spec)
    c = _code(given, spec).to(device)
    for rows in chunks(sampler, spec, c, seed=ask.seed, first=file.n_rows, n=ask.n, device=device):
        if stop.is_set():
            progress.now()
            return INTERRUPTED
        if rows is not None:
            file.append(rows)
        progress.if_due()
    progress.now()
    if ask.media_type == NPY or spec.table is None:
        send(RowsWritten(file_bytes=file.n_bytes, file_sha256=file.digest))
        return DONE
    for written in table_file(file.path, order.file, spec, given, ask.media_type):  # noqa: B007  the last one is needed
        if stop.is_set():
            return INTERRUPTED
        progress.if_due()
    send(RowsWritten(file_bytes=written.n_bytes, file_sha256=written.sha256))
    return DONE


def _resume(file: RowsFile, order: SampleOrder, send: Send) -> None:
    """Copy the rows of the earlier attempt that wrote most, and delete the files of all earlier ones."""
    promised = ProgressMessage(step=order.rows, total_steps=order.ask.n, losses={}, steps_per_s=0.0)
    said_at = monotonic()
    of_rows = [each for each in order.earlier if each.suffix == file.path.suffix]
    for _ in file.resume_from(max(of_rows, key=_n_bytes), order.rows):
        if monotonic() - said_at >= PACE_S[1]:
            send(promised)  # copying may take long, and a silent child is killed
            said_at = monotonic()
    file.sync()
    log.info("goes on at row %d", file.n_rows)
    for earlier in order.earlier:
        earlier.unlink(missing_ok=True)


@torch.inference_mode()
def chunks(
    sampler: Sampler, spec: DataSpec, c: Tensor, *, seed: int, first: int, n: int, device: torch.device
) -> Iterator[np.ndarray | None]:
    """Rows first, ..., n - 1 of a seed under the condition c, (1, C), in chunks; None after each step of a chunk.

    Chunks that do not fit into memory are halved. Raises Diverged where a number is not finite.
    """
    size = max(1, min(CHUNK_ROWS, CHUNK_VALUES // spec.size))
    start = first
    while start < n:
        noise = Noise.rows(seed, min(size, n - start), start=start, device=device)
        try:
            for state in states(sampler, (c.expand(len(noise), -1),), noise):  # noqa: B007  the last one is needed
                yield None
            rows = sampler.finish(state, noise)
        except torch.OutOfMemoryError:
            if size == 1:
                raise
            size //= 2
            log.warning("a chunk does not fit into memory; the next ones have %d rows", size)
            continue
        chunk = spec.from_networks(rows).cpu().numpy()
        if not spec.is_finite(chunk):
            raise Diverged(not_finite("samples"))
        yield chunk
        start += len(noise)


def _sampler(model: Model, order: SampleOrder) -> Sampler:
    family = model.family
    if not isinstance(family, Samples):
        raise BadCheckpoint(f"the model {order.ask.model} cannot be sampled")
    return family.sampler(model.nets, family.SampleOptions.model_validate(order.ask.options))


def _values(condition: ConditionValue | None, spec: DataSpec) -> np.ndarray | None:
    """The condition of all rows, (1, V)."""
    return None if condition is None or spec.condition is None else spec.condition.read(as_array(condition))


def _code(values: np.ndarray | None, spec: DataSpec) -> Tensor:
    """The encoded condition of all rows, (1, C): zeros where there is none."""
    if values is None or spec.condition is None:
        return torch.zeros(1, spec.condition_size)
    return spec.condition.code(torch.from_numpy(values))


def _n_bytes(file: Path) -> int:
    """0 where there is no file."""
    return file.stat().st_size if file.exists() else 0


@final
class _RowProgress:
    """Reports how many rows are on the disk: at once, and then now and again."""

    def __init__(self, file: RowsFile, n: int, send: Send) -> None:
        self._file, self._n, self._send = file, n, send
        self._first, self._synced = file.n_rows, -1
        self._began = monotonic()
        self.now()

    def now(self) -> None:
        """Report. Raises OSError."""
        rows, seconds = self._file.n_rows, monotonic() - self._began
        if rows != self._synced:
            self._file.sync()
            self._synced = rows
        rows_per_s = (rows - self._first) / max(seconds, 1e-6)
        message = ProgressMessage(step=rows, total_steps=self._n, losses={}, steps_per_s=rows_per_s)
        left_s = (self._n - rows) / rows_per_s if rows_per_s else None
        self._send(message.model_copy(update={"seconds_left": left_s}))
        self._said = monotonic()

    def if_due(self) -> None:
        """Report if the last report is old enough. Raises OSError."""
        if monotonic() - self._said >= pace_s(self._said - self._began):
            self.now()
