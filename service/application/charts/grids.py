"""Grids over the plane: the cells whose density a picture shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid

SCALES = 3.0  # of the data to each side of their middle, where they have no bounds

Within = tuple[tuple[float, float], tuple[float, float]]  # the ends of the first axis, and of the second


class Grid(NamedTuple):
    """Cells of a rectangle of the plane."""

    n: int  # along each axis
    within: Within

    @property
    def cells(self) -> np.ndarray:
        """The centers of the cells, (n * n, 2) float64: row by row, the top first."""
        ticks = (np.arange(self.n) + 0.5) / self.n
        across, up = (low * (1 - ticks) + high * ticks for low, high in self.within)
        right, above = np.meshgrid(across, up[::-1])
        return np.stack([right.ravel(), above.ravel()], 1)


def grid_of(card: Card, n: int, within: Within | None) -> Grid:
    """A grid of n x n cells over what a model's data take, or within a rectangle. Raises Invalid."""
    spec = card.spec
    if spec.shape != (2,) or spec.table is not None:
        raise Invalid.field("grid", f"is for points of the plane, and {card.model} models other rows; give x")
    if spec.constants:
        raise Invalid.field("grid", f"needs two numbers that vary, and one of {card.model} is constant; give x")
    if spec.discrete:
        raise Invalid.field("grid", f"needs a density, and rows of {card.model} have probabilities; give x")
    return Grid(n, within or bounds(spec))


def bounds(spec: DataSpec) -> Within:
    """The range of the data; without one, three of their scales around their middle."""
    if spec.low is not None and spec.high is not None:
        return (spec.low, spec.high), (spec.low, spec.high)
    shift, scale = (np.broadcast_to(each, 2) for each in (spec.shift, spec.scale))
    first, second = zip((shift - SCALES * scale).tolist(), (shift + SCALES * scale).tolist(), strict=True)
    return first, second
