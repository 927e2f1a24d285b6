"""One step of all rows of a forward pass, and what comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
import torch

from pushforward.service.engine.failures import is_out_of_memory
from pushforward.service.engine.previews import due
from pushforward.service.engine.programs import Finished, Task
from pushforward.service.engine.rows import EngineRows, RowBlock, on_host


@final
@dataclass(frozen=True)
class Step:
    """The outcome of a forward pass that did not fail."""

    stay: EngineRows | None
    leave: EngineRows | None
    answers: dict[str, np.ndarray]  # of those that leave
    info: Mapping[str, object]  # what kind of answers they are
    seen: EngineRows | None  # of those that stay, the ones to look at
    previews: dict[str, np.ndarray]


def attempt(
    task: Task, block: RowBlock, device: torch.device, *, watched: bool
) -> tuple[Step | None, Exception | None]:
    """Advance all rows of a block one step; gives what it raised, if it failed. `watched`: someone wants previews."""
    try:
        rows = block.begun(task, device).moved(task)
        leave, stay = rows.parted(task.steps)
        finished = task.finish(leave.state, leave.noise) if leave else Finished({})
        answers = on_host(finished.arrays, len(leave)) if leave else {}
        seen = due(stay) if stay and watched else None
        previews = on_host(task.preview(seen.state, torch.from_numpy(seen.k)), len(seen)) if seen else {}
        return Step(stay, leave, answers, finished.info, seen, previews), None
    except Exception as error:
        if is_out_of_memory(error):
            error.__traceback__ = None  # its frames hold the tensors
        return None, error
