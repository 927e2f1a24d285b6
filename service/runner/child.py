"""The child process of an attempt at a job: `python -m pushforward.service.runner.child ORDER`.

It ends with its supervisor (end of file on standard input). On SIGTERM it writes a checkpoint and ends. Without an
ORDER it is another rank of a training on several devices (`ranks`), and ends with the process that started it.
"""

from __future__ import annotations

import gc

if __name__ == "__main__":
    gc.disable()  # traversing what is imported, again and again and at the end, took a third of a short job's time

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
from pushforward.models.training.compute.memory import available_bytes, is_out_of_memory, limit_process, too_large
from pushforward.service.domain.jobs import Fault
from pushforward.service.engine.devices import present
from pushforward.service.processes.background import begin_thread
from pushforward.service.runner import evaluate, forecast, sample, train
from pushforward.service.runner.messages import (
    DONE,
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
from pushforward.service.runner.ranks.group import place, share_of_cpu
from pushforward.service.runner.ranks.seat import ORDER_KEY, Seat

NICE = 5  # on a CPU, so that serving stays quick


def main(order_file: Path) -> int:
    """Run the order; the exit code."""
    send = _message_sender()
    stop = _ends_with_parent()
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


def follow(seat: Seat) -> int:
    """Compute the parts of a rank that rank 0 gives the order for; the exit code. Raises what ends it.

    Rank 0 tells how the training goes, so nothing is told here.
    """
    stop = _ends_with_parent()
    order = ORDER.validate_json(seat.store().get(ORDER_KEY))
    device = present(order.device)
    run_order(order, device, order.memory_bytes or available_bytes(device), lambda message: None, stop)
    return DONE


def run_order(order: JobOrder, device: torch.device, free_bytes: int, send: Send, stop: threading.Event) -> int:
    """Run to the end, or until `stop` is set. Raises LaboratoryError, OSError, MemoryError."""
    n = int(order.run.get("devices", 1)) if isinstance(order, TrainOrder) else 1
    device = place(Seat.of_environment(os.environ), n, device)
    if device.type == "cpu":
        os.nice(NICE)
        free_bytes = share_of_cpu(n, free_bytes)
        limit_process(free_bytes)
    torch.set_num_threads(share_of_cpu(n, order.torch_threads))
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


def _ends_with_parent() -> threading.Event:
    """Set at SIGTERM; the process ends at once where its parent does."""
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    begin_thread("end with the parent", _end_with_parent, vital=True)
    return stop


def _end_with_parent() -> None:
    while os.read(0, 4096):
        pass
    os._exit(INTERRUPTED)


def _slug(error: LaboratoryError) -> str:
    """`InvalidData` is `invalid-data`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", type(error).__name__).lower()


if __name__ == "__main__":
    gc.freeze()
    gc.enable()
    place_of_rank = Seat.of_environment(os.environ)
    if len(sys.argv) == 1 and place_of_rank is not None:
        sys.exit(follow(place_of_rank))
    sys.exit(main(Path(sys.argv[1])))
