"""What a training of `benchmarks/defaults.py` is judged by: last and best weights, on rows it never saw.

Best is by rows that the method sets aside itself, looked at LOOKS times in a training, more often at its beginning:
where rows are few, a hundred steps are enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LOOKS = 12
AT_ONCE = 1000  # rows
Nll = Callable[[Tensor], Tensor]  # of some rows, (N,) nats


@dataclass(frozen=True)
class Judged:
    """Mean -log p of the test rows."""

    last_nats: float
    best_nats: float
    best_at: int  # step
    std_error_nats: float  # of the last
    worst_row_nats: float  # of the last
    seconds: float | None = None  # of the processor, where it ran in another process


def judged(training: Iterable[Nll], set_aside: Tensor, test: Tensor, steps: int) -> Judged:
    """Follow a training, which yields after each step what scores rows now."""
    looks = frozenset(np.geomspace(min(50, steps), steps, LOOKS).astype(int).tolist())
    best, best_at, best_nats = float("inf"), 0, float("inf")
    rows = torch.empty(0)
    for step, nll in enumerate(training, 1):
        if step in looks or step == steps:
            rows = _all(nll, test)
            aside = float(_all(nll, set_aside).mean())
            if aside < best:
                best, best_at, best_nats = aside, step, float(rows.mean())
    return Judged(float(rows.mean()), best_nats, best_at, float(rows.std()) / len(rows) ** 0.5, float(rows.max()))


@torch.no_grad()
def _all(nll: Nll, x: Tensor) -> Tensor:
    return torch.cat([nll(some) for some in torch.split(x, AT_ONCE)]).double()
