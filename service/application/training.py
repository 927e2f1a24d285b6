"""From a command to the run of a training, checked against its data before a job is made of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.presets import PRESETS
from pushforward.models.run import Run
from pushforward.service.application.commands.commands import TrainModel
from pushforward.service.application.commands.spelling import did_you_mean, near
from pushforward.service.domain.errors import Invalid, NotFound, Unavailable

MAX_NAME_CHARS = 100  # of a preset that is repeated


async def checked_run(command: TrainModel, data_root: Path) -> Run:
    """The run of a command. Raises NotFound, Invalid, Unavailable."""
    run = _run(command)
    try:
        outline = await asyncio.to_thread(run.data.outline, data_root)
    except InvalidData as error:
        field = f"run.data.{error.field}" if error.field else "run.data"
        raise Invalid.field(field, error.message) from error
    except Hindered as error:
        raise Unavailable(error.message, retry_after_s=30.0) from error
    try:
        run.family.check(outline)
    except InvalidData as error:
        raise Invalid.field(error.field or "run.family", error.message) from error
    return run


def _run(command: TrainModel) -> Run:
    """Raises NotFound."""
    if command.preset is not None and command.preset not in PRESETS:
        wanted = command.preset[:MAX_NAME_CHARS]
        hint = did_you_mean(near(wanted, PRESETS))
        raise NotFound(" ".join(filter(None, (f"there is no preset {wanted!r};", hint, "list the presets for all"))))
    return PRESETS[str(command.preset)].run if command.run is None else command.run
