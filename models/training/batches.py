"""The batches of a training: what each step sees, a function of (seed, step)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from pushforward.models.data import Toy
from pushforward.models.losses import Batch
from pushforward.models.training.data import TrainingData, conditions, in_data_units, numpy_rng
from pushforward.models.training.state import TrainingState, device_of


def batches(data: TrainingData, state: TrainingState) -> Iterator[Batch]:
    """The batches of the remaining steps: an epoch is a permutation of the rows, seeded by its number."""
    size, seed = state.run.optimizer.batch_size, state.run.seed
    device = device_of(state)
    epoch, order = -1, np.empty(0, np.int64)
    for step in range(state.step, state.total_steps):
        if isinstance(data.train, Toy):
            rows, index = data.train.rows(size, numpy_rng(seed, step)), np.arange(step * size, (step + 1) * size)
        else:
            per_epoch = -(-len(data.train.x) // size)
            if step // per_epoch != epoch:
                epoch = step // per_epoch
                order = numpy_rng(seed, 2**33 + epoch).permutation(len(data.train.x))
            start = step % per_epoch * size
            index = order[start : start + size]
            rows = data.train.of(index)
        x = in_data_units(data, rows, device)
        rng = torch.Generator(device).manual_seed(_torch_seed(seed, step))
        yield Batch(x, conditions(data, rows, device), rng, step, state.total_steps, torch.from_numpy(index).to(device))


def _torch_seed(seed: int, step: int) -> int:
    """Distinct for each step: 63 bits of numpy's hash of (seed, step)."""
    return int(np.random.SeedSequence([seed, step, 1]).generate_state(1, np.uint64)[0] >> np.uint64(1))
