"""The known names that may have been meant by one that is not known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

MAX_LISTED = 12  # names that are listed where none is near
MAX_COMPARED_CHARS = 64


def near(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """The n known names that are spelled most alike, the nearest first; none where all are far."""
    return get_close_matches(name[:MAX_COMPARED_CHARS], list(known), n)


def did_you_mean(names: Sequence[str], between: str = ", ") -> str:
    """`did you mean a, b?`; empty without names."""
    return f"did you mean {between.join(names)}?" if names else ""


def nearest(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a question; empty where none is near."""
    return did_you_mean([f"`{each}`" for each in near(name, known, 1)])


def meant(name: str, known: Iterable[str]) -> str:
    """The nearest of the known names as a question, or all where they are few; else empty."""
    known = list(known)
    few = f"remove it, or give one of: {', '.join(known)}" if 0 < len(known) <= MAX_LISTED else ""
    return nearest(name, known) or few
