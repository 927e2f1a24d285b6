"""Records of a request as the cells of a model's table."""

from __future__ import annotations

import numpy as np

from pushforward.models.family import Family
from pushforward.models.tabular.completion import CompletesRows
from pushforward.service.application.commands.commands import Complete
from pushforward.service.application.commands.validation import refusing
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from pushforward.service.formats.tables import TableRows


def cells_of(card: Card, rows: TableRows) -> np.ndarray:
    """The cells of records, (n, C). Raises Invalid."""
    if card.spec.table is None:
        raise Invalid.field("records", f"are rows of a table, and {card.model} models none; give x")
    with refusing("records"):
        return rows.cells(card.spec.table)


def cells_to_complete(card: Card, family: Family, ask: Complete, rows: TableRows) -> dict[str, np.ndarray]:
    """Cells, and which of them are given, each record `n` times. Raises Invalid."""
    table = card.spec.table
    if table is None or not isinstance(family, CompletesRows):
        raise Invalid.field("records", f"are rows of a table, and {card.model} completes none; give patches")
    with refusing("records"):
        cells, given = rows.partial_cells(table, ask.given or ())
        table.check_given(cells, given, field="records")
    return {"x": cells.repeat(ask.n, axis=0), "given": given.astype(np.uint8).repeat(ask.n, axis=0)}
