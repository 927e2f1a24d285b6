"""Rows under a record of columns, of a model of a table that was trained without: completions of that record.

`POST /sample {"condition": {"kind": "oak"}}` is `POST /complete {"records": [{"kind": "oak"}]}` in another form.
A model that was trained with `data.condition` is given its columns instead (`models.spec.columns`).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pushforward.models.family import Family
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.conditioning import Conditioning
from pushforward.models.tables.records import no_column
from pushforward.models.tables.split import SplitTable
from pushforward.models.tables.table import Table
from pushforward.models.tabular.completion import CompletesRows
from pushforward.service.application.commands.commands import Complete, Sample
from pushforward.service.application.commands.validation import refusing
from pushforward.service.domain.catalog import Card
from pushforward.service.domain.errors import Invalid
from pushforward.service.formats.tables import RECORDS, TableRows

FIELD = "condition"


def completion_of(card: Card, ask: Sample) -> Complete | None:
    """The completion that a sample is, if its condition is of columns that the model was not trained with.

    Raises Invalid.
    """
    table, given = card.spec.table, ask.condition
    if table is None or card.spec.condition is not None or given is None:
        return None
    if given.dtype.kind == "U" and "text" in table.cell_of:  # {"text": ...}, which is read as a text
        given = np.array([{"text": text} for text in given.reshape(-1).tolist()], object)
    if given.dtype.kind != "O":
        return None
    if "complete" not in card.capabilities:
        raise Invalid.field(
            FIELD,
            f"is a record of columns, and {card.model} was trained without; {card.family} cannot complete one: draw "
            "rows and keep those that have it by `where`, or train with data.condition",
        )
    records = TableRows(RECORDS, given.reshape(-1).tolist())
    return Complete(model=ask.model, options=ask.options, records=records, deadline_ms=ask.deadline_ms)


def cells_under(card: Card, family: Family, ask: Sample) -> dict[str, np.ndarray]:
    """Cells, x, (n, C), and which of them are given, for each row of a sample that is a completion. Raises Invalid."""
    if card.spec.table is None or ask.condition is None or not isinstance(family, CompletesRows):
        raise TypeError("the sample is no completion of a record")
    record = ask.condition.flat[0]
    split = _split(card.spec.table, record if isinstance(record, dict) else {"text": record})
    columns = Columns(table=split.given, places=split.places)
    with refusing(FIELD):
        given = Conditioning(card.model, columns, answers_without=False).rows(ask.condition, ask.n)
    if given is None:
        raise TypeError("a kind of condition that is needed is there")
    unknown = np.full((ask.n, split.modelled.n_cells), np.nan)
    is_given = split.joined(np.zeros(unknown.shape, np.uint8), np.ones(given.shape, np.uint8))
    x = split.joined(unknown, given)
    with refusing(FIELD):
        family.check_given(x, is_given)
    return {"x": x, "given": is_given}


def no_file(card: Card) -> Invalid:
    """The refusal of a job that is to draw completions."""
    message = f"is a record of columns, and {card.model} was trained without; a job draws no rows under it"
    return Invalid.field(FIELD, f"{message}: ask for fewer rows at once, or train with data.condition")


def _split(table: Table, record: dict[str, Any]) -> SplitTable:
    """The columns that a record names, and the others. Raises Invalid."""
    unknown = next((name for name in record if name not in table.cell_of), None)
    if unknown is not None:
        raise Invalid.field(FIELD, no_column(unknown, [*table.cell_of]))
    if not 0 < len(record) < table.n_cells:
        few = "no column; name one at least" if not record else "all columns; leave one out, which is to be drawn"
        raise Invalid.field(FIELD, f"names {few}")
    return SplitTable.of(table, [*record])
