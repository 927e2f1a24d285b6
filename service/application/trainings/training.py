"""From a command to the run of a training, its start pinned, checked against its data before a job is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pushforward.models.data import Source
from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.held_out import check_patience
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import Shape
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.application.commands.validation import parse
from pushforward.service.domain.errors import Invalid, NotFound, Unavailable
from pushforward.service.domain.jobs import State
from pushforward.service.domain.ports import Jobs, Models
from pushforward.service.processes.outline import Outline, outline

S = TypeVar("S", bound=Source)
T = TypeVar("T")

MAX_NAME_CHARS = 100  # of a preset that is repeated


class CheckedRun(NamedTuple):
    """A run that fits its data."""

    run: Run  # of data that no later upload changes
    form: Family  # of its family, which models these data
    outline: Outline


class PinnedStart(NamedTuple):
    """What a training starts from: a version, or a job that did not succeed."""

    name: str  # digits-vae@3, job:0123456789abcdef
    run: dict[str, Any]  # that made it
    shape: Shape | None  # of a row; None of a job


class AskedRun(NamedTuple):
    """The run of a command, and what it starts from."""

    run: Run
    start: PinnedStart | None = None


async def checked_run(asked: AskedRun, data_root: Path) -> CheckedRun:
    """A run, checked against its data. Raises Invalid, Unavailable."""
    source = await pinned(asked.run.data, data_root, "run.data")
    run = asked.run.model_copy(update={"data": source})
    outline = await outlined(run.data, data_root, "run.data")
    _check_shape(asked.start, outline.spec.shape)
    return fitting(run, outline)


def fitting(run: Run, outline: Outline) -> CheckedRun:
    """A run, checked against what its data are. Raises Invalid."""
    try:
        form = form_of(run.family, outline.spec)
        form.check(outline.spec)
        check_patience(run, form)
    except InvalidData as error:
        raise Invalid.field(error.field or "run.family", error.message) from error
    return CheckedRun(run, form, outline)


async def outlined(source: Source, data_root: Path, within: str) -> Outline:
    """What a source says of its data; `within` is the field that holds the source. Raises Invalid, Unavailable."""
    return await _refusing(source, outline(source, data_root), within)


async def pinned(source: S, data_root: Path, within: str) -> S:
    """The same source, of which no later upload changes anything. Raises Invalid, Unavailable."""
    return await read_of_source(source, partial(source.pinned, data_root), within)


async def read_of_source(source: Source, read: Callable[[], T], within: str) -> T:
    """What is read of a source, in a thread. Raises Invalid, Unavailable."""
    return await _refusing(source, asyncio.to_thread(read), within)


async def _refusing(source: Source, reading: Awaitable[T], within: str) -> T:
    try:
        return await reading
    except InvalidData as error:
        fault = source.reworded(error)
        raise Invalid.field(f"{within}.{fault.field}" if fault.field else within, fault.message) from error
    except Hindered as error:
        raise Unavailable(error.message, retry_after_s=30.0) from error


def _check_shape(start: PinnedStart | None, shape: Shape) -> None:
    if start is not None and start.shape not in (None, shape):
        raise Invalid.field(
            "start_from",
            f"{start.name} models rows of shape {list(start.shape or ())}, and those of the data have the shape "
            f"{list(shape)}; give data of the same shape, or start from another model",
        )


async def asked_run(command: TrainModel, models: Models, jobs: Jobs) -> AskedRun:
    """The run of a command, its start pinned to a version. Raises NotFound, Invalid."""
    if command.preset is not None and command.preset not in PRESETS:
        wanted = command.preset[:MAX_NAME_CHARS]
        hint = did_you_mean(near(wanted, PRESETS))
        raise NotFound(" ".join(filter(None, (f"there is no preset {wanted!r};", hint, "list the presets for all"))))
    run = PRESETS[command.preset].run if command.preset is not None and command.run is None else command.run
    start_from = _start_of(command)
    if start_from is None:
        if isinstance(run, Run):
            return AskedRun(run)
        raise TypeError("a command without a start has a run")
    start = await _pinned_start(start_from, models, jobs)
    if not isinstance(run, Run):
        changes = {} if run is None else run.fields
        run = parse(Run, _recorded_run(start).changed(changes), within="run")
    return AskedRun(run.model_copy(update={"start_from": start.name}), start)


def _start_of(command: TrainModel) -> str | None:
    """What it starts from, as it was sent. Raises Invalid where it says two things."""
    run = command.run
    of_run = run.start_from if isinstance(run, Run) else None if run is None else run.fields.get("start_from")
    if command.start_from is not None and of_run not in (None, command.start_from):
        raise Invalid.field("start_from", "differs from run.start_from; leave one of them out")
    return command.start_from or of_run


async def _pinned_start(start_from: str, models: Models, jobs: Jobs) -> PinnedStart:
    """Raises NotFound, Invalid."""
    kind, _, job_id = start_from.rpartition(":")
    if not kind:
        card = await models.get(start_from)
        return PinnedStart(card.reference, card.run, card.spec.shape)
    job = await jobs.get(job_id)
    if job.kind != "train":
        raise Invalid.field("start_from", f"job {job.id} is no training; give one that is, or a version of a model")
    if job.state is State.SUCCEEDED:
        raise Invalid.field("start_from", f"job {job.id} published {job.model}@{job.version}; start from that")
    if not job.state.is_final:
        raise Invalid.field("start_from", f"job {job.id} is {job.state}; cancel it, and start when it has ended")
    return PinnedStart(start_from, job.run, None)


def _recorded_run(start: PinnedStart) -> Run:
    """The run that made it. Raises Invalid where this release does not know it."""
    try:
        return Run.model_validate(start.run)
    except ValueError as error:
        raise Invalid.field(
            "start_from", f"{start.name} was trained by a run that this release does not know; give a whole run"
        ) from error
