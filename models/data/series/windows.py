r"""Windows of one long series, and which of them are held out.

Window i of a series x_0, ..., x_{T-1} is x_{iS}, ..., x_{iS+L-1}: L steps, S apart, N = floor((T - L) / S) + 1 of them.
Windows i and j share steps where |i - j| S < L, so up to the distance

    r = ceil(L / S) - 1.

A window that is held out must not share a step with one that trains: a model that remembers would score well on it.
Neighbors are alike even where they share nothing, so held-out windows lie in blocks: the series is cut into B equal
parts, and in each a block of consecutive windows is held out, at a random place. What is within r of a block and not in
it is neither trained on nor held out. That costs up to 2 r windows for each block, so

    B = min(10, n / (2 r)),  and 1 at least,

which is at most as many as are held out, n, where n >= 2 r.

References:
    | A cross-validatory method for dependent data (Burman, Chow & Nolan, 1994), doi:10.1093/biomet/81.2.351: blocks
      from which what is near is left out
"""

from __future__ import annotations

from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from pushforward.models.data.mapped.pieces import Numbers

MOST_BLOCKS = 10


@final
class Windows(NamedTuple):
    """How a series is cut."""

    length: int  # L
    stride: int  # S

    @property
    def reach(self) -> int:
        """How far apart the numbers of windows can be that share steps, r."""
        return -(-self.length // self.stride) - 1

    def count(self, n_steps: int) -> int:
        """How many windows a series of so many steps has, N."""
        return max(0, (n_steps - self.length) // self.stride + 1)

    def of(self, x: NDArray[Any]) -> NDArray[Any]:
        """The windows, (N, C, L), of a series, (T, C): a view of its numbers."""
        views: NDArray[Any] = np.lib.stride_tricks.sliding_window_view(x, self.length, axis=0)
        return views[:: self.stride]

    def divided(self, n: int, n_held_out: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """The numbers of the windows that train and of those that are held out, of n."""
        held_out = np.zeros(n, bool)
        for first, last, size in self._parts(n, n_held_out):
            start = int(rng.integers(first, last - size + 1))
            held_out[start : start + size] = True
        near = np.convolve(held_out, np.ones(2 * self.reach + 1, np.int64))[self.reach : self.reach + n] > 0
        return rng.permutation(np.flatnonzero(~near)), rng.permutation(np.flatnonzero(held_out))

    def _parts(self, n: int, n_held_out: int) -> list[tuple[int, int, int]]:
        """For each block the first and the last but one of the windows that it lies among, and how many it has."""
        blocks = max(1, min(MOST_BLOCKS, n_held_out // max(1, 2 * self.reach)))
        edges, sizes = (np.linspace(0, most, min(blocks, n_held_out) + 1).astype(int) for most in (n, n_held_out))
        return list(zip(edges[:-1].tolist(), edges[1:].tolist(), np.diff(sizes).tolist(), strict=True))
