"""Styles of a gray image: exact maps, so that what an image is like in another style is known.

    plain     the image itself
    thick     each pixel is the brightest of the 3x3 around it
    slanted   sheared to the right: row i of h moves by round(((h - 1) / 2 - i) / 2) whole pixels
    inverted  low + high - x
    colored   red: the gray level is that of the first of three channels, the others are dark

What is moved out of the image is lost, what comes in is dark. Styles that are combined apply in this order.

Example:
    >>> import numpy as np
    >>> from pushforward.models.data.domains.styles import styled
    >>> dot = np.zeros((1, 1, 3, 3)); dot[..., 1, 1] = 16
    >>> styled(dot, ["thick", "inverted"], low=0, high=16).max()
    np.float64(0.0)
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Style = Literal["plain", "thick", "slanted", "inverted", "colored"]
STYLES: tuple[Style, ...] = get_args(Style)
CHANNELS = 3  # of images that are colored, or may become so


def styled(x: NDArray[Any], styles: Collection[Style], *, low: float, high: float) -> NDArray[Any]:
    """Images of range [low, high] in all of these styles, (N, C, H, W), in the type of x.

    Gray images that may become colored have three equal channels.
    """
    for style in STYLES:
        if style in styles:
            x = _in_style(x, style, low, high)
    return x


def _in_style(x: NDArray[Any], style: Style, low: float, high: float) -> NDArray[Any]:
    match style:
        case "plain":
            return x
        case "thick":
            return _thick(x, low)
        case "slanted":
            return slanted(x, low)
        case "inverted":
            return inverted(x, low, high)
        case "colored":
            return _colored(x, low)


def _thick(x: NDArray[Any], low: float) -> NDArray[Any]:
    around = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=low)
    windows = np.lib.stride_tricks.sliding_window_view(around, (3, 3), axis=(2, 3))
    brightest: NDArray[Any] = windows.max((4, 5))
    return brightest


def _colored(x: NDArray[Any], low: float) -> NDArray[Any]:
    if x.shape[1] != CHANNELS:
        raise ValueError(f"colored images have {CHANNELS} channels, these have {x.shape[1]}: repeat the gray one")
    red = np.full_like(x, low)
    red[:, 0] = x[:, 0]
    return red


def slanted(x: NDArray[Any], low: float) -> NDArray[Any]:
    """Sheared by whole pixels, (..., H, W)."""
    h, w = x.shape[-2:]
    sheared = np.full_like(x, low)
    for i in range(h):
        move = round(((h - 1) / 2 - i) / 2)
        kept = slice(max(0, -move), min(w, w - move))
        sheared[..., i, max(0, move) : min(w, w + move)] = x[..., i, kept]
    return sheared


def inverted(x: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Dark for bright, in the type of x."""
    mirrored: NDArray[Any] = (low + high - x.astype(np.float64)).astype(x.dtype)
    return mirrored
