"""Previews: rows between two steps, shown to the requests that want them."""

from __future__ import annotations

import numpy as np

from pushforward.service.domain.inference import Preview
from pushforward.service.engine.rows import EngineRows, place
from pushforward.service.engine.tickets import Seen, Ticket


def due(rows: EngineRows) -> EngineRows | None:
    """The rows whose request wants a preview at their step."""
    wanted = np.zeros(len(rows), bool)
    for at, (ticket, _, n) in rows.placed():
        every = ticket.question.preview_every
        wanted[at : at + n] = every > 0 and rows.k[at] % every == 0
    return rows.of(wanted)


def completed(rows: EngineRows | None, arrays: dict[str, np.ndarray], steps: int) -> list[tuple[Ticket, Preview]]:
    """Add the previews of some rows; gives those that now have all rows of their request."""
    found: list[tuple[Ticket, Preview]] = []
    if rows is None or not arrays:
        return found
    for at, (ticket, first, n) in rows.placed():
        k, n_rows = int(rows.k[at]), ticket.question.rows
        seen = ticket.previews.setdefault(k, Seen({}, n_rows))
        for name, array in arrays.items():
            place(seen.arrays, name, array[at : at + n], first, n_rows)
        seen.left -= n
        if not seen.left:
            del ticket.previews[k]
            found.append((ticket, Preview(k, steps, seen.arrays)))
    return found
