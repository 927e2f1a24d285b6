"""The child process of an attempt at a job: `python -m pushforward.service.runner.child ORDER`.

It ends with its supervisor (end of file on standard input). On SIGTERM it writes a checkpoint and ends.
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
from pushforward.service.runner import evaluate, forecast, sample, train
from pushforward.service.runner.messages import (
    FAULTY,
    HINDERED,
    INTERRUPTED,
    ORDER,
    BlockedMessage,
    EvaluateOrder,
    ForecastOrder,
    JobOrder,
    LogMessage,
    Message,
    RefusalMessage,
    SampleOrder,
    Send,
    TrainOrder,
)

NICE = 5  # on a CPU, so that serving stays quick


def main(order_file: Path) -> int:
    """Run the order; the exit code."""
    send = _message_sender()
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    begin_thread("end with the supervisor", _end_with_supervisor, vital=True)
    logging.basicConfig(level=logging.INFO, handlers=[_LogSender(send)])
    order = ORDER.validate_json(order_file.read_bytes())
    free_bytes = order.memory_bytes or 0
    try:
        device = present(order.device)
        free_bytes = free_bytes or available_bytes(device)
        return run_order(order, device, free_bytes, send, stop)
    except Hindered as error:
        send(BlockedMessage(reason=error.message))
        return HINDERED
    except OSError as error:
        reason = hindrance(error)
        if reason is None:
            raise
        send(BlockedMessage(reason=reason))
        return HINDERED
    except LaboratoryError as error:
        return _refuse(error, send)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        return _refuse(too_large(error, free_bytes), send)


def run_order(order: JobOrder, device: torch.device, free_bytes: int, send: Send, stop: threading.Event) -> int:
    """Run to the end, or until `stop` is set. Raises LaboratoryError, OSError, MemoryError."""
    torch.set_num_threads(order.torch_threads)
    if device.type == "cpu":
        os.nice(NICE)
        limit_process(free_bytes)
    match order:
        case TrainOrder():
            return train.run_order(order, device, free_bytes, send, stop)
        case SampleOrder():
            return sample.run_order(order, device, send, stop)
        case EvaluateOrder():
            return evaluate.run_order(order, device, send, stop)
        case ForecastOrder():
            return forecast.run_order(order, device, free_bytes, send)


def _refuse(error: LaboratoryError, send: Send) -> int:
    detail = f"{error.field}: {error.message}" if error.field else error.message
    send(RefusalMessage(fault=Fault(type=_slug(error), detail=detail), field=error.field or ""))
    return FAULTY


@final
class _LogSender(logging.Handler):
    """Sends log records to the supervisor."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        self._send(LogMessage(level=record.levelname.lower(), message=record.getMessage()))


def _message_sender() -> Send:
    """Send messages on standard output; anything else that prints there goes to standard error."""
    stream = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    lock = threading.Lock()

    def send(line: Message) -> None:
        with lock:
            stream.write(line.to_line())

    return send


def _end_with_supervisor() -> None:
    while os.read(0, 4096):
        pass
    os._exit(INTERRUPTED)


def _slug(error: LaboratoryError) -> str:
    """`InvalidData` is `invalid-data`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
