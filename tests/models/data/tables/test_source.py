"""`models.data.tables`: real files become rows, and rows come back as they were."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import csv, feather, parquet

from pushforward.models.data import TableFile
from pushforward.models.data.tables.parsing import parse_csv, separator
from pushforward.models.data.tables.reading import read
from pushforward.models.errors import InvalidData, InvalidInput
from pushforward.models.run import Run
from pushforward.models.tables.arrow import from_cells, to_cells
from pushforward.models.tables.columns import Number
from pushforward.models.tables.table import Table
from pushforward.models.training.data import conditions, load_data
from tests.models.data.tables.real_tables import DROPPED, put


def columns_of(source: TableFile, root: Path) -> Table:
    table = source.outline(root).table
    assert table is not None
    return table


@pytest.mark.parametrize(
    ("name", "columns"), [("penguins-raw.csv", DROPPED), ("penguins.csv", {}), ("seattle-weather.csv", {})]
)
def test_a_real_table_comes_back_as_it_was(name: str, columns: dict[str, Any], tmp_path: Path) -> None:
    source = TableFile.model_validate({"path": put(name, tmp_path), "columns": columns})
    rows = source.rows(tmp_path)
    table = columns_of(source, tmp_path)
    table.check(rows.x)
    as_it_was, back = read(tmp_path / name, name), from_cells(table, rows.x)
    for column in table.columns:
        assert back.column(column.name).type == as_it_was.column(column.name).type
        if column.kind != "identifier":
            assert back.column(column.name).to_pylist() == as_it_was.column(column.name).to_pylist()


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow", "feather", "arrows"])
def test_every_format_gives_the_same_rows(suffix: str, tmp_path: Path) -> None:
    table = read(tmp_path / put("penguins.csv", tmp_path), "penguins.csv")
    path = tmp_path / f"same.{suffix}"
    match suffix:
        case "csv" | "tsv":
            csv.write_csv(table, path, csv.WriteOptions(delimiter="\t" if suffix == "tsv" else ";"))
        case "parquet":
            parquet.write_table(table, path)
        case "feather":
            feather.write_feather(table, str(path), compression="uncompressed")
        case _:
            make = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
            with make(str(path), table.schema) as writer:
                writer.write_table(table)
    rows = TableFile(path=path.name).rows(tmp_path)
    np.testing.assert_array_equal(rows.x, TableFile(path="penguins.csv").rows(tmp_path).x)


@pytest.mark.parametrize(
    ("content", "message", "field"),
    [
        (b"a,b\n1,2\n3\n" + b"4,5\n" * 10, r"Row #3: Expected 2 columns, got 1", "path"),
        (b"a,a\n" + b"1,2\n" * 12, "two columns 'a'", "path"),
        (b",b\n" + b"1,2\n" * 12, "has no name", "path"),
        (b"a,b\n1,2\n", "1 rows; give 10", "path"),
        (b"", "cannot be read", "path"),
        (b"a,b\n" + b"1,2\n" * 12, "one column at least", "columns"),
        (b"PAR1 and more", "cannot be read|has 0 rows", "path"),
        (b"\xff\n" + b"1.5\n" * 12, "cannot be read", "path"),
        (b"a\n" + b"\xff\xfe\n" * 12, "no single value|cannot be read", None),
    ],
)
def test_a_malformed_csv_is_refused_with_the_place(
    content: bytes, message: str, field: str | None, tmp_path: Path
) -> None:
    (tmp_path / "bad.csv").write_bytes(content)
    with pytest.raises(InvalidData, match=message) as refusal:
        TableFile(path="bad.csv").outline(tmp_path)
    assert field is None or refusal.value.field == field


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "feather", "arrows"])
def test_garbage_is_no_table(suffix: str, tmp_path: Path) -> None:
    (tmp_path / f"bad.{suffix}").write_bytes(b"ARROW1garbage" * 100)
    with pytest.raises(InvalidData, match="cannot be read"):
        TableFile(path=f"bad.{suffix}").outline(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n" + "1,2\n" * 60, "cannot be modelled: one column at least is a number, a time or a category"),
        (
            "\n".join([",".join(f"c{i}" for i in range(1001)), *[",".join([f"{i}.5"] * 1001) for i in range(10)]]),
            "'table.csv' has 1001 columns, and 1000 are modelled at most; drop some",
        ),
    ],
    ids=["constants", "columns"],
)
def test_a_table_that_is_no_model_s_is_refused_in_words(content: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(content)
    with pytest.raises(InvalidData) as refusal:
        TableFile(path="table.csv").outline(tmp_path)
    assert (refusal.value.message, refusal.value.field) == (message, "columns")


def test_missing_cells_are_modelled_dropped_or_refused(tmp_path: Path) -> None:
    put("penguins.csv", tmp_path)
    assert len(TableFile(path="penguins.csv").rows(tmp_path).x) == 344
    dropped = TableFile(path="penguins.csv", missing="drop_rows").rows(tmp_path)
    assert len(dropped.x) == 333
    assert not np.isnan(dropped.x).any()
    with pytest.raises(InvalidData, match="column 'bill_length_mm' has 2 missing cells") as refusal:
        TableFile(path="penguins.csv", missing="refuse").outline(tmp_path)
    assert refusal.value.field == "missing"


def test_transforms_are_fitted_to_the_rows_that_train(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    csv.write_csv(pa.table({"x": rng.normal(size=400)}), tmp_path / "x.csv")
    run = Run.model_validate({"family": {"family": "flow"}, "data": {"source": "table", "path": "x.csv"}})
    data = load_data(run, tmp_path)
    assert data.spec.table is not None
    [number] = data.spec.table.numbers
    trained = data.train.x[:, 0]  # type: ignore[union-attr]
    assert (number.column.transform.knots[0], number.column.transform.knots[-1]) == (trained.min(), trained.max())
    assert (number.column.low, number.column.high) != (trained.min(), trained.max())


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"a;b;c\n1,5;2;3\n", ";"),
        (b"a\tb\n1\t2\n", "\t"),
        (b"a|b\n1|2\n", "|"),
        (b"a\n1\n", ","),
        (b'"a;x","b;y"\n1,2\n', ","),
    ],
)
def test_the_separator_of_a_csv_is_found(content: bytes, found: str) -> None:
    assert separator(content) == found


def test_types_are_those_of_all_rows_and_not_of_the_first_ones() -> None:
    table = parse_csv(b"a\n" + b"1\n" * 300_000 + b"x\n")
    assert table.column("a").type == pa.string()


def test_given_columns_stand_beside_the_others_and_are_fitted_to_the_rows_that_train(tmp_path: Path) -> None:
    put("penguins-raw.csv", tmp_path)
    data = {"source": "table", "path": "penguins-raw.csv", "columns": DROPPED}
    whole = load_data(Run.model_validate({"family": {"family": "vae"}, "data": data}), tmp_path)
    given = {"columns": ["Body Mass (g)", "Species", "Date Egg", "Sex"]}
    run = Run.model_validate({"family": {"family": "vae"}, "data": data | {"condition": given}})
    told = load_data(run, tmp_path)
    split = told.spec.split
    assert split is not None
    assert list(split.given.cell_of) == ["Species", "Date Egg", "Body Mass (g)", "Sex"]
    assert split.whole == whole.spec.table
    assert told.train.c is not None  # type: ignore[union-attr]
    np.testing.assert_array_equal(split.joined(told.validation.x, told.validation.c), whole.validation.x)  # type: ignore[arg-type]
    assert told.fingerprint != whole.fingerprint
    assert conditions(told, told.validation, torch.device("cpu")).shape == (34, told.spec.condition_size)
    outline = run.data.outline(tmp_path)
    assert outline.split is not None
    assert outline.condition_size == told.spec.condition_size


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["kin"], "there is no column 'kin' in the table, which has 'id', 'kind', 'n'"),
        (["id"], "column 'id' is of the kind identifier, which tells nothing of a row; leave it out"),
        (["kind", "n"], "leaves no column to be modelled; give fewer"),
    ],
)
def test_what_cannot_be_given_is_refused_by_name(given: list[str], says: str, tmp_path: Path) -> None:
    lines = [f"T{i},{'ab'[i % 2]},{i * i}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["id,kind,n", *lines]))
    source = TableFile.model_validate({"path": "t.csv", "condition": {"columns": given}})
    for read_it in (source.outline, source.rows):
        with pytest.raises(InvalidData) as refused:
            read_it(tmp_path)
        assert says in refused.value.message
        assert refused.value.field == "condition.columns"


def test_cases_are_counted_among_the_rows_that_train(tmp_path: Path) -> None:
    kinds, amounts = (
        ["oak"] * 30 + ["ash"] * 9 + [""] * 11,
        [""] * 2 + ["0"] * 20 + [f"{(i + 1) / 7:.3f}" for i in range(28)],
    )
    lines = [f"{kind},{amount}" for kind, amount in zip(kinds, amounts, strict=True)]
    (tmp_path / "x.csv").write_text("\n".join(["kind,amount", *lines]))
    source = TableFile(path="x.csv")
    rows = source.rows(tmp_path)
    table = source.spec(rows, np.arange(len(rows.x))).table
    assert table is not None
    kind, amount = table.modelled
    np.testing.assert_allclose(kind.shares, np.array([30.5, 9.5, 11.5]) / 51.5)
    assert isinstance(amount, Number)
    assert (amount.missing, amount.atoms) == (True, (0.0,))
    np.testing.assert_allclose(amount.shares, np.array([28.5, 2.5, 20.5]) / 51.5)
    np.testing.assert_allclose(table.log_shares, np.log([*kind.shares, *amount.shares]))
    assert source.outline(tmp_path).table == rows.table  # before rows are divided nothing is counted


def test_a_file_with_the_columns_that_were_dropped_is_read_as_one_without(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(["note,site,n", *(f"text {i},north,{i / 7:.3f}" for i in range(40))]))
    source = TableFile.model_validate({"path": "x.csv", "columns": {"note": {"kind": "drop"}}})
    table, file = columns_of(source, tmp_path), read(tmp_path / "x.csv", "x.csv")
    assert table.left_out == ("note",)
    np.testing.assert_array_equal(to_cells(table, file), to_cells(table, file.drop_columns(["note", "site"])))


@pytest.mark.parametrize("site", ["south", 3, date(2024, 1, 1)])
def test_another_value_of_a_constant_column_is_refused(site: Any, tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text("\n".join(["site,n", *(f"north,{i / 7:.3f}" for i in range(40))]))
    table = columns_of(TableFile(path="x.csv"), tmp_path)
    assert to_cells(table, pa.table({"site": ["north", None], "n": [0.5, 1.5]})).tolist() == [[0.5], [1.5]]
    with pytest.raises(InvalidInput, match="column 'site' holds another value than 'north'"):
        to_cells(table, pa.table({"site": [site], "n": [0.5]}))
