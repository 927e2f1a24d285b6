"""Where the channels of images stand: (N, C, H, W), or (N, H, W, C), which is transposed.

The shape decides where exactly one of the two axes has 1 to 4 entries, as channels have. Else the request has to say:
images that are read along the wrong axis train without an error.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidData

Channels = Literal["first", "last"]
CHANNELS = range(1, 5)  # gray, gray and alpha, color, color and alpha


def row_shape(shape: tuple[int, ...], channels: Channels | None) -> tuple[int, ...]:
    """The shape of a row, channels first, of an array of this shape, (N, ...). Raises InvalidData."""
    if len(shape) == 2:
        return shape[1:]
    if len(shape) == 3:
        return (1, *shape[1:])
    return (shape[3], *shape[1:3]) if _are_last(shape, channels) else shape[1:]


def rows_first(x: NDArray[Any], channels: Channels | None) -> NDArray[Any]:
    """Rows with their channels first: a view. Raises InvalidData."""
    if x.ndim == 3:
        return x[:, None]
    if x.ndim == 4 and _are_last(x.shape, channels):
        return np.moveaxis(x, 3, 1)
    return x


def note_of_transpose(shape: tuple[int, ...], channels: Channels | None) -> tuple[str, ...]:
    """A note for users of the model where images were transposed."""
    if len(shape) != 4 or not _are_last(shape, channels):
        return ()
    _, height, width, depth = shape
    return (
        f"The images came with channels last, {height}x{width}x{depth}, and are taken with channels first: rows of "
        f"requests and answers are {depth}x{height}x{width}; numpy.moveaxis(x, -1, 1) makes them of yours.",
    )


def _are_last(shape: tuple[int, ...], channels: Channels | None) -> bool:
    if channels is not None:
        return channels == "last"
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first != last:
        return last
    problem = "could have its channels first or last" if first else "has 1 to 4 channels neither first nor last"
    raise InvalidData(
        f'an array of shape {list(shape)} {problem}; give "first" for (N, C, H, W), or "last" for (N, H, W, C), '
        "which is transposed; reshape rows that are not images to (N, D)",
        field="channels",
    )
