"""What the shapes of arrays mean: windows, (N, L), (N, C, L) or (N, L, C), or one long series, (T,) or (T, C)."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from pushforward.models.data.arrays import BOOLEAN, NO_NUMBERS
from pushforward.models.data.layout import Channels
from pushforward.models.data.series.windows import Windows
from pushforward.models.data.source import MAX_BYTES, MIN_ROWS
from pushforward.models.errors import InvalidData

LEAST_LENGTHS = 4  # of a window in a series: fewer leave nothing to train on beside what is held out


def check_numbers(dtype: np.dtype[Any], name: str) -> None:
    """Refuse an array that holds no numbers. Raises InvalidData."""
    if dtype.kind not in "fiu":
        held, remedy = NO_NUMBERS.get(dtype.kind, ("booleans", BOOLEAN))
        raise InvalidData(f"{name!r} holds {held} (dtype {dtype}); {remedy}", field="path")


def shape_of_windows(shape: tuple[int, ...], channels: Channels | None, name: str) -> tuple[int, ...]:
    """(N, C, L) of an array of windows. Raises InvalidData."""
    if len(shape) == 1:
        raise InvalidData(f"is missing: {name!r} holds one long series, which is cut into windows of so many steps",
                          field="length")  # fmt: skip
    if len(shape) not in (2, 3) or shape[0] < MIN_ROWS or 0 in shape:
        raise InvalidData(
            f"{name!r} has shape {list(shape)}; give at least {MIN_ROWS} windows, (N, L) or (N, C, L), or one long "
            "series, (T,) or (T, C), and length",
            field="path",
        )
    if len(shape) == 2:
        return (shape[0], 1, shape[1])
    if channels is None and shape[1] > shape[2]:
        raise InvalidData(
            f'an array of shape {list(shape)} has more channels than steps, or its channels last; give "first" for '
            '(N, C, L), or "last" for (N, L, C), which is transposed',
            field="channels",
        )
    return (shape[0], shape[2], shape[1]) if channels == "last" else shape


def shape_of_series(shape: tuple[int, ...], windows: Windows, name: str) -> tuple[int, int]:
    """(T, C) of one long series, which has enough windows, and not too many. Raises InvalidData."""
    if len(shape) not in (1, 2) or 0 in shape:
        raise InvalidData(
            f"cuts one long series, (T,) or (T, C), and {name!r} has shape {list(shape)}; leave it out for windows, "
            "(N, L) or (N, C, L)",
            field="length",
        )
    n_steps, n_channels = shape[0], prod(shape[1:])
    n, least = windows.count(n_steps), LEAST_LENGTHS * windows.length
    if n < MIN_ROWS or n_steps < least:
        turned = "; steps come first, (T, C)" if n_steps < n_channels else ""
        raise InvalidData(
            f"cuts the {n_steps:,} steps of {name!r} into {n} windows, {windows.stride} apart{turned}; at least "
            f"{MIN_ROWS} of them are needed, and {least:,} steps: give a smaller length or stride",
            field="length",
        )
    n_bytes = n * n_channels * windows.length * 8
    if n_bytes > MAX_BYTES:
        raise InvalidData(
            f"makes {n_bytes:,} bytes of {n:,} windows; give at most {MAX_BYTES:,}, by a larger stride", field="stride"
        )
    return n_steps, n_channels
