"""Importance weights of k draws of every row, in chunks, which bound the memory of large k and of large rows.

Draw i of a row has its own noise, whatever the chunk and the rows beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pushforward.models.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from pushforward.models.noise import Noise

ROWS_AT_ONCE = 512
NUMBERS_AT_ONCE = 2**24  # of one tensor: 64 MB


class Draws(NamedTuple):
    """Some draws of every row: all rows of the first, then all rows of the next."""

    noise: Noise  # (draws B) rows
    number: NDArray[np.int64]  # (draws B,), which draw each is
    n_draws: int

    @classmethod
    def of(cls, noise: Noise, numbers: range) -> Draws:
        """These draws of B rows of noise."""
        row, count = np.arange(len(noise)), len(numbers)
        return cls(noise[np.tile(row, count)], np.repeat(np.asarray(numbers), len(noise)), count)

    def after(self, first: NDArray[np.int64]) -> Draws:
        """The same draws, numbered from `first` of each row, (B,)."""
        return self._replace(number=self.number + np.tile(first, self.n_draws))

    def repeat(self, rows: Tensor) -> Tensor:
        """Rows, (B, ...), once for each draw, (draws B, ...)."""
        return repeat(rows, self.n_draws)


def log_weights(log_weight: Callable[[Draws], Tensor], noise: Noise, k: int, *, size: int, first: int = 0) -> Tensor:
    """Log-weights of k draws of every row, (k, B) nats, float64.

    Arguments:
        log_weight: of some draws, (draws B,) nats.
        noise: B rows.
        k: how many draws.
        size: numbers in the largest tensor of one row.
        first: the number of the first draw.
    """
    at_once = max(1, min(ROWS_AT_ONCE, NUMBERS_AT_ONCE // size) // len(noise))
    chunks = []
    for start in range(first, first + k, at_once):
        draws = Draws.of(noise, range(start, min(start + at_once, first + k)))
        chunks.append(log_weight(draws).view(draws.n_draws, -1))
    return torch.cat(chunks).double()


def repeat(rows: Tensor, k: int) -> Tensor:
    """All rows, then all again, k times: (B, ...) to (k B, ...)."""
    return rows if k == 1 else rows.repeat(k, *[1] * (rows.ndim - 1))
