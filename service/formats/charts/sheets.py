"""Rows as scenes: points of the plane between axes, images and series in a grid."""

from __future__ import annotations

import numpy as np

from pushforward.models.spec.data_spec import DataSpec
from pushforward.service.formats.charts.figures import of_points
from pushforward.service.formats.charts.layout import scene
from pushforward.service.formats.charts.scene import Raster, Scene
from pushforward.service.formats.png import encode, tiles


def of_rows(model: str, x: np.ndarray, spec: DataSpec | None) -> Scene:
    """Rows, (n, *shape) in data units. Raises NotAcceptable where they cannot be drawn."""
    if spec is not None and spec.shape == (2,):
        return scene(of_points(model, x.astype(np.float64)))
    pixels = tiles(x, spec)
    height, width = pixels.shape[:2]
    title = f"{model}: {len(x):,} {'series' if spec is not None and spec.is_series else 'images'}"
    return Scene(title, width, height, (Raster(0, 0, width, height, encode(pixels)),))
