"""Files of rows are to other programs what the file was that a model was trained on: names, order, types and values.

The rows written here are those of the file itself.
"""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal
from pyarrow import parquet

from pushforward.models.data import TableFile
from pushforward.models.data.tables.media_types import ARROW_STREAM, CSV, PARQUET
from pushforward.service.formats.table_files import dumps
from tests.models.data.tables.real_tables import put

Columns = dict[str, dict[str, Any]]

DAY, SECOND = datetime.date(2024, 2, 28), datetime.datetime(2024, 2, 28, 23, 59, 58)
UTC = datetime.UTC
N = 40
REAL: dict[str, Columns] = {
    "penguins-raw.csv": {"Comments": {"kind": "drop"}, "Individual ID": {"kind": "category"}},
    "penguins.csv": {},
    "seattle-weather.csv": {},
    "sf-temps.csv": {},
    "iowa-electricity.csv": {},
    "us-employment.csv": {},
}


def of_each_type() -> pa.Table:
    """A column of each type that a table may have, of numbers with a hole in each."""
    values: dict[str, tuple[pa.DataType, Callable[[int], Any]]] = {
        **{str(kind): (kind, lambda i: i % 17) for kind in (pa.int8(), pa.uint16(), pa.int32(), pa.int64())},
        "float": (pa.float32(), lambda i: i * i / 8),
        "double": (pa.float64(), lambda i: 1 / (i + 1)),
        "decimal": (pa.decimal128(8, 2), lambda i: Decimal(i * 25) / 100),
        "bool": (pa.bool_(), lambda i: i % 3 == 0),
        "text": (pa.string(), lambda i: ("ash", "oak", "elm")[i % 3]),
        "large text": (pa.large_string(), lambda i: ("x", "y")[i % 2]),
        "dictionary": (pa.dictionary(pa.int32(), pa.string()), lambda i: ("y", "x", "x")[i % 3]),
        "date32": (pa.date32(), lambda i: DAY + datetime.timedelta(days=i)),
        "s": (pa.timestamp("s"), lambda i: SECOND + datetime.timedelta(seconds=i)),
        "ms": (pa.timestamp("ms"), lambda i: SECOND + datetime.timedelta(milliseconds=i)),
        "us, UTC": (pa.timestamp("us", "UTC"), lambda i: SECOND.replace(tzinfo=UTC) + datetime.timedelta(hours=i)),
        "time": (pa.time32("s"), lambda i: datetime.time(i % 24, i)),
        "duration": (pa.duration("s"), lambda i: datetime.timedelta(seconds=i * i)),
    }
    return pa.table(
        {
            name: pa.array([None if i == 5 else value(i) for i in range(N)], kind)
            for name, (kind, value) in values.items()
        }
    )


def rewritten(root: Path, path: str, columns: Columns, media_type: str) -> bytes:
    """A file of the rows of this one, from their cells."""
    source = TableFile(path=path, columns=columns)  # type: ignore[arg-type]  # pydantic makes choices of them
    rows = source.rows(root)
    assert rows.table is not None
    return dumps(media_type, rows.table, rows.x)


@pytest.mark.parametrize("name", REAL)
def test_a_csv_is_read_by_pandas_and_polars_as_the_file_itself(tmp_path: Path, name: str) -> None:
    path, columns = put(name, tmp_path), REAL[name]
    written = rewritten(tmp_path, path, columns, CSV)
    dropped = [column for column, choice in columns.items() if choice["kind"] == "drop"]
    pd.testing.assert_frame_equal(pd.read_csv(io.BytesIO(written)), pd.read_csv(tmp_path / path).drop(columns=dropped))
    options: dict[str, Any] = {"null_values": "NA", "infer_schema_length": None, "try_parse_dates": True}
    assert_frame_equal(
        pl.read_csv(io.BytesIO(written), **options), pl.read_csv(tmp_path / path, **options).drop(dropped)
    )


@pytest.mark.parametrize("read", [pd.read_parquet, pl.read_parquet, parquet.read_table])
def test_a_parquet_file_is_read_by_each_program_as_the_file_itself(
    tmp_path: Path, read: Callable[[Any], pd.DataFrame | pl.DataFrame | pa.Table]
) -> None:
    parquet.write_table(of_each_type(), tmp_path / "types.parquet")
    written = rewritten(tmp_path, "types.parquet", {}, PARQUET)
    assert_same(read(io.BytesIO(written)), read(tmp_path / "types.parquet"))


def test_an_arrow_stream_is_read_by_each_program_as_the_file_itself(tmp_path: Path) -> None:
    original = of_each_type()
    with pa.ipc.new_file(tmp_path / "types.arrow", original.schema) as file:
        file.write_table(original)
    written = rewritten(tmp_path, "types.arrow", {}, ARROW_STREAM)
    ours = pa.ipc.open_stream(written).read_all()
    assert_same(ours, original)
    assert_same(ours.to_pandas(), original.to_pandas())
    assert_same(pl.read_ipc_stream(io.BytesIO(written)), pl.read_ipc(tmp_path / "types.arrow"))


def assert_same(ours: pd.DataFrame | pl.DataFrame | pa.Table, theirs: pd.DataFrame | pl.DataFrame | pa.Table) -> None:
    match ours, theirs:
        case (pd.DataFrame(), pd.DataFrame()):
            pd.testing.assert_frame_equal(ours, theirs)
        case (pl.DataFrame(), pl.DataFrame()):
            assert_frame_equal(ours, theirs)
        case _:
            assert ours.schema == theirs.schema
            assert ours.equals(theirs)
