"""How wide a masked perceptron must be.

Hidden units carry the elements of up to their own rank, and an element's parameters see the units below its own: with
fewer units than elements some elements are told to none that come after them, and no depth brings them back.
"""

from __future__ import annotations

from models.errors import InvalidData


def check_width(width: int, elements: int, *, field: str) -> None:
    """Raises InvalidData where elements would go unread."""
    if width < elements:
        raise InvalidData(
            f"is {width} units, too few to carry {elements} elements to those after them; take at least {elements}",
            field=field,
        )
