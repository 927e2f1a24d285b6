"""Series of arrays and tables become windows, channels first; what cannot be read is refused with the remedy."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import csv, feather, parquet
from pydantic import ValidationError

from pushforward.models.data import Series
from pushforward.models.data.series import shapes
from pushforward.models.errors import InvalidData
from pushforward.models.run import Run
from pushforward.models.spec.conditions import Labels
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.training.data import load_data
from tests.models.data.uploads.test_from_file import npy, npz, uploaded

RNG = np.random.default_rng(0)
ONE = RNG.normal(size=(40, 12))  # (N, L)
MANY = RNG.normal(size=(40, 3, 12))  # (N, C, L)
LONG = RNG.normal(size=(200, 2)) * [1.0, 50.0] + [0.0, 1000.0]  # (T, C)


def saved(root: Path, x: np.ndarray) -> Series:
    """A source of windows."""
    np.save(root / "x.npy", x)
    return Series(path="x.npy")


def cut(root: Path, x: np.ndarray, **fields: Any) -> Series:
    """A source of one long series."""
    np.save(root / "x.npy", x)
    return Series.model_validate({"path": "x.npy", "length": 10, **fields})


def table(root: Path, **columns: Any) -> str:
    csv.write_csv(pa.table(columns), root / "x.csv")
    return "x.csv"


def refusal(source: Series, root: Path) -> InvalidData:
    """The same early and late."""
    with pytest.raises(InvalidData) as early:
        source.outline(root)
    with pytest.raises(InvalidData) as late:
        source.rows(root)
    assert (early.value.field, early.value.message) == (late.value.field, late.value.message)
    return early.value


def test_windows_have_one_channel_or_many(tmp_path: Path) -> None:
    assert np.array_equal(saved(tmp_path, ONE).rows(tmp_path).x, ONE[:, None])
    source = saved(tmp_path, MANY)
    assert np.array_equal(source.rows(tmp_path).x, MANY)
    assert source.outline(tmp_path) == DataSpec(shape=(3, 12), n_rows=40)


def test_windows_with_channels_last_are_transposed_where_that_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.moveaxis(MANY, 1, 2))
    error = refusal(Series(path="x.npy"), tmp_path)
    assert (error.field, '"last" for (N, L, C)' in error.message) == ("channels", True)
    source = Series(path="x.npy", channels="last")
    assert np.array_equal(source.rows(tmp_path).x, MANY)
    assert source.outline(tmp_path).shape == (3, 12)
    assert "channels first" in source.notes(tmp_path)[0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint8, np.int16])
@pytest.mark.parametrize("axes", [1, 2])
def test_a_long_series_is_cut_into_windows(axes: int, dtype: type, tmp_path: Path) -> None:
    series = (LONG[:, 0] if axes == 1 else LONG).astype(np.int64).astype(dtype)
    source = cut(tmp_path, series, stride=7)
    columns = series.reshape(200, -1)
    by_hand = [columns[start : start + 10].T for start in range(0, 191, 7)]
    assert np.array_equal(source.rows(tmp_path).x, by_hand)
    assert source.outline(tmp_path) == DataSpec(shape=(axes if axes == 1 else 2, 10), n_rows=len(by_hand))
    assert source.rows(tmp_path).x.dtype.kind == "f"


def test_windows_do_not_overlap_unless_a_stride_is_given(tmp_path: Path) -> None:
    rows = cut(tmp_path, np.arange(200.0)).rows(tmp_path)
    assert rows.x.ravel().tolist() == list(range(200))


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet", "arrow", "feather", "arrows"])
def test_columns_of_every_format_are_channels(suffix: str, tmp_path: Path) -> None:
    columns = pa.table({"when": [f"day {i}" for i in range(200)], "a": LONG[:, 0], "b": np.arange(200)})
    path = tmp_path / f"x.{suffix}"
    match suffix:
        case "csv" | "tsv":
            csv.write_csv(columns, path, csv.WriteOptions(delimiter="\t" if suffix == "tsv" else ","))
        case "parquet":
            parquet.write_table(columns, path)
        case "feather":
            feather.write_feather(columns, str(path), compression="uncompressed")
        case _:
            make = pa.ipc.new_file if suffix == "arrow" else pa.ipc.new_stream
            with make(str(path), columns.schema) as writer:
                writer.write_table(columns)
    source = Series(path=path.name, length=20, columns=("b", "a"))
    x = source.rows(tmp_path).x
    assert source.outline(tmp_path) == DataSpec(shape=(2, 20), n_rows=10)
    assert np.array_equal(x[:, 0].ravel(), np.arange(200))
    assert x[:, 1].ravel() == pytest.approx(LONG[:, 0])
    assert source.notes(tmp_path)[0] == "Channels: 0 is 'b', 1 is 'a'."


@pytest.mark.parametrize(
    ("content", "media_type", "fields", "shape"),
    [
        (npy(MANY), "application/x-npy", {}, (3, 12)),
        (npz(x=MANY), "application/x-npz", {}, (3, 12)),
        (npy(LONG), "application/x-npy", {"length": 10}, (2, 10)),
        (b"a\n" + b"\n".join(b"%d" % i for i in range(100)), "text/csv", {"length": 10}, (1, 10)),
    ],
)
def test_datasets_are_read_by_what_they_hold(
    content: bytes, media_type: str, fields: dict[str, Any], shape: tuple[int, ...], tmp_path: Path
) -> None:
    uploaded(tmp_path, "series", content, media_type)
    source = Series.model_validate({"dataset": "series", **fields})
    assert source.outline(tmp_path).shape == source.rows(tmp_path).x.shape[1:] == shape


def test_labels_stand_beside_windows(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=MANY, y=np.arange(40) % 4)
    source = Series(path="x.npz", condition="label")
    assert source.n_labels(tmp_path) == 4
    assert source.rows(tmp_path).y is not None
    run = Run.model_validate({"family": {"family": "vae"}, "data": source.model_dump()})
    assert load_data(run, tmp_path).spec.condition == Labels(n_classes=4)
    np.savez(tmp_path / "x.npz", x=MANY)
    error = refusal(source, tmp_path)
    assert (error.field, error.message) == ("condition", "asks for labels, but the file has no array `y`; add it")


def test_each_channel_is_normalized_by_the_steps_that_train(tmp_path: Path) -> None:
    run = Run.model_validate({"family": {"family": "flow"}, "data": cut(tmp_path, LONG, stride=3).model_dump()})
    data = load_data(run, tmp_path)
    steps = np.moveaxis(data.train.x, 1, 2).reshape(-1, 2)
    assert data.spec.shift == pytest.approx(steps.mean(0))
    assert data.spec.scale == pytest.approx(steps.std(0))
    x = torch.from_numpy(data.train.x)
    u = data.spec.normalize(x)
    assert u.mean((0, 2)).tolist() == pytest.approx([0.0, 0.0], abs=1e-5)
    assert u.square().mean((0, 2)).tolist() == pytest.approx([1.0, 1.0], abs=1e-5)
    assert torch.allclose(data.spec.denormalize(u), x, rtol=1e-5)
    assert data.spec.log_jacobian == pytest.approx(-10 * np.log(steps.std(0)).sum())


@pytest.mark.parametrize("stride", [1, 3, 10, 15])
def test_no_step_is_both_trained_on_and_held_out(stride: int, tmp_path: Path) -> None:
    source = cut(tmp_path, np.arange(500.0), stride=stride)  # a value is its own place
    data = load_data(Run.model_validate({"family": {"family": "flow"}, "data": source.model_dump()}), tmp_path)
    trained, held = (set(rows.x.ravel().tolist()) for rows in (data.train, data.validation))
    assert not trained & held
    assert len(data.validation.x) == round(0.1 * data_rows(source, tmp_path))
    assert len(data.train.x) >= 0.5 * data_rows(source, tmp_path)
    assert "share steps with them were left out" in " ".join(data.notes)


def data_rows(source: Series, root: Path) -> int:
    n = source.outline(root).n_rows
    assert n is not None
    return n


def test_windows_of_a_file_are_held_out_at_random_as_other_rows_are(tmp_path: Path) -> None:
    source = saved(tmp_path, MANY)
    kept, held_out = source.divided(40, 4, np.random.default_rng(3))
    assert np.concatenate([held_out, kept]).tolist() == np.random.default_rng(3).permutation(40).tolist()


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"stride": 3}, "give length, too"),
        ({"length": 10, "condition": "label"}, "has no labels"),
        ({"length": 10, "channels": "last"}, "leave it out"),
        ({"columns": ["a", "a"]}, "names a column twice"),
        ({"path": "x.txt"}, "pattern"),
    ],
)
def test_fields_that_contradict_one_another_are_refused(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Series.model_validate({"path": "x.npy", **fields})


@pytest.mark.parametrize(
    ("x", "fields", "field", "says"),
    [
        (np.zeros(100), {}, "length", "one long series"),
        (np.zeros((9, 20)), {}, "path", "at least 10 windows"),
        (np.zeros((20, 2, 2, 2)), {}, "path", "(N, L) or (N, C, L)"),
        (MANY, {"length": 10}, "length", "leave it out for windows"),
        (np.zeros(50), {"length": 10}, "length", "into 5 windows, 10 apart; at least 10 of them"),
        (np.zeros(39), {"length": 10, "stride": 1}, "length", "and 40 steps: give a smaller length"),
        (np.zeros((3, 100)), {"length": 10}, "length", "steps come first, (T, C)"),
        (np.zeros(100, bool), {"length": 10}, "path", "booleans"),
        (np.array(["a"] * 100), {"length": 10}, "path", "text"),
        (np.zeros(100), {"length": 10, "columns": ["a"]}, "columns", "this is an array"),
    ],
)
def test_arrays_that_hold_no_series_are_refused(
    x: np.ndarray, fields: dict[str, Any], field: str, says: str, tmp_path: Path
) -> None:
    np.save(tmp_path / "x.npy", x)
    error = refusal(Series.model_validate({"path": "x.npy", **fields}), tmp_path)
    assert error.field == field
    assert says in error.message


@pytest.mark.parametrize(
    ("columns", "fields", "says"),
    [
        (
            {"a": [*range(50), None, *range(49)], "b": range(100)},
            {},
            "no number in row 50 (counted from 0) of column 'a'; fill such",
        ),
        (
            {"a": [*range(50), float("nan"), *range(48), None], "b": range(100)},
            {},
            "row 50 (counted from 0) of column 'a', and 1 more",
        ),
        ({"t": ["x"] * 100, "a": range(100)}, {}, "column 't' of string, and a series is of numbers; name the columns"),
        ({"t": ["x"] * 100, "a": range(100)}, {}, "['a']"),
        ({"a": range(100)}, {"columns": ["b"]}, "names 'b', which 'x.csv' does not have; it has 'a'"),
    ],
)
def test_tables_that_hold_no_series_are_refused(
    columns: dict[str, Any], fields: dict[str, Any], says: str, tmp_path: Path
) -> None:
    table(tmp_path, **{name: pa.array(cells, from_pandas=False) for name, cells in columns.items()})
    error = refusal(Series.model_validate({"path": "x.csv", "length": 10, **fields}), tmp_path)
    assert error.field == "columns"
    assert says in error.message


def test_a_table_is_one_long_series(tmp_path: Path) -> None:
    error = refusal(Series(path=table(tmp_path, a=np.arange(100))), tmp_path)
    assert (error.field, error.message[:22]) == ("length", "is missing: a table is")


def test_numbers_that_are_none_are_refused_by_row_and_column(tmp_path: Path) -> None:
    holed = LONG.copy()
    holed[17, 1] = np.nan
    with pytest.raises(InvalidData, match="drop or fill them: NaN in row 17, column 1"):
        cut(tmp_path, holed).rows(tmp_path)


def test_a_channel_that_never_varies_is_refused(tmp_path: Path) -> None:
    flat = LONG.copy()
    flat[:, 1] = 7
    source = cut(tmp_path, flat)
    with pytest.raises(InvalidData, match="channel 1 is 7 at all steps; leave it out"):
        source.spec(source.rows(tmp_path))


def test_steps_that_never_vary_are_told_with_the_remedy(tmp_path: Path) -> None:
    padded = MANY.copy()
    padded[:, :, -2:] = 0.0
    run = Run.model_validate({"family": {"family": "vae"}, "data": saved(tmp_path, padded).model_dump()})
    [note] = load_data(run, tmp_path).notes
    assert note.startswith("6 of the 36 elements of a row never vary")
    assert note.endswith("cut them off.")


def test_more_windows_than_are_ever_read_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shapes, "MAX_BYTES", 4 * 2**30)
    error = refusal(cut(tmp_path, np.zeros(70_000, np.float32), length=10_000, stride=1), tmp_path)
    assert error.field == "stride"
    assert "give at most 4,294,967,296, by a larger stride" in error.message
