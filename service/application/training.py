"""From a command to the run of a training, checked against its data before a job is made of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeVar

from pushforward.models.data import Source
from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.family import Family
from pushforward.models.form import form_of
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.domain.errors import Invalid, NotFound, Unavailable
from pushforward.service.processes.outline import Outline, outline

S = TypeVar("S", bound=Source)
T = TypeVar("T")

MAX_NAME_CHARS = 100  # of a preset that is repeated


class CheckedRun(NamedTuple):
    """A run that fits its data."""

    run: Run  # of data that no later upload changes
    form: Family  # of its family, which models these data
    outline: Outline


async def checked_run(asked: Run, data_root: Path) -> CheckedRun:
    """A run, checked against its data. Raises Invalid, Unavailable."""
    run = asked.model_copy(update={"data": await pinned(asked.data, data_root, "run.data")})
    outline = await outlined(run.data, data_root, "run.data")
    try:
        form = form_of(run.family, outline.spec)
        form.check(outline.spec)
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


def asked_run(command: TrainModel) -> Run:
    """The run of a command. Raises NotFound."""
    if command.preset is not None and command.preset not in PRESETS:
        wanted = command.preset[:MAX_NAME_CHARS]
        hint = did_you_mean(near(wanted, PRESETS))
        raise NotFound(" ".join(filter(None, (f"there is no preset {wanted!r};", hint, "list the presets for all"))))
    return PRESETS[str(command.preset)].run if command.run is None else command.run
