"""PNGs as pixels for a terminal. Pillow is imported with the first picture."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from PIL.Image import Image

BLACK = (0, 0, 0, 255)


def opened(png: bytes) -> Image:
    """A PNG as 8-bit RGB; what is transparent is black."""
    from PIL import Image

    image: Image.Image = Image.open(BytesIO(png))
    if image.mode.startswith("I"):  # 16 bits, of which Pillow would clip the upper 8
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = Image.alpha_composite(Image.new("RGBA", image.size, BLACK), image.convert("RGBA"))
    return image.convert("RGB")


def fitted(image: Image, width: int, height: int | None = None) -> Image:
    """The picture within so many pixels, its sides in proportion; never enlarged. Pixels become means."""
    from PIL import Image

    scale = min(1.0, width / image.width, 1.0 if height is None else height / image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return image if size == image.size else image.resize(size, Image.Resampling.BOX)
