"""What a training reports of its progress, beside its losses."""

from __future__ import annotations

from math import ceil
from statistics import fmean

import numpy as np
import psutil
import torch

from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import TrainingState
from pushforward.service.runner.messages import GradientNorms

QUANTILES = (0.0, 0.25, 0.5, 0.75, 1.0)


def rows_per_step(data: TrainingData, batch_size: int) -> float:
    """The mean over an epoch, whose last batch may be smaller."""
    return batch_size if data.n_rows is None else data.n_rows / ceil(data.n_rows / batch_size)


def memory_bytes(device: torch.device) -> int:
    """Memory of this process: its peak on the device, or what is resident."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    resident: int = psutil.Process().memory_info().rss
    return resident


def gradient_norms(state: TrainingState) -> dict[str, GradientNorms]:
    """The norms of the gradients of each loss since the last call."""
    summaries = {}
    for loss, norms in state.gradient_norms.items():
        if norms:
            summaries[loss] = _summary(tuple(norms), state.run.optimizer.clip_norm)
            norms.clear()
    return summaries


def _summary(norms: tuple[float, ...], clip_norm: float) -> GradientNorms:
    least, lower, median, upper, greatest = np.quantile(norms, QUANTILES).tolist()
    clipped = fmean(norm > clip_norm for norm in norms)
    return GradientNorms(min=least, q25=lower, median=median, q75=upper, max=greatest, clipped=clipped)
