"""`models.data.tables.rare`: values that few rows have are `other`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from pushforward.models.data import TableFile
from pushforward.models.data.tables.cells import ColumnChoice
from pushforward.models.data.tables.inference import infer
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.run import Run
from pushforward.models.tables.arrow import from_cells, to_cells
from pushforward.models.tables.columns import Category
from pushforward.models.tables.table import Table
from pushforward.models.training.data import load_data

KINDS = ["oak"] * 5 + ["ash"] * 3 + ["elm"] * 2 + ["fir", None]


def merged(values: Any, min_count: int, **choice: Any) -> tuple[Category, str]:
    chosen = {"kind": ColumnChoice(**choice)} if choice else {}
    [(column, reason)] = infer(pa.table({"kind": pa.array(values)}), chosen, min_count)
    assert isinstance(column, Category)
    return column, reason


@pytest.mark.parametrize(
    ("min_count", "values"),
    [
        (1, ("oak", "ash", "elm", "fir")),
        (2, ("oak", "ash", "elm", "other")),
        (3, ("oak", "ash", "other")),
        (4, ("oak", "other")),
        (5, ("oak", "other")),
    ],
)
def test_values_in_fewer_rows_are_other(min_count: int, values: tuple[str, ...]) -> None:
    column, reason = merged(KINDS, min_count)
    assert (column.values, column.other, column.missing) == (values, min_count > 1, True)
    n_rare = 4 - len(values) + 1
    told = f", {n_rare} of them in fewer than {min_count} rows: other" if min_count > 1 else ""
    assert reason == f"texts with 4 distinct values{told}"


def test_a_column_without_rare_values_has_no_other() -> None:
    column, _ = merged(["a", "b"] * 10, 10)
    assert (column.values, column.other) == (("a", "b"), False)


def test_rare_and_unseen_values_are_read_as_other_and_drawn_as_that_text() -> None:
    table = Table(columns=(merged(KINDS, 3)[0],))
    cells = to_cells(table, pa.table({"kind": ["oak", "elm", "fir", "yew", "other", None, "ash"]}))
    np.testing.assert_array_equal(cells[:, 0], [0, 2, 2, 2, 2, np.nan, 1])
    drawn = from_cells(table, cells).column("kind").to_pylist()
    assert drawn == ["oak", "other", "other", "other", "other", None, "ash"]


def test_where_a_column_has_no_other_unseen_values_are_refused() -> None:
    with pytest.raises(InvalidInput, match="holds 'yew' in row 0"):
        to_cells(Table(columns=(merged(KINDS, 1)[0],)), pa.table({"kind": ["yew"]}))


def test_a_text_with_many_rare_values_is_a_category() -> None:
    texts = ["usual"] * 30 + [f"said {i}" for i in range(30)]
    with pytest.raises(InvalidData, match="a free text"):
        merged(texts, 1)
    assert merged(texts, 2)[0].values == ("usual", "other")


@pytest.mark.parametrize(
    ("values", "choice", "message"),
    [
        ([1] * 5 + [2] * 6 + [3], {}, "holds no texts"),
        ([True] * 11 + [False], {}, "holds no texts"),
        ([*KINDS, "other", "other", "other"], {}, "holds the text 'other'"),
        (KINDS, {"ordered": True}, "has no place in its order"),
        (["a", "b"] * 2 + ["c"] * 2, {"kind": "category"}, "has no value in 3 rows"),
    ],
)
def test_a_column_whose_rare_values_cannot_be_other_is_refused_by_name(
    values: Any, choice: dict[str, Any], message: str
) -> None:
    with pytest.raises(InvalidData, match=message) as refused:
        merged(values, 3, **choice)
    assert refused.value.field == "columns.kind"


def test_a_training_s_notes_and_the_outline_tell(tmp_path: Path) -> None:
    lines = [f"{kind or ''},{i / 7}" for i, kind in enumerate(KINDS * 3)]
    (tmp_path / "trees.csv").write_text("\n".join(["kind,height", *lines]))
    data = {"source": "table", "path": "trees.csv", "min_count": 7}
    spec, reasons = TableFile.model_validate(data).outline_with_reasons(tmp_path)
    assert spec.table is not None
    assert reasons["kind"].endswith("2 of them in fewer than 7 rows: other")
    loaded = load_data(Run.model_validate({"family": {"family": "flow"}, "data": data}), tmp_path)
    assert loaded.notes == ("Values in few rows, and unseen ones, are 'other' in 'kind'.",)
    assert loaded.notes == spec.table.notes
