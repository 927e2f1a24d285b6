"""Records of a request as the cells of a model's table."""

from __future__ import annotations

import numpy as np

from pushforward.models.family import Family
from pushforward.models.tables.table import Table
from pushforward.models.tabular.completion import CompletesRows
from pushforward.service.application.commands.asks import Ask, OfRows
from pushforward.service.application.commands.commands import Complete
from pushforward.service.application.commands.validation import refusing
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from pushforward.service.formats.tables import TableRows


def cells_of(card: Card, ask: OfRows, rows: TableRows) -> dict[str, np.ndarray]:
    """The cells of records, x, (n, C), and the condition, (n, V), where they hold it. Raises Invalid."""
    table, split = card.spec.file_table, card.spec.split
    if table is None:
        raise Invalid.field("records", f"are rows of a table, and {card.model} models none; give x")
    with refusing("records"):
        cells = rows.cells(table)
        table.check(cells, field="records")
    if split is None:
        return {"x": cells}
    _check_said_once(ask)
    x, condition = split.split(cells)
    return {"x": x, "condition": condition}


def cells_to_complete(card: Card, family: Family, ask: Complete, rows: TableRows) -> dict[str, np.ndarray]:
    """Cells, which are given, and the condition where records hold it, each record `n` times. Raises Invalid."""
    table, split = card.spec.file_table, card.spec.split
    if table is None or not isinstance(family, CompletesRows):
        raise Invalid.field("records", f"are rows of a table, and {card.model} completes none; give patches")
    with refusing("records"):
        cells, given = rows.partial_cells(table, ask.given or ())
        table.check_given(cells, given, field="records")
    arrays: dict[str, np.ndarray] = {"x": cells, "given": given.astype(np.uint8)}
    if split is not None:
        _check_said_once(ask)
        (x, condition), (is_given, is_said) = split.split(cells), split.split(given)
        _check_said(split.given, is_said)
        arrays = {"x": x, "given": is_given.astype(np.uint8), "condition": condition}
    with refusing("records"):
        family.check_given(arrays["x"], arrays["given"])
    return {name: array.repeat(ask.n, axis=0) for name, array in arrays.items()}


def _check_said_once(ask: Ask) -> None:
    """Raises Invalid where a condition stands beside records, which hold it."""
    if ask.condition is not None:
        raise Invalid.field("condition", "is read from the columns of the records; leave it out")


def _check_said(table: Table, is_said: np.ndarray) -> None:
    """Raises Invalid where the cell of a column that the model is given is empty, and not said to be."""
    if not is_said.all():
        row, cell = np.argwhere(~is_said)[0].tolist()
        raise Invalid.field(
            "records",
            f"column {table.modelled[cell].name!r} is empty in row {row}, and the model is given it and draws the "
            "others; give it, or name it in `given` where it is missing",
        )
