r"""Handwritten digits with attributes that are exact maps, and captions that tell both.

A row is a digit x, 8x8 with levels 0..16, under some of three maps, in this order:

    thick      x'[i, j] = max(x[i, j], x[i, j - 1])         ink spreads one pixel to the right
    slanted    x'[i, j] = x[i, j - s_i]                       s = 2, 1, 1, 0, 0, -1, -1, -2: rows above move right
    inverted   x'[i, j] = 16 - x[i, j]                      white on black becomes black on white

A caption is a sentence of a grammar:

    caption     article  adjectives  name             a thick slanted seven
              | name "," adjectives                   seven, slanted and thick
              | "the digit" name ["," adjectives]     the digit 7, leaning and bold
    adjectives  a word of each attribute, in any order
    name        the digit's name | its numeral

One digit with three attributes has 288 captions, and a digit without attributes 6. Which maps a row has, each with
probability 1/2, and which of its captions, are drawn by the seed of the source. With more than one copy, a digit that
is held out may be trained on under other maps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import compress, permutations, product
from pathlib import Path
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from pushforward.models.data.digits import SPEC, Digits
from pushforward.models.data.domains import styles
from pushforward.models.data.mapped.pieces import Numbers
from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.data.source import Finite, Rows
from pushforward.models.spec.conditions import AnyCondition
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.spec.text import Text

INK = 16  # the highest level
N_DIGITS = 1797

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
WORDS = {
    "thick": ("thick", "bold"),
    "slanted": ("slanted", "leaning"),
    "inverted": ("inverted", "negative"),
}
LONGEST = 48  # characters, no caption has more

Images = NDArray[np.uint8]


@final
class CaptionedDigits(Finite):
    """Handwritten digits of scikit-learn, made thick, slanted or inverted, with captions: 8x8, 17 levels 0..16."""

    source: Literal["captioned_digits"] = "captioned_digits"
    # Other sources have labels only.
    condition: Literal["text", "label"] | None = None  # type: ignore[assignment]
    """What the model is given beside each row: its caption, or the label of its digit."""
    copies: int = Field(4, ge=1, le=64)
    """How often each digit is there, with attributes and a caption of its own each time."""
    seed: int = Field(0, ge=0, lt=2**63)
    """Seed of attributes and captions."""

    @property
    def labels_are(self) -> str:
        return "digits"

    def outline(self, root: Path) -> DataSpec:
        condition = None if self.condition is None else self.conditions(Rows(np.empty(0), np.array([9])))
        return SPEC.model_copy(update={"condition": condition, "n_rows": N_DIGITS * self.copies})

    def rows(self, root: Path, scratch: ScratchSpace = IN_MEMORY) -> Rows:
        digits = Digits().rows(root)
        x, y = np.tile(digits.x, (self.copies, 1, 1, 1)), np.tile(np.asarray(digits.y), self.copies)
        rng = np.random.Generator(np.random.PCG64(self.seed))
        has = rng.random((len(x), len(ATTRIBUTES))) < 0.5
        for applies, attribute in zip(has.T, ATTRIBUTES.values(), strict=True):
            x[applies] = attribute(x[applies])
        told = [captions(int(digit), tuple(compress(ATTRIBUTES, each))) for digit, each in zip(y, has, strict=True)]
        chosen = [each[rng.integers(len(each))] for each in told]
        return Rows(x, y, TEXT.read(np.array(chosen)))

    def spec(self, rows: Rows, training: Numbers | None = None) -> DataSpec:
        return SPEC

    def conditions(self, rows: Rows, training: Numbers | None = None) -> AnyCondition | None:
        return TEXT if self.condition == "text" else super().conditions(rows)

    def condition_values(self, rows: Rows) -> NDArray[Any]:
        return rows.c if self.condition == "text" and rows.c is not None else super().condition_values(rows)


def thick(x: Images) -> Images:
    """Each pixel and its left neighbor, the darker of both.  x: (..., H, W)."""
    spread: Images = x.copy()
    np.maximum(x[..., 1:], x[..., :-1], out=spread[..., 1:])
    return spread


def slanted(x: Images) -> Images:
    """Sheared to the right by whole pixels; what leaves the image is lost.  x: (..., H, W)."""
    return styles.slanted(x, 0)


def inverted(x: Images) -> Images:
    """Paper for ink and ink for paper."""
    return styles.inverted(x, 0, INK)


@cache
def captions(digit: int, attributes: Sequence[str] = ()) -> tuple[str, ...]:
    """All captions of a digit with these attributes, a tuple of keys of `WORDS`; each once.

    Example:
        >>> from pushforward.models.data.captioned_digits import captions
        >>> captions(7)[:3]
        ('a seven', 'seven', 'the digit seven')
        >>> "a thick slanted seven" in captions(7, ("thick", "slanted"))
        True
    """
    found = (
        caption
        for name in (NAMES[digit], str(digit))
        for order in permutations(attributes)
        for adjectives in product(*(WORDS[each] for each in order))
        for caption in _forms(name, adjectives)
    )
    return tuple(dict.fromkeys(found))


def _forms(name: str, adjectives: Sequence[str]) -> Iterator[str]:
    noun = " ".join((*adjectives, name))
    behind = f", {_listed(adjectives)}" if adjectives else ""
    yield f"{_article(noun)} {noun}"
    yield f"{name}{behind}"
    yield f"the digit {name}{behind}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou8" else "a"


def _listed(words: Sequence[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} and {last}" if first else last


ATTRIBUTES: dict[str, Callable[[Images], Images]] = {"thick": thick, "slanted": slanted, "inverted": inverted}
TEXT = Text(max_length=LONGEST)
