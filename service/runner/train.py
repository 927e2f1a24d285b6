"""One attempt at a training, in a child process.

It stops with a checkpoint at the end of a step, and resumes bit for bit from the newest checkpoint of its job.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

import torch

from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.evaluation.judgement import Verdict, judge
from pushforward.models.evaluation.measurement import Evaluation
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve
from pushforward.models.training import memory
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh
from pushforward.service.runner.messages import (
    DONE,
    INTERRUPTED,
    ModelWritten,
    ProgressMessage,
    Send,
    TrainOrder,
    pace_s,
)
from pushforward.service.runner.remaining_time import RemainingTime

STAGE_S = 2.0  # between two log lines of a scoring, at least

log = logging.getLogger(__name__)


def run_order(order: TrainOrder, device: torch.device, free_bytes: int, send: Send, stop: threading.Event) -> int:
    """Train to the end of the budget, or until `stop` is set; the exit code. Raises LaboratoryError."""
    run = Run.model_validate(order.run)
    data = load_data(run, order.data_root, ScratchSpace(order.scratch, memory.rows_bytes(order.memory_bytes)))
    memory.check(run, data.spec, free_bytes)
    state = _resume(order, data, run, device) or fresh(run, data, device)
    checkpoint_at = monotonic() + order.checkpoint_s
    for _ in _reported(train(data, state), send):
        if stop.is_set():
            _save(order.states, state)
            return INTERRUPTED
        if monotonic() >= checkpoint_at:
            _save(order.states, state)
            checkpoint_at = monotonic() + order.checkpoint_s
    _save(order.states, state)
    verdict = _scored(judge(data, state))
    order.model.mkdir()
    save_model(order.model, state, verdict.metrics, data.fingerprint, verdict.notes, verdict.log_prob)
    send(ModelWritten(metrics=verdict.metrics))
    return DONE


def _resume(order: TrainOrder, data: TrainingData, run: Run, device: torch.device) -> TrainingState | None:
    for folder in order.earlier:
        state = latest_state(folder, data, run, device)
        if state is not None:
            log.info("resumed from the checkpoint of step %d", state.step)
            return state
    return None


def _save(folder: Path, state: TrainingState) -> None:
    """Write a checkpoint; where the disk fails, the one before stays."""
    try:
        save_state(folder, state)
    except OSError as error:
        log.warning("no checkpoint could be written at step %d: %s", state.step, error)


def _reported(states: Iterator[TrainingState], send: Send) -> Iterator[TrainingState]:
    """The same states; reports the first, the last, and some between."""
    began = sent_at = monotonic()
    sent_step: int | None = None
    sent_curve: Curve | None = None
    remaining = RemainingTime()
    for state in states:
        now = monotonic()
        remaining.advance(state.step, now)
        if sentence := remaining.announcement(state.total_steps):
            log.info("%s", sentence)
        if sent_step is None or now - sent_at >= pace_s(now - began) or state.step == state.total_steps:
            send(
                ProgressMessage(
                    step=state.step,
                    total_steps=state.total_steps,
                    losses={name: float(value) for name, value in state.losses.items()},
                    steps_per_s=(state.step - (sent_step or state.step - 1)) / max(now - sent_at, 1e-6),
                    seconds_left=remaining.seconds_left(state.total_steps),
                    curve=None if state.curve is sent_curve else state.curve,
                )
            )
            sent_at, sent_step, sent_curve = now, state.step, state.curve
        yield state


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
