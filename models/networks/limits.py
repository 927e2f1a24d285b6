"""How wide a masked perceptron must be.

Hidden units carry the elements of up to their own rank, and an element's parameters see the units below its own: with
fewer units than elements some elements are told to none that come after them, and no depth brings them back.
"""

from __future__ import annotations

from pushforward.models.errors import InvalidData

MAX_MASKED = 2**17  # elements of a row: a mask has a byte for each pair of them, 16 GiB of so many


def check_masked(elements: int, family: str) -> None:
    """Raises InvalidData where the masks of one layer take more memory than machines have."""
    if elements > MAX_MASKED:
        raise InvalidData(
            f"rows have {elements:,} elements, and masks of each on each take {elements**2 / 2**30:,.1f} GiB; {family} "
            f"takes up to {MAX_MASKED:,}; give smaller rows, or take a family without masks, as vae",
            field="run.data",
        )


def check_width(width: int, elements: int, *, field: str) -> None:
    """Raises InvalidData where elements would go unread."""
    if width < elements:
        raise InvalidData(
            f"is {width} units, too few to carry {elements} elements to those after them; take at least {elements}",
            field=field,
        )
