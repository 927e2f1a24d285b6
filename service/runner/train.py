"""One attempt at a training, in a child process.

It stops with a checkpoint at the end of a step, and resumes bit for bit from the newest checkpoint of its job.
"""

from __future__ import annotations

import logging
import threading
from math import ceil
from pathlib import Path
from time import monotonic

import torch

from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.errors import Hindered
from pushforward.models.evaluation.judgement import Verdict, judge
from pushforward.models.evaluation.measurement import Evaluation
from pushforward.models.form import form_of
from pushforward.models.held_out import check_patience
from pushforward.models.run import Run
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.compute import memory
from pushforward.models.training.compute.ranks import FailedElsewhere, Ranks
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.start import Origin, started
from pushforward.models.training.state import TrainingState, fresh
from pushforward.service.runner.messages import (
    DONE,
    INTERRUPTED,
    ModelWritten,
    Send,
    TrainOrder,
    pace_s,
)
from pushforward.service.runner.ranks.group import gathered
from pushforward.service.runner.watch.progress import reported

STAGE_S = 2.0  # between two log lines of a scoring, at least

log = logging.getLogger(__name__)


def run_order(order: TrainOrder, device: torch.device, free_bytes: int, send: Send, stop: threading.Event) -> int:
    """Train to the end of the budget, or until `stop` is set; the exit code. Raises LaboratoryError."""
    run = Run.model_validate(order.run)
    data = load_data(run, order.data_root, ScratchSpace(order.scratch, memory.rows_bytes(order.memory_bytes)))
    memory.check(run, data.spec, free_bytes)
    check_patience(run, form_of(run.family, data.spec))
    with gathered(order, run.devices, device) as ranks:
        state = _begun(order, data, run, device, ranks)
        while (ended := _trained(order, data, state, send, stop)) is None:
            parts_of_a_rank = 2 * state.accumulate
            del state  # its memory is that of the next
            torch.cuda.empty_cache()
            state = _begun(order, data, run, device, ranks)
            state.accumulate = parts_of_a_rank
            log.warning("%s", _in_smaller_parts(state, free_bytes))
    if ended == INTERRUPTED or not state.leads:
        return ended
    if state.ended is not None:
        log.info("%s", state.ended)
    verdict = _scored(judge(data, state))
    notes = (*verdict.notes, *_notes_on_parts(state))
    order.model.mkdir()
    save_model(order.model, state, verdict.metrics, data.fingerprint, notes, verdict.log_prob)
    send(ModelWritten(metrics=verdict.metrics))
    return DONE


def _trained(
    order: TrainOrder, data: TrainingData, state: TrainingState, send: Send, stop: threading.Event
) -> int | None:
    """Train to the end of the budget, or until `stop` is set; None where memory does not hold a part of a batch.

    Then weights may have moved within a step: go back to a checkpoint, and halve the parts. Raises what an allocation
    raises where a part is one row.
    """
    checkpoint_at = monotonic() + order.checkpoint_s
    try:
        for _ in reported(train(data, state), data, send, stop):
            if _agreed(state, stop.is_set()):
                _save(order.states, state)
                return INTERRUPTED
            if monotonic() >= checkpoint_at:
                _save(order.states, state)
                checkpoint_at = monotonic() + order.checkpoint_s
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        if state.ranks is not None and not isinstance(error, FailedElsewhere):
            state.ranks.tell_failure()
        rows = state.run.optimizer.batch_size
        if state.n_parts >= min(rows, data.n_rows or rows):
            raise
        return None
    _save(order.states, state)
    return DONE


def _agreed(state: TrainingState, stops: bool) -> bool:
    """Whether a rank stops; the last step is what rank 0 says it is."""
    if state.ranks is None:
        return stops
    stops_now, state.total_steps = state.ranks.agree(stops, state.total_steps if state.leads else 0)
    return bool(stops_now)


def _begun(order: TrainOrder, data: TrainingData, run: Run, device: torch.device, ranks: Ranks | None) -> TrainingState:
    """The newest checkpoint, or the state before the first step; all ranks begin with the same. Raises Hindered."""
    state = _resume(order, data, run, device) or _begin(order, data, run, device)
    state.ranks = ranks
    if ranks is not None and ranks.agree(state.step, -state.step) != (state.step, -state.step):
        raise Hindered("the ranks do not read the same checkpoints; mount the same store on all machines")
    return state


def _resume(order: TrainOrder, data: TrainingData, run: Run, device: torch.device) -> TrainingState | None:
    """The newest checkpoint of this attempt, or of those before."""
    for folder in (order.states, *order.earlier):
        state = latest_state(folder, data, run, device)
        if state is not None:
            log.info("resumed from the checkpoint of step %d", state.step)
            if run.budget.seconds is not None:
                left_s = max(0.0, run.budget.seconds - state.seconds)
                log.info("%.1f s of its %g s are left", left_s, run.budget.seconds)
            return state
    return None


def _in_smaller_parts(state: TrainingState, free_bytes: int) -> str:
    rows = state.run.optimizer.batch_size
    return (
        f"a step took more memory than the {memory.gib(free_bytes)} that were free; from step {state.step} on each "
        f"batch of {rows} rows is computed in {state.n_parts} parts of {ceil(rows / state.n_parts)}, and descended once"
    )


def _notes_on_parts(state: TrainingState) -> tuple[str, ...]:
    """What a user of the model should know, where memory did not hold what the run asks for."""
    asked = state.run.optimizer
    if state.accumulate == asked.accumulate:
        return ()
    return (
        f"Memory did not hold a batch of {asked.batch_size} rows in the parts that were asked for; batches were "
        f"computed in {state.n_parts} parts each. Losses that compare the rows of a batch compared those of a part.",
    )


def _begin(order: TrainOrder, data: TrainingData, run: Run, device: torch.device) -> TrainingState:
    """The state before the first step. Raises InvalidData, Hindered."""
    if run.start_from is None:
        return fresh(run, data, device)
    return started(run, data, device, Origin(run.start_from, order.start_model, order.start_states))


def _save(folder: Path, state: TrainingState) -> None:
    """Write a checkpoint; where the disk fails, the one before stays."""
    if not state.leads:
        return
    try:
        save_state(folder, state)
    except OSError as error:
        log.warning("no checkpoint could be written at step %d: %s", state.step, error)


def _scored(stages: Evaluation[Verdict]) -> Verdict:
    """The result of a judgement; logs its progress now and then. Raises Diverged."""
    log.info("trained; now it is scored on held-out rows")
    began = sent_at = monotonic()
    while True:
        try:
            stage = next(stages)
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict
        if monotonic() - sent_at >= max(STAGE_S, pace_s(monotonic() - began)):
            sent_at = monotonic()
            log.info("scoring: %s, %d of %d", stage.what, stage.done, stage.total)
