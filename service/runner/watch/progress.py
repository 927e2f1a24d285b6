"""The progress of a training, step by step: reported now and again, and shown in pictures."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from time import monotonic
from typing import final

from pushforward.models.held_out import has_curve
from pushforward.models.storage.card import Curve
from pushforward.models.training import curve
from pushforward.models.training.data import TrainingData
from pushforward.models.training.schedule import fraction_done, seconds_left
from pushforward.models.training.state import TrainingState, device_of
from pushforward.service.runner.messages import ProgressMessage, Send, pace_s
from pushforward.service.runner.watch.pictures import Pictures
from pushforward.service.runner.watch.remaining_time import RemainingTime
from pushforward.service.runner.watch.reports import gradient_norms, memory_bytes, rows_per_step

log = logging.getLogger(__name__)


def reported(
    states: Iterator[TrainingState], data: TrainingData, send: Send, stop: threading.Event
) -> Iterator[TrainingState]:
    """The same states; rank 0 reports the first, the last, also where it is to stop, and some between."""
    remaining, reports = RemainingTime(), _Reports(data, send)
    shown: Pictures | None = None
    for state in states:
        if not state.leads:
            yield state
            continue
        now = monotonic()
        left_s = _seconds_left(state, remaining, now)
        if state.run.budget.seconds is None and (sentence := remaining.announcement(state.total_steps)):
            log.info("%s", sentence)
        if reports.is_due(now) or state.step == state.total_steps or stop.is_set():
            reports.report(state, left_s, now)
        shown = shown or Pictures(data, state)
        for picture in shown.after(state, left_s):
            send(picture)
        drawn_at = monotonic()
        remaining.pause("pictures", drawn_at - now)
        yield state
        remaining.pause("checkpoint", monotonic() - drawn_at)


def _seconds_left(state: TrainingState, remaining: RemainingTime, now: float) -> float | None:
    """Count the step that is done; how long the others will take."""
    measures, done, planned = has_curve(state.family), state.steps_done, state.steps_planned
    remaining.advance(state.step, now, with_point=measures and curve.is_due(done, planned))
    points = curve.points_after(done, planned) if measures else 0
    return seconds_left(state, remaining.seconds_left(state.total_steps, points))


@final
class _Reports:
    """When the last was sent, and of which step."""

    def __init__(self, data: TrainingData, send: Send) -> None:
        self._data, self._send = data, send
        self._began = self._at = monotonic()
        self._step: int | None = None
        self._curve: Curve | None = None

    def is_due(self, now: float) -> bool:
        """Whether the last is long ago."""
        return self._step is None or now - self._at >= pace_s(now - self._began)

    def report(self, state: TrainingState, left_s: float | None, now: float) -> None:
        """Send one."""
        before = state.step - 1 if self._step is None else self._step
        steps_per_s = (state.step - before) / max(now - self._at, 1e-6)
        self._send(
            ProgressMessage(
                step=state.step,
                total_steps=state.total_steps,
                losses={name: float(value) for name, value in state.losses.items()},
                steps_per_s=steps_per_s,
                rows_per_s=steps_per_s * rows_per_step(self._data, state.run.optimizer.batch_size),
                memory_bytes=memory_bytes(device_of(state)),
                gradient_norms=gradient_norms(state),
                seconds_left=left_s,
                fraction=fraction_done(state),
                curve=None if state.curve is self._curve else state.curve,
            )
        )
        self._at, self._step, self._curve = now, state.step, state.curve
