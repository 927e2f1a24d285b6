"""The batches of a training: what each step sees, a function of (seed, step).

An epoch is a permutation of the rows, seeded by its number. Rows of a mapped file are gathered ahead by a thread while
the device computes, and a GPU gathers rows itself where they all lie on it (`models.training.compute.resident`): in the
same order, so that batches do not depend on where the rows lie.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor

from pushforward.models.data import Toy
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.losses import Batch
from pushforward.models.training.compute.memory import available_bytes
from pushforward.models.training.compute.resident import ResidentRows, resident
from pushforward.models.training.data import TrainingData, coded, in_data_units, numpy_rng
from pushforward.models.training.rows import RowsOnDisk
from pushforward.models.training.state import TrainingState, device_of

AHEAD = 3  # batches
CPU = torch.device("cpu")

T = TypeVar("T")


class _Gathered(NamedTuple):
    """The rows of one step."""

    step: int
    x: Tensor  # (B, *shape) data units
    values: Tensor  # (B, V) of conditions
    numbers: Tensor  # (B,) of the rows


def batches(data: TrainingData, state: TrainingState) -> Iterator[Batch]:
    """The batches of the remaining steps."""
    seed, device = state.run.seed, device_of(state)
    for step, *tensors in _placed(data, state, device):
        x, values, index = (each.to(device, non_blocking=True) for each in tensors)
        rng = torch.Generator(device).manual_seed(_torch_seed(seed, step))
        yield Batch(x, coded(data, values), rng, step, state.total_steps, index)


def read_ahead(items: Iterator[T], n: int) -> Iterator[T]:
    """The same items, up to n of them made ahead by a thread, which ends with this iterator. Raises what they raise."""
    end = object()
    with ThreadPoolExecutor(1, "read ahead") as thread:
        coming = deque(thread.submit(next, items, end) for _ in range(n))
        try:
            while (item := coming.popleft().result()) is not end:
                coming.append(thread.submit(next, items, end))
                yield item  # type: ignore[misc]
        finally:
            thread.shutdown(cancel_futures=True)


def _placed(data: TrainingData, state: TrainingState, device: torch.device) -> Iterator[_Gathered]:
    """The rows of each step: on a GPU where all lie there, else on the CPU, whence pinned memory is copied aside."""
    is_gpu = device.type == "cuda"
    rows = resident(data, device, available_bytes(device)) if is_gpu else None
    if rows is not None:
        return gathered_there(rows, data, state)
    gathered = _gathered(data, state, pinned=is_gpu)
    return read_ahead(gathered, AHEAD) if isinstance(data.train, RowsOnDisk) else gathered


def gathered_there(rows: ResidentRows, data: TrainingData, state: TrainingState) -> Iterator[_Gathered]:
    """The rows of each step, gathered on the device they lie on."""
    for step, numbers in _numbers(data, state):
        index = torch.from_numpy(numbers).to(rows.x.device)
        yield _Gathered(step, *rows.of(index), index)


def _gathered(data: TrainingData, state: TrainingState, *, pinned: bool) -> Iterator[_Gathered]:
    size, seed, train = state.run.optimizer.batch_size, state.run.seed, data.train
    for step, index in _numbers(data, state):
        rows = train.rows(size, numpy_rng(seed, step)) if isinstance(train, Toy) else train.of(index)
        values = torch.from_numpy(data.source.condition_values(rows))
        tensors = in_data_units(data, rows, CPU), values, torch.from_numpy(index)
        yield _Gathered(step, *((each.pin_memory() for each in tensors) if pinned else tensors))


def _numbers(data: TrainingData, state: TrainingState) -> Iterator[tuple[int, Numbers]]:
    """The remaining steps, and the numbers of the rows of each; rows that are drawn afresh are counted on."""
    size, seed, n_rows = state.run.optimizer.batch_size, state.run.seed, data.n_rows
    epoch, order = -1, np.empty(0, np.int64)
    for step in range(state.step, state.total_steps):
        if n_rows is None:
            yield step, np.arange(step * size, (step + 1) * size)
            continue
        per_epoch = -(-n_rows // size)
        if step // per_epoch != epoch:
            epoch = step // per_epoch
            order = numpy_rng(seed, 2**33 + epoch).permutation(n_rows)
        start = step % per_epoch * size
        yield step, order[start : start + size]


def _torch_seed(seed: int, step: int) -> int:
    """Distinct for each step: 63 bits of numpy's hash of (seed, step)."""
    return int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
