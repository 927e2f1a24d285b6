"""A job's child: `python -m service.worker.child ORDER`, a process of its own for each attempt at a job.

It ends with its supervisor (end of file on standard input), and answers SIGTERM by keeping what it has done.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path
from typing import final

import torch

from models.errors import LaboratoryError
from service.background import begin_thread
from service.domain import Fault
from service.worker import drawing, training
from service.worker.devices import device as choose_device
from service.worker.lines import FAULTY, INTERRUPTED, ORDER, Line, Noted, Order, Refused, SampleOrder, Say, TrainOrder

NICE = 5  # on a CPU, so that serving stays quick


def main(order_file: Path) -> int:
    """Obey the order; returns the exit code."""
    say = _voice()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    begin_thread("end with the supervisor", _end_with_supervisor, vital=True)
    logging.basicConfig(level=logging.INFO, handlers=[_Aloud(say)])
    order = ORDER.validate_json(order_file.read_bytes())
    try:
        return obey(order, say, stop)
    except LaboratoryError as error:
        detail = f"{error.field}: {error.message}" if error.field else error.message
        say(Refused(fault=Fault(type=_slug(error), detail=detail)))
        return FAULTY


def obey(order: Order, say: Say, stop: threading.Event) -> int:
    """To the end, or until told to stop. Raises LaboratoryError."""
    device = choose_device(order.device)
    torch.set_num_threads(order.torch_threads)
    if device.type == "cpu":
        os.nice(NICE)
    match order:
        case TrainOrder():
            return training.obey(order, device, say, stop)
        case SampleOrder():
            return drawing.obey(order, device, say, stop)


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
