"""Fewer points of a line that look the same: the lowest and the highest of each of equal parts, and both ends.

A line of w pixels that is drawn through the extremes of each pixel's points covers what the whole line covers, up to
the joints between pixels.

References:
    | M4: A Visualization-Oriented Time Series Data Aggregation (Jugel et al., 2014), section 4.2: MinMax
    | https://www.vldb.org/pvldb/vol7/p797-jugel.pdf
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np


def thinned(values: np.ndarray, points: int) -> np.ndarray:
    """The places of at most `points` of the values (N,), ascending: the ends, and from 4 points on the extremes.

    NaN is no extreme.
    """
    if len(values) <= points:
        return np.arange(len(values))
    ends = (0, len(values) - 1)
    low, high = (np.where(np.isnan(values), worst, values) for worst in (np.inf, -np.inf))
    parts = (points - 2) // 2
    borders = np.linspace(1, ends[1], parts + 1).astype(int) if parts else ()
    kept = {*ends}
    for start, stop in pairwise(borders):
        kept |= {start + int(low[start:stop].argmin()), start + int(high[start:stop].argmax())}
    return np.array(sorted(kept))
