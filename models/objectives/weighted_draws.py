"""Importance weights of k draws for every row, some draws at once: bounds the memory of large k.

Draw i of a row has its own noise, whatever the chunk and the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from models.lazy import torch
from models.objectives.importance import importance_weighted_bound

if TYPE_CHECKING:
    from torch import Tensor

    from models.noise import Noise

ROWS_AT_ONCE = 512


class Draws(NamedTuple):
    """Some draws of every row: all rows of the first, then all rows of the next."""

    noise: Noise  # (draws B) rows
    number: NDArray[np.int64]  # (draws B,), which draw each is
    n_draws: int

    def repeat(self, rows: Tensor) -> Tensor:
        """Rows, (B, ...), once for each draw, (draws B, ...)."""
        return rows.repeat(self.n_draws, *[1] * (rows.ndim - 1))


def weigh(log_weight: Callable[[Draws], Tensor], noise: Noise, k: int) -> tuple[Tensor, Tensor | None]:
    """The logarithm of the mean weight of k draws and its standard error, (B,) nats each.

    Arguments:
        log_weight: of some draws, (draws B,) nats.
        noise: B rows.
        k: how many draws; one does not tell its error.
    """
    rows, at_once = len(noise), max(1, ROWS_AT_ONCE // len(noise))
    chunks = []
    for start in range(0, k, at_once):
        count = min(at_once, k - start)
        number = np.repeat(np.arange(start, start + count), rows)
        draws = Draws(noise[np.tile(np.arange(rows), count)], number, count)
        chunks.append(log_weight(draws).view(count, -1))
    return importance_weighted_bound(torch.cat(chunks).double())
