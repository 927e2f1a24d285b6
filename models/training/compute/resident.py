"""Training rows that lie on the device: put there once, and gathered there.

A batch is then a gather by the numbers of its rows, and what crosses to the device at each step is these numbers. For
rows in memory that take a small share of what is free on a GPU; on a CPU the rows are there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from torch import Tensor

from pushforward.models.data import Rows
from pushforward.models.training.data import TrainingData

SHARE = 0.1  # of the device's free memory, at most


@final
@dataclass(frozen=True)
class ResidentRows:
    """All training rows, on one device."""

    x: Tensor  # (N, *shape) data units; bytes stay bytes
    values: Tensor  # (N, V) of conditions
    dtype: torch.dtype  # that a batch is held in

    def of(self, index: Tensor) -> tuple[Tensor, Tensor]:
        """The rows with these numbers, (B, *shape), and the values of their conditions, (B, V).  index: (B,) int64."""
        return self.x[index].to(self.dtype), self.values[index]


def resident(data: TrainingData, device: torch.device, free_bytes: int) -> ResidentRows | None:
    """The training rows put on a device with so much free memory; None where they do not lie in memory, or are many."""
    rows = data.train
    if not isinstance(rows, Rows):
        return None
    held = rows.x if rows.x.dtype == np.uint8 else rows.x.astype(data.spec.dtype, copy=False)
    values = data.source.condition_values(rows)
    if held.nbytes + values.nbytes > SHARE * free_bytes:
        return None
    dtype = torch.float64 if data.spec.dtype == "float64" else torch.float32
    return ResidentRows(torch.from_numpy(held).to(device), torch.from_numpy(values).to(device), dtype)
