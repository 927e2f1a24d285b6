"""How dark the cells of a density map are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DARKEST = 0.005  # of the cells are as dark as can be: a bound that is estimated has single wild ones


def shades(log_q: NDArray[np.float64]) -> NDArray[np.float64]:
    """In [0, 1]: the square root, which shows tails, of each density over the one that a share `DARKEST` exceeds.

    log_q: of each cell, -inf where there is nothing; at least one is finite.
    """
    ranked = np.sort(log_q, axis=None)
    darkest = ranked[-1 - int(DARKEST * log_q.size)]
    top = darkest if np.isfinite(darkest) else ranked[-1]
    share: NDArray[np.float64] = np.exp(0.5 * np.minimum(log_q - top, 0.0))
    return share
