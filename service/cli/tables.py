"""Tables that fit a terminal and cut no name.

A cell breaks between words only, so that names such as flags stay whole. The minimum width of a column is that of its
longest word; the first columns hold names and do not break at all. The rest of the line is divided among the other
columns, the narrowest first, and none gets more than it needs. If the minimum widths do not fit, each row is written
as a record, one line for each field. A last column of numbers may be cut with an ellipsis instead: `jobs ID` shows all
of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from textwrap import wrap

GAP = "  "
INDENT = "  "
CUT_CHARS = 10  # minimum width of a column that may be cut

Row = Sequence[str]


def plain(headers: Row, rows: Sequence[Row]) -> Iterator[str]:
    """A table aligned by spaces; nothing is cut or broken."""
    lines = [[one_line(cell) for cell in row] for row in ([header.upper() for header in headers], *rows)]
    yield from aligned(lines)


def aligned(rows: Sequence[Row]) -> Iterator[str]:
    """Rows as lines, their columns one below another."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield _joined(row, widths)


def fitted(headers: Row, rows: Sequence[Row], width: int, *, whole: int = 1, cut: bool = False) -> Iterator[str]:
    """The lines of a table no wider than `width`: the header, a rule, the rows; or records, where it is too narrow.

    The first `whole` columns do not break; the last is cut where `cut` says so. Only a word that is wider than the
    whole terminal is broken, by the terminal.
    """
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = _widths([headers, *cells], width, whole, cut)
    if widths is None:
        yield from _records(headers, cells, width)
        return
    yield _joined(headers, widths)
    yield "─" * min(width, sum(widths) + len(GAP) * (len(widths) - 1))
    for row in cells:
        columns = [
            [_cut(cell, chars)] if cut and number == len(widths) - 1 else _broken(cell, chars)
            for number, (cell, chars) in enumerate(zip(row, widths, strict=True))
        ]
        for line in zip_longest(*columns, fillvalue=""):
            yield _joined(line, widths)


def one_line(cell: str) -> str:
    """A cell with spaces for line breaks."""
    return re.sub(r"\s*\n\s*", " ", cell.strip())


def _widths(rows: Sequence[Row], width: int, whole: int, cut: bool) -> list[int] | None:
    """The widths of the columns; None where the minimum widths do not fit."""
    columns = list(zip(*rows, strict=True))
    wanted = [max(map(len, column)) for column in columns]
    least = [
        wanted[number] if number < whole else max(len(word) for cell in column for word in (*cell.split(), ""))
        for number, column in enumerate(columns)
    ]
    if cut:
        least[-1] = min(wanted[-1], max(CUT_CHARS, len(rows[0][-1])))
    spare = width - len(GAP) * (len(columns) - 1) - sum(least)
    return None if spare < 0 else _shared(least, wanted, spare)


def _shared(least: list[int], wanted: list[int], spare: int) -> list[int]:
    """Give the spare characters, one at a time, to the narrowest column that needs more."""
    widths = list(least)
    for _ in range(spare):
        narrow = [number for number, chars in enumerate(widths) if chars < wanted[number]]
        if not narrow:
            break
        widths[min(narrow, key=widths.__getitem__)] += 1
    return widths


def _records(headers: Row, rows: Sequence[Row], width: int) -> Iterator[str]:
    """For each row its name, and below it one line for each field that has a value."""
    longest = max(map(len, headers[1:]), default=0)
    for row in rows:
        yield row[0]
        for header, cell in zip(headers[1:], row[1:], strict=True):
            label = f"{INDENT}{header.ljust(longest)}{GAP}"
            for number, line in enumerate(_broken(cell, max(1, width - len(label))) if cell else ()):
                yield f"{label if number == 0 else ' ' * len(label)}{line}"


def _broken(cell: str, chars: int) -> list[str]:
    return wrap(cell, chars, break_long_words=False, break_on_hyphens=False) or [""]


def _cut(cell: str, chars: int) -> str:
    return cell if len(cell) <= chars else f"{cell[: chars - 1].rstrip()}…"


def _joined(cells: Row, widths: Sequence[int]) -> str:
    return GAP.join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
