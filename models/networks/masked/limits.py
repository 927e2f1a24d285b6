"""Limits of masked perceptrons: memory, weights, and the least width.

A hidden unit carries the elements up to its own rank, and the parameters of an element see the units below its rank.
With fewer units than elements, some elements reach no element after them, whatever the depth.
"""

from __future__ import annotations

from pushforward.models.errors import InvalidData

MAX_MASKED = 2**17  # elements of a row: a mask has a byte for each pair of elements, 16 GiB here

MAX_WEIGHTS = 2**29  # of a last layer: 8 GiB with gradients and Adam's moments


def check_last_layer(n_weights: int, *, is_image: bool) -> None:
    """Raise InvalidData if the last layer of a masked perceptron takes more memory than machines have."""
    if n_weights > MAX_WEIGHTS:
        other = '{"network": "pixelcnn"}, ' if is_image else ""
        raise InvalidData(
            f"has {n_weights:,} weights in its last layer, a number for each unit, element and level, which take "
            f"{n_weights / 2**26:,.0f} GiB to train; take {other}the likelihood discretized_logistic, or smaller rows",
            field="run.family.network",
        )


def check_mask_memory(elements: int, family: str) -> None:
    """Raise InvalidData if the masks of one layer take more memory than machines have."""
    if elements > MAX_MASKED:
        raise InvalidData(
            f"rows have {elements:,} elements, and masks of each on each take {elements**2 / 2**30:,.1f} GiB; {family} "
            f"takes up to {MAX_MASKED:,}; give smaller rows, or take a family without masks, as vae",
            field="run.data",
        )


def check_mask_width(width: int, elements: int, *, field: str) -> None:
    """Raise InvalidData if some elements would not be read."""
    if width < elements:
        raise InvalidData(
            f"is {width} units, too few to carry {elements} elements to those after them; take at least {elements}",
            field=field,
        )
