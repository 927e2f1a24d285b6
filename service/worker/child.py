"""The training child: `python -m service.worker.child ORDER`, a process of its own for each attempt at a job.

It ends with its supervisor (end of file on standard input), answers SIGTERM with a checkpoint at the end of the step,
and resumes bit for bit from the newest checkpoint of its job.
"""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from time import monotonic
from typing import final

import torch

from models.checkpoint import latest_state, save_model, save_state
from models.errors import LaboratoryError
from models.run import Run
from models.train import State, TrainingData, evaluate, fresh, load_data, train
from service.domain import Fault
from service.worker.devices import device as choose_device
from service.worker.lines import DONE, FAULTY, INTERRUPTED, Advanced, Finished, Line, Noted, Order, Refused

log = logging.getLogger(__name__)

Say = Callable[[Line], None]
NICE = 5  # on a CPU, so that serving stays quick
PACE_S = (0.2, 5.0)  # between two progress lines: early, and late in a long training


def main(order_file: Path) -> int:
    """Obey the order; returns the exit code."""
    say = _voice()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    threading.Thread(target=_end_with_supervisor, daemon=True).start()
    logging.basicConfig(level=logging.INFO, handlers=[_Aloud(say)])
    order = Order.model_validate_json(order_file.read_bytes())
    try:
        return obey(order, say, stop)
    except LaboratoryError as error:
        say(Refused(fault=Fault(type=_slug(error), detail=error.message)))
        return FAULTY


def obey(order: Order, say: Say, stop: threading.Event) -> int:
    """Train to the end of the budget or until told to stop. Raises LaboratoryError."""
    device = choose_device(order.device)
    torch.set_num_threads(order.torch_threads)
    if device.type == "cpu":
        os.nice(NICE)
    run = Run.model_validate(order.run)
    data = load_data(run, order.data_root)
    state = _resume(order, data, run, device) or fresh(run, data, device)
    checkpoint_at = monotonic() + order.checkpoint_s
    for _ in _told(train(data, state), say):
        if stop.is_set():
            _save(order.states, state)
            return INTERRUPTED
        if monotonic() >= checkpoint_at:
            _save(order.states, state)
            checkpoint_at = monotonic() + order.checkpoint_s
    _save(order.states, state)
    log.info("trained; now it is scored on held-out rows")
    metrics = _finite(evaluate(data, state))
    order.model.mkdir()
    save_model(order.model, state, metrics, data.fingerprint)
    say(Finished(metrics=metrics))
    return DONE


def _resume(order: Order, data: TrainingData, run: Run, device: torch.device) -> State | None:
    for folder in order.earlier:
        state = latest_state(folder, data, run, device)
        if state is not None:
            log.info("resumed from the checkpoint of step %d", state.step)
            return state
    return None


def _save(folder: Path, state: State) -> None:
    """A checkpoint, if the disk takes it; the one before stays if not."""
    try:
        save_state(folder, state)
    except OSError as error:
        log.warning("no checkpoint could be written at step %d: %s", state.step, error)


def _told(states: Iterator[State], say: Say) -> Iterator[State]:
    """The same states, telling how far they have come: the first, the last, and now and then between."""
    began = said = monotonic()
    said_step: int | None = None
    for state in states:
        now = monotonic()
        pace_s = min(max(PACE_S[0], (now - began) / 500), PACE_S[1])
        if said_step is None or now - said >= pace_s or state.step == state.total_steps:
            steps_per_s = (state.step - (said_step or state.step - 1)) / max(now - said, 1e-6)
            losses = _finite({name: float(value) for name, value in state.losses.items()})
            say(Advanced(step=state.step, total_steps=state.total_steps, losses=losses, steps_per_s=steps_per_s))
            said, said_step = now, state.step
        yield state


def _finite(values: Mapping[str, float]) -> dict[str, float]:
    """JSON has no word for the others."""
    return {name: value for name, value in values.items() if math.isfinite(value)}


@final
class _Aloud(logging.Handler):
    """Log records as lines to the supervisor."""

    def __init__(self, say: Say) -> None:
        super().__init__()
        self._say = say

    def emit(self, record: logging.LogRecord) -> None:
        self._say(Noted(level=record.levelname.lower(), message=record.getMessage()))


def _voice() -> Say:
    """Speak on what was standard output; whatever else prints goes to standard error."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def say(line: Line) -> None:
        with lock:
            stream.write(line.json_line())

    return say


def _end_with_supervisor() -> None:
    while os.read(0, 4096):
        pass
    os._exit(INTERRUPTED)


def _slug(error: LaboratoryError) -> str:
    """`InvalidData` is `invalid-data`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
