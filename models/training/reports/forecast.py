r"""What a training will take, measured on a few of its own steps.

The networks are built, the first batches of the run are descended on, and the state is thrown away. With `s` seconds a
step (the median of those after the first, which allocates), `p` seconds a point of the held-out curve, of which there
are k, and `d` seconds to read the data,

    seconds = d + s x steps + p x k

which leaves out the scoring of the finished model, and where several devices share a step, what they tell each other.
Memory is the peak of the process: weights, gradients, moments, average, the data, and what the networks keep of a batch
for their gradients, which no formula knows.

A batch that does not fit is halved until one fits: that one is proposed.
"""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from itertools import islice
from math import ceil
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import NamedTuple

import torch

from pushforward.models.errors import TooLarge
from pushforward.models.held_out import has_curve
from pushforward.models.run import Run
from pushforward.models.training import curve
from pushforward.models.training.compute import memory
from pushforward.models.training.data import TrainingData
from pushforward.models.training.loop import measure, train
from pushforward.models.training.state import TrainingState, fresh

STEPS = 30  # measured, at most
MEASURED_S = 2.0  # after which no more are
STATUS = Path("/proc/self/status")


class TrainingCost(NamedTuple):
    """What a training will take."""

    n_parameters: int
    batch_size: int
    total_steps: int
    step_ms: float
    rows_per_s: float
    seconds: float  # to the last step, with the reading of the data; without the scoring of the model
    memory_bytes: int  # of the process at its peak, or of the device
    free_bytes: int  # that it may take


def forecast(run: Run, data: TrainingData, device: torch.device, free_bytes: int, read_s: float = 0.0) -> TrainingCost:
    """Train a few steps and foresee the others. Raises TooLarge, with the batch that would fit, and Diverged."""
    try:
        return _measured(run, data, device, free_bytes, read_s)
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
    asked = run.optimizer.batch_size
    largest = next((size for size in _halves(asked) if _fits(run, data, device, size)), None)
    gib = f"{memory.gib(free_bytes)} that are free"
    if largest is None:
        raise TooLarge(
            f"the networks need more than the {gib} even for one row at a time; give smaller rows or narrower networks",
            field="run.family",
        )
    raise TooLarge(
        f"batches of {asked} rows need more than the {gib}; {largest} fit: give batch_size {largest}, or keep the "
        f"batch and compute it in parts: accumulate {ceil(asked / largest)}",
        field="run.optimizer.batch_size",
    )


def _measured(run: Run, data: TrainingData, device: torch.device, free_bytes: int, read_s: float) -> TrainingCost:
    _forget_peak(device)
    state = _begun(run, data, device)
    seconds = list(islice(_step_seconds(train(data, state), device), STEPS + 1))
    step_s = median(seconds[1:] or seconds) / run.devices
    points_s = _point_s(data, state, device) * ceil(state.total_steps / curve.every(state.total_steps))
    return TrainingCost(
        n_parameters=sum(p.numel() for p in state.nets.parameters()),
        batch_size=run.optimizer.batch_size,
        total_steps=state.total_steps,
        step_ms=1000 * step_s,
        rows_per_s=run.optimizer.batch_size / step_s,
        seconds=read_s + step_s * state.total_steps + points_s,
        memory_bytes=_peak_bytes(device),
        free_bytes=free_bytes,
    )


def _begun(run: Run, data: TrainingData, device: torch.device) -> TrainingState:
    """Before the first step; what several devices would compute side by side is computed one after another."""
    state = fresh(run, data, device)
    state.accumulate *= run.devices
    return state


def _step_seconds(steps: Iterator[TrainingState], device: torch.device) -> Iterator[float]:
    """How long each step takes; the first builds the optimizers and allocates."""
    began = before = perf_counter()
    for _ in steps:
        _finish(device)
        now = perf_counter()
        yield now - before
        if now - began > MEASURED_S:
            return
        before = perf_counter()


def _point_s(data: TrainingData, state: TrainingState, device: torch.device) -> float:
    """How long a point of the held-out curve takes; 0 for families that have none."""
    if not has_curve(state.family):
        return 0.0
    began = perf_counter()
    measure(data, state)
    _finish(device)
    return perf_counter() - began


def _halves(batch_size: int) -> Iterator[int]:
    while batch_size > 1:
        batch_size = ceil(batch_size / 2)
        yield batch_size


def _fits(run: Run, data: TrainingData, device: torch.device, batch_size: int) -> bool:
    gc.collect()
    smaller = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"batch_size": batch_size})})
    try:
        for _ in islice(train(data, _begun(smaller, data, device)), 2):
            _finish(device)
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        return False
    return True


def _finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")  # the peak is what is resident now


def _peak_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.max_memory_reserved(device))
    peak = re.search(r"^VmHWM:\s+(\d+) kB", STATUS.read_text(), re.MULTILINE)
    return 1024 * int(peak[1]) if peak else 0
