"""A job's child: `python -m pushforward.service.runner.child ORDER`, a process of its own for each attempt at a job.

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

from pushforward.models.errors import Hindered, LaboratoryError, hindrance
from pushforward.models.training.memory import available_bytes, is_out_of_memory, limit_process, too_large
from pushforward.service.domain.jobs import Fault
from pushforward.service.engine.devices import present
from pushforward.service.processes.background import begin_thread
from pushforward.service.runner import sample as drawing
from pushforward.service.runner import train as training
from pushforward.service.runner.messages import (
    FAULTY,
    HINDERED,
    INTERRUPTED,
    ORDER,
    AttemptRefused,
    Barred,
    Line,
    Noted,
    Order,
    SampleOrder,
    Say,
    TrainOrder,
)

NICE = 5  # on a CPU, so that serving stays quick


def main(order_file: Path) -> int:
    """Obey the order; returns the exit code."""
    say = _voice()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    begin_thread("end with the supervisor", _end_with_supervisor, vital=True)
    logging.basicConfig(level=logging.INFO, handlers=[_Aloud(say)])
    order = ORDER.validate_json(order_file.read_bytes())
    free_bytes = order.memory_bytes or 0
    try:
        device = present(order.device)
        free_bytes = free_bytes or available_bytes(device)
        return obey(order, device, free_bytes, say, stop)
    except Hindered as error:
        say(Barred(reason=error.message))
        return HINDERED
    except OSError as error:
        reason = hindrance(error)
        if reason is None:
            raise
        say(Barred(reason=reason))
        return HINDERED
    except LaboratoryError as error:
        return _refuse(error, say)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _refuse(too_large(error, free_bytes), say)


def obey(order: Order, device: torch.device, free_bytes: int, say: Say, stop: threading.Event) -> int:
    """To the end, or until told to stop. Raises LaboratoryError, OSError, MemoryError."""
    torch.set_num_threads(order.torch_threads)
    if device.type == "cpu":
        os.nice(NICE)
        limit_process(free_bytes)
    match order:
        case TrainOrder():
            return training.obey(order, device, free_bytes, say, stop)
        case SampleOrder():
            return drawing.obey(order, device, say, stop)


def _refuse(error: LaboratoryError, say: Say) -> int:
    detail = f"{error.field}: {error.message}" if error.field else error.message
    say(AttemptRefused(fault=Fault(type=_slug(error), detail=detail)))
    return FAULTY


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
