"""`service.formats.tables`: rows of tables in every format, and what is no file is refused, however it is broken."""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pushforward.models.data.tables.media_types import MEDIA_TYPES
from pushforward.models.errors import InvalidInput
from pushforward.service.domain.errors import Unsupported
from pushforward.service.formats import tables
from pushforward.service.formats.table_files import dumps
from pushforward.service.formats.tables import RECORDS, TableRows, records
from tests.models.tables.small_tables import LEVELS, category, number, table

MIXED = table(category("a", "x", "y", missing=True), number("r", missing=True), number("n", step=1.0))
CELLS = np.array([[0.0, 0.25, 1.0], [np.nan, np.nan, -2.0], [1.0, -1.5, 4.0]] * 20)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_rows_come_back(media_type: str) -> None:
    sent = TableRows(media_type, dumps(media_type, MIXED, CELLS))
    np.testing.assert_array_equal(sent.cells(MIXED), CELLS)
    np.testing.assert_array_equal(TableRows(RECORDS, records(MIXED, CELLS)).cells(MIXED), CELLS)


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_a_broken_file_is_refused_or_read_and_nothing_else(media_type: str, data: st.DataObject) -> None:
    content = bytearray(dumps(media_type, MIXED, CELLS))
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        match data.draw(st.sampled_from(["flip", "cut", "insert"])):
            case "flip":
                content[at] = data.draw(st.integers(0, 255))
            case "cut":
                del content[at : at + data.draw(st.integers(1, 40))]
            case _:
                content[at:at] = data.draw(st.binary(max_size=10))
        if not content:
            return
    with suppress(InvalidInput):
        assert TableRows(media_type, bytes(content)).cells(MIXED).shape[1] == 3


def test_without_pyarrow_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "find_spec", lambda _: None)
    for call in (
        lambda: records(LEVELS, np.zeros((1, 2))),
        lambda: dumps("text/csv", LEVELS, np.zeros((1, 2))),
        lambda: TableRows(RECORDS, [{"a": "x"}]).cells(LEVELS),
    ):
        with pytest.raises(Unsupported, match=r"pushforward\[table\]"):
            call()
