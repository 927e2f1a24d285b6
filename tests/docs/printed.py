"""What a page prints beside what comes: the same words in the same order, by rules that are written here.

`...` stands for anything, or for nothing, with the comma after it. White space does not count. Beyond that:

- an id (16 hexadecimal digits) is another one at each run, but the same wherever the page prints the same;
- digests, ids of events and moments (seconds since 1970) are other ones at each run;
- a whole number is itself; one with a fraction may differ by a tenth, for processors round trainings differently;
- `cfff20cb...`: a word that begins so.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

ANY = "..."
TOKEN = re.compile(
    r"(?P<any>\.\.\.,?)|(?P<digest>\b[0-9a-f]{64}\b)|(?P<id>\b[0-9a-f]{16}\b)|(?P<event>\b\d{13}-\d+)"
    r"|(?P<moment>\b1\d{9}\.\d+)|(?P<fraction>(?:(?<!\w)-)?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+))|(?P<whole>(?:(?<!\w)-)?\d+)"
    r"|(?P<start>\w+\.\.\.)|(?P<word>\w+)|(?P<mark>[^\w\s])"
)
TOLERANCE = 0.1
DIFFERENT_EACH_TIME = {"digest", "event", "moment"}
NUMBERS = {"fraction", "whole"}


class Token(NamedTuple):
    """A word, a number or a mark, where it stands, and which rule it falls under."""

    text: str
    rule: str
    start: int
    end: int


def tokens(text: str) -> list[Token]:
    return [Token(match[0], match.lastgroup or "", *match.span()) for match in TOKEN.finditer(text)]


def agree(printed: Token, came: Token, *, any_number: bool) -> bool:
    """Whether one may stand for the other."""
    if printed.rule == "start":
        return came.text.startswith(printed.text.removesuffix(ANY))
    if {printed.rule, came.rule} <= NUMBERS and "fraction" in (printed.rule, came.rule):
        expected, value = float(printed.text), float(came.text)
        return any_number or abs(value - expected) <= TOLERANCE * (1 + abs(expected))
    if printed.rule in {"id", *DIFFERENT_EACH_TIME}:
        return came.rule == printed.rule
    return printed.text == came.text


@dataclass
class Mismatch(Exception):
    """Where what is printed and what came part."""

    printed: str
    came: str
    expected: str

    def __str__(self) -> str:
        return f"printed:\n{self.printed}\n\ncame:\n{self.came}\n\nnothing that came goes with: {self.expected}"


def aligned(printed: str, came: str, *, any_number: bool = False) -> Iterator[tuple[Token, Token]]:
    """Each printed token with the one that came in its place. Raises Mismatch.

    The usual matching with wildcards: on a disagreement the last wildcard takes one token more.
    """
    wanted, given = tokens(printed), tokens(came)
    pairs, i, k, furthest = list[tuple[Token, Token]](), 0, 0, 0
    back: tuple[int, int, int] | None = None  # after the last wildcard: the next wanted, the next given, pairs so far
    while k < len(given) or i < len(wanted):
        if i < len(wanted) and wanted[i].rule == "any":
            i += 1
            back = (i, k, len(pairs))
        elif i < len(wanted) and k < len(given) and agree(wanted[i], given[k], any_number=any_number):
            pairs.append((wanted[i], given[k]))
            i, k = i + 1, k + 1
            furthest = max(furthest, i)
        elif back is not None and back[1] < len(given):
            back = (back[0], back[1] + 1, back[2])
            i, k = back[:2]
            del pairs[back[2] :]
        else:
            raise Mismatch(printed, came, " ".join(token.text for token in wanted[furthest : furthest + 6]))
    yield from pairs


def ids(pairs: Iterator[tuple[Token, Token]], known: dict[str, str]) -> None:
    """Learn which id came for which. Raises AssertionError where a printed id came as two."""
    for printed, came in pairs:
        if printed.rule == "id":
            assert known.setdefault(printed.text, came.text) == came.text, f"the id {printed.text} is of two things"


def renewed(printed: str, came: str) -> str:
    """The printed text with the fractions that came. Raises Mismatch where more differs."""
    text = printed
    for token, new in reversed(list(aligned(printed, came, any_number=True))):
        if {token.rule, new.rule} <= NUMBERS:
            text = text[: token.start] + new.text + text[token.end :]
    return text
