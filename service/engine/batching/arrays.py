"""Finished rows as numpy arrays, written into the answers of their requests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from pushforward.service.engine.batching.rows import Segment


def to_numpy(tensors: Mapping[str, Tensor], rows: int) -> dict[str, np.ndarray]:
    """Contiguous arrays on the host. Raises ValueError where an array does not have one row for each row."""
    arrays = {name: np.ascontiguousarray(tensor.cpu().numpy()) for name, tensor in tensors.items()}
    for name, array in arrays.items():
        if len(array) != rows:
            raise ValueError(f"{len(array)} rows of {name} for {rows} rows")
    return arrays


def hand_out(owners: Sequence[Segment], arrays: Mapping[str, np.ndarray]) -> None:
    """Write finished rows into the answers of their requests."""
    at = 0
    for ticket, first, n in owners:
        rows = ticket.request.rows
        for name, array in arrays.items():
            place(ticket.arrays, name, array[at : at + n], first, rows)
        ticket.left -= n
        at += n


def place(into: dict[str, np.ndarray], name: str, part: np.ndarray, first: int, rows: int) -> None:
    """Put rows at their place in an answer of so many rows. A part that is the whole answer needs no copy."""
    if len(part) == rows:
        into[name] = part
        return
    if name not in into:
        into[name] = np.empty((rows, *part.shape[1:]), part.dtype)
    into[name][first : first + len(part)] = part
