"""`service.formats.table_files`: files of rows, piece by piece."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from pushforward.models.data.tables.media_types import CSV, MEDIA_TYPES
from pushforward.models.spec.columns import Columns
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.tables.table import Table
from pushforward.service.formats import table_files
from pushforward.service.formats.table_files import TableWriter, dumps, table_file
from pushforward.service.formats.tables import TableRows
from tests.models.tables.small_tables import category, number, table

NAMED = Table(columns=(*table(category("a", "x", "y", missing=True), number("r", missing=True)).columns,))
ROW = Table.model_validate(
    {
        "columns": [
            NAMED.columns[0].model_dump(),
            {"kind": "identifier", "name": "row", "arrow_type": "string", "prefix": "R"},
        ]
    }
)
CELLS = np.array([[0.0, 0.25], [np.nan, np.nan], [1.0, -1.5], [1.0, 4.0]])
ROWS = DataSpec(shape=(2,), table=NAMED)
GIVEN = DataSpec(  # r, and the condition a
    shape=(1,),
    table=Table(columns=NAMED.columns[1:]),
    condition=Columns(table=Table(columns=NAMED.columns[:1]), places=(0,)),
)
MANY = np.tile(CELLS, (15, 1))


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
@pytest.mark.parametrize("parts", [[4], [1, 3], [2, 1, 1]])
def test_pieces_one_after_the_other_are_the_file(media_type: str, parts: list[int]) -> None:
    writer, ends = TableWriter(media_type, NAMED), np.cumsum(parts)
    pieces = [writer.piece(CELLS[end - n : end]) for n, end in zip(parts, ends, strict=True)]
    assert all(pieces)
    sent = TableRows(media_type, b"".join([*pieces, writer.end()]))
    np.testing.assert_array_equal(sent.cells(NAMED), CELLS)


def test_csv_is_the_same_in_one_piece_and_in_many() -> None:
    writer = TableWriter(CSV, NAMED)
    assert b"".join([*(writer.piece(row[None]) for row in CELLS), writer.end()]) == dumps(CSV, NAMED, CELLS)


def test_rows_are_numbered_on_from_piece_to_piece() -> None:
    writer = TableWriter(CSV, ROW, start=7)
    assert writer.piece(CELLS[:2, :1]) == b'"a","row"\n"x","R8"\n,"R9"\n'
    assert writer.piece(CELLS[2:, :1]) == b'"y","R10"\n"y","R11"\n'


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_a_piece_is_let_go_when_it_was_taken(media_type: str) -> None:
    writer = TableWriter(media_type, NAMED)
    first, *others = [len(writer.piece(np.tile(CELLS, (256, 1)))) for _ in range(8)]
    assert max(others) <= first
    assert len({*others}) <= 2


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_file_has_the_rows_and_is_the_same_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, media_type: str
) -> None:
    monkeypatch.setattr(table_files, "ROWS_AT_ONCE", 25)
    np.save(tmp_path / "rows.npy", MANY)
    *pieces, last = table_file(tmp_path / "rows.npy", tmp_path / "first", ROWS, None, media_type)
    content = (tmp_path / "first").read_bytes()
    assert len(pieces) == 4  # three of rows, and the end
    assert (last.n_bytes, last.sha256) == (len(content), sha256(content).hexdigest())
    np.testing.assert_array_equal(TableRows(media_type, content).cells(NAMED), MANY)
    assert [*table_file(tmp_path / "rows.npy", tmp_path / "second", ROWS, None, media_type)][-1] == last


@pytest.mark.parametrize("media_type", MEDIA_TYPES)
def test_the_columns_that_are_given_stand_in_the_file(tmp_path: Path, media_type: str) -> None:
    np.save(tmp_path / "rows.npy", MANY[:, 1:])
    assert [*table_file(tmp_path / "rows.npy", tmp_path / "file", GIVEN, np.array([[1.0]]), media_type)]
    cells = TableRows(media_type, (tmp_path / "file").read_bytes()).cells(NAMED)
    np.testing.assert_array_equal(cells, np.c_[np.ones(len(MANY)), MANY[:, 1]])
