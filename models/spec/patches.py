"""Patches of an image of which a part is known: from an image and its mask to what `complete` takes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from pushforward.models.errors import InvalidInput
from pushforward.models.spec.data_spec import Shape


def patches_under(x: NDArray[Any], mask: NDArray[Any], shape: Shape) -> NDArray[Any]:
    """Patches of the known part of each image, (B, *shape): N squares inside of it, chosen one after the other.

    Each is the one that shows most of what the ones before it do not show; of equals the first, row by row.

    Arguments:
        x: (B, C, H, W); what is not known may be anything.
        mask: 1 where an image is known and 0 elsewhere, (H, W) for all images or (B, H, W).
        shape: (N, C, s, s).

    Raises:
        InvalidInput: the mask is none, or a patch does not fit into the known part.
    """
    count, _, height, width = shape
    known = _checked(x, mask)
    return np.stack([
        np.stack([image[:, i : i + height, j : j + width] for i, j in _places(part, count, (height, width), row)])
        for row, (image, part) in enumerate(zip(x, known, strict=True))
    ])  # fmt: skip


def _checked(x: NDArray[Any], mask: NDArray[Any]) -> NDArray[np.bool_]:
    """(B, H, W)."""
    extent = x.shape[2:]
    if mask.shape not in (extent, (len(x), *extent)):
        raise InvalidInput(f"has shape {list(mask.shape)}; send {list(extent)} for all rows, or one each", field="mask")
    if not np.isin(mask, (0, 1)).all():
        raise InvalidInput("must hold 1 where a row is known, and 0 elsewhere", field="mask")
    return np.broadcast_to(mask.astype(bool), (len(x), *extent))


def _places(known: NDArray[np.bool_], count: int, size: tuple[int, int], row: int) -> list[tuple[int, int]]:
    """Upper left pixels of patches."""
    inside = np.lib.stride_tricks.sliding_window_view(known, size).all((2, 3))
    if not inside.any():
        patch = f"{size[0]}x{size[1]} pixels"
        raise InvalidInput(f"shows no whole patch in row {row}; show one of {patch} at least", field="mask")
    unseen, places = known.copy(), list[tuple[int, int]]()
    for _ in range(count):
        shown = np.lib.stride_tricks.sliding_window_view(unseen, size).sum((2, 3))
        best = int(np.where(inside, shown, -1).argmax())
        i, j = (int(each) for each in np.unravel_index(best, inside.shape))
        unseen[i : i + size[0], j : j + size[1]] = False
        places.append((i, j))
    return places
