"""One call: a batch of rows takes one step; finished rows become answers, others may be previewed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import torch

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.inference import Preview
from pushforward.service.engine.batching.arrays import hand_out, place, to_numpy
from pushforward.service.engine.batching.batch import RowBatch
from pushforward.service.engine.batching.rows import RunningRows
from pushforward.service.engine.failures import check_finite, is_finite, is_out_of_memory
from pushforward.service.engine.tasks import Task
from pushforward.service.engine.tickets import PartialPreview, Ticket

Arrays = dict[str, np.ndarray]


@final
@dataclass(frozen=True)
class StepResult:
    """What a call returned."""

    running: RunningRows | None  # have more steps to take
    finished: RunningRows | None
    answers: Arrays  # of finished rows
    info: Mapping[str, Any]  # what kind of answers they are
    shown: RunningRows | None = None  # running rows of which a preview is due
    previews: Arrays = field(default_factory=dict)


def attempt_step(
    task: Task[Any, Any], batch: RowBatch, device: torch.device, *, with_previews: bool
) -> tuple[StepResult | None, Exception | None]:
    """One step of all rows of a batch, or the exception it raised."""
    try:
        return _step(task, batch, device, with_previews=with_previews), None
    except Exception as error:
        if is_out_of_memory(error):
            error.__traceback__ = None  # its frames hold the tensors
        return None, error


def _step(task: Task[Any, Any], batch: RowBatch, device: torch.device, *, with_previews: bool) -> StepResult:
    program = task.program
    finished, running = batch.init(program, device).step(program).split_finished(program.steps)
    answers: Arrays = {}
    info: Mapping[str, Any] = {}
    if finished is not None:
        output = task.output(program.finish(finished.state, finished.noise))
        answers, info = to_numpy(output.arrays, len(finished)), output.info
    shown = _due(running) if running is not None and with_previews else None
    previews = {} if shown is None else to_numpy(task.preview(shown.state, shown.noise), len(shown))
    return StepResult(running, finished, answers, info, shown, previews)


def hand_out_finished(result: StepResult, op: str, spec: DataSpec) -> list[Ticket]:
    """Write finished rows into the answers of their requests; the requests that are complete."""
    if result.finished is None:
        return []
    hand_out(result.finished.owners, result.answers)
    tickets = dict.fromkeys(segment.ticket for segment in result.finished.owners)
    if not all(is_finite(op, array, spec) for array in result.answers.values()):
        for ticket in tickets:
            ticket.suspect = True
    done = [ticket for ticket in tickets if not ticket.left]
    for ticket in done:
        ticket.info = dict(result.info)
        if ticket.suspect:
            check_finite(ticket, spec)
    return done


def complete_previews(result: StepResult, steps: int) -> list[tuple[Ticket, Preview]]:
    """Previews all of whose rows have come by now; the others are kept with their tickets."""
    complete: list[tuple[Ticket, Preview]] = []
    if result.shown is None or not result.previews:
        return complete
    for at, (ticket, first, n) in result.shown.placed():
        k, rows = int(result.shown.k[at]), ticket.request.rows
        preview = ticket.previews.setdefault(k, PartialPreview({}, rows))
        for name, array in result.previews.items():
            place(preview.arrays, name, array[at : at + n], first, rows)
        preview.left -= n
        if not preview.left:
            del ticket.previews[k]
            complete.append((ticket, Preview(k, steps, preview.arrays)))
    return complete


def _due(rows: RunningRows) -> RunningRows | None:
    """Rows of which a preview is due."""
    due = np.zeros(len(rows), bool)
    for at, (ticket, _, n) in rows.placed():
        every = ticket.request.preview_every
        due[at : at + n] = every > 0 and rows.k[at] % every == 0
    return rows.select(due)
