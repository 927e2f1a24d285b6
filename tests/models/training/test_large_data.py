"""Rows in mapped files train as rows in memory do, bit for bit, and leave nothing behind."""

import gzip
import os
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import feather, parquet

from pushforward.models.data.mapped import pieces
from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.data.npy import Npy
from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.evaluation.judgement import judge
from pushforward.models.evaluation.measurement import finished
from pushforward.models.evaluation.sides import sides
from pushforward.models.run import Run
from pushforward.models.training.batches import batches, read_ahead
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.rows import RowsOnDisk
from pushforward.models.training.state import TrainingState, fresh
from tests.full_disk import full_disk
from tests.models.data.images.pictures import encoded, random_pixels, unzipped, zipped

N = 211
CPU = torch.device("cpu")
RNG = np.random.default_rng(0)
X = RNG.normal(3, 2, (N, 4)).astype(np.float32)
LABELS = RNG.integers(0, 3, N)
VECTORS = RNG.normal(size=(N, 2))
IMAGES = RNG.integers(0, 255, (N, 6, 5, 3), dtype=np.uint8)
TABLE = pa.table(
    {
        "kind": pa.array(RNG.choice(["oak", "ash", None], N)),
        "when": pa.array(RNG.integers(0, 10**6, N), pa.timestamp("s")),
        "x": RNG.normal(size=N),
        "y": pa.array([None if i % 7 == 0 else i / 3 for i in range(N)]),
        "n": RNG.integers(0, 400, N),
        "same": ["a"] * N,
    }
)

Data = dict[str, Any]


def plain(root: Path) -> Data:
    np.save(root / "x.npy", X)
    return {"source": "npy", "path": "x.npy"}


def with_constants(root: Path) -> Data:
    np.save(root / "x.npy", np.insert(X, 1, 7.5, axis=1))
    return {"source": "npy", "path": "x.npy"}


def of_columns_first(root: Path) -> Data:
    np.save(root / "x.npy", np.asfortranarray(X))
    return {"source": "npy", "path": "x.npy"}


def of_big_integers(root: Path) -> Data:
    np.save(root / "x.npy", (1000 * X).astype(">i8"))
    return {"source": "npy", "path": "x.npy"}


def bounded(root: Path) -> Data:
    np.save(root / "x.npy", X.clip(-2, 8))
    return {"source": "npy", "path": "x.npy", "low": -2, "high": 8}


def counts(root: Path) -> Data:
    np.save(root / "x.npy", RNG.poisson(3, (N, 4)).astype(np.int32))
    return {"source": "npy", "path": "x.npy", "counts": True}


def with_labels(root: Path) -> Data:
    np.savez(root / "x.npz", x=X, y=LABELS)
    return {"source": "npy", "path": "x.npz", "condition": "label"}


def with_vectors(root: Path) -> Data:
    np.savez_compressed(root / "x.npz", x=X, c=VECTORS)
    return {"source": "npy", "path": "x.npz", "condition": "vector"}


def transposed_images(root: Path) -> Data:
    np.save(root / "x.npy", IMAGES)
    return {"source": "npy", "path": "x.npy"}


def real_images(root: Path) -> Data:
    np.save(root / "x.npy", np.moveaxis(IMAGES, 3, 1).astype(np.float32) / 7)
    return {"source": "npy", "path": "x.npy"}


def idx(root: Path) -> Data:
    head = struct.pack(">4I", 0x803, N, 6, 5)
    (root / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(head + IMAGES[..., 0].tobytes()))
    (root / "train-labels-idx1-ubyte").write_bytes(struct.pack(">2I", 0x801, N) + LABELS.astype(np.uint8).tobytes())
    return {"source": "idx", "path": ".", "condition": "label"}


def zip_of_pictures(root: Path) -> Data:
    zipped(root, {f"{'ab'[i % 2]}/{i}.png": encoded(each) for i, each in enumerate(random_pixels(6, 6, 3, n=60))})
    return {"source": "images", "path": "x.zip", "size": [6, 6], "condition": "label"}


def folder_of_pictures(root: Path) -> Data:
    unzipped(root, {f"{'ab'[i % 2]}/{i}.png": encoded(each) for i, each in enumerate(random_pixels(6, 6, 3, n=60))})
    return {"source": "images", "path": "x", "size": [6, 6], "condition": "label"}


def windows_of_a_series(root: Path) -> Data:
    np.save(root / "x.npy", np.cumsum(RNG.normal(size=(900, 2)), axis=0))
    return {"source": "series", "path": "x.npy", "length": 16, "stride": 4}


def parquet_file(root: Path) -> Data:
    parquet.write_table(TABLE, root / "x.parquet", row_group_size=50)
    return {"source": "table", "path": "x.parquet"}


def parquet_given_columns(root: Path) -> Data:
    return {**parquet_file(root), "condition": {"columns": ["kind", "x"]}}


def parquet_without_missing(root: Path) -> Data:
    return {**parquet_file(root), "missing": "drop_rows"}


def arrow_file(root: Path) -> Data:
    feather.write_feather(TABLE, root / "x.arrow", chunksize=60, compression="lz4")
    return {"source": "table", "path": "x.arrow"}


def arrow_stream(root: Path) -> Data:
    with pa.ipc.new_stream(root / "x.arrows", TABLE.schema) as stream:
        stream.write_table(TABLE, max_chunksize=40)
    return {"source": "table", "path": "x.arrows"}


def csv_file(root: Path) -> Data:
    lines = [
        f'{"" if i % 11 == 0 else i / 8};"{i % 4}";{"true" if i % 3 else 0};"a ""{i % 2}""\nb";{"NA" if i % 5 else "x"}'
        for i in range(N)
    ]
    (root / "x.csv").write_text("\n".join(["x;quoted;flag;two lines;mostly missing", *lines]))
    return {"source": "table", "path": "x.csv"}


VECTORS_OF = [plain, with_constants, of_columns_first, of_big_integers, bounded, counts, with_labels, with_vectors]
PICTURES_OF = [transposed_images, real_images, idx, zip_of_pictures, folder_of_pictures, windows_of_a_series]
TABLES_OF = [parquet_file, parquet_given_columns, parquet_without_missing, arrow_file, arrow_stream, csv_file]


def run_of(data: Data, steps: int = 12) -> Run:
    family = {"family": "vae", "latent": 2, "width": 8}
    if data.get("counts"):
        family["likelihood"] = {"likelihood": "poisson"}  # type: ignore[assignment]
    optimizer = {"batch_size": 16}
    return Run.model_validate({"family": family, "data": data, "budget": {"steps": steps}, "optimizer": optimizer})


def in_files(root: Path, run: Run) -> TrainingData:
    """The data with nothing in memory that can lie in a file."""
    data = load_data(run, root, ScratchSpace(root / "scratch", most_bytes=0))
    assert isinstance(data.train, RowsOnDisk)
    return data


def trained(data: TrainingData, run: Run) -> TrainingState:
    state = fresh(run, data, CPU)
    deque(train(data, state), maxlen=0)
    return state


def weights(state: TrainingState) -> dict[str, torch.Tensor]:
    return {**state.nets.state_dict(), **{f"average.{name}": each for name, each in state.served.state_dict().items()}}


def assert_same_data(one: TrainingData, other: TrainingData) -> None:
    assert (one.spec, one.card_spec, one.notes) == (other.spec, other.card_spec, other.notes)
    assert (one.fingerprint, one.n_rows) == (other.fingerprint, other.n_rows)
    np.testing.assert_array_equal(one.validation.x, other.validation.x)


@pytest.mark.parametrize("make", VECTORS_OF + PICTURES_OF + TABLES_OF, ids=lambda make: make.__name__)
def test_a_training_on_files_equals_one_in_memory(make: Callable[[Path], Data], tmp_path: Path) -> None:
    run = run_of(make(tmp_path))
    in_memory, mapped = load_data(run, tmp_path), in_files(tmp_path, run)
    assert_same_data(in_memory, mapped)
    one, other = trained(in_memory, run), trained(mapped, run)
    assert one.curve == other.curve
    for name, value in weights(one).items():
        assert torch.equal(value, weights(other)[name]), name


@pytest.mark.parametrize("make", [plain, real_images, counts, with_vectors, parquet_given_columns])
def test_pieces_change_neither_digest_nor_kind_of_data(
    make: Callable[[Path], Data], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(make(tmp_path))
    whole = load_data(run, tmp_path)
    monkeypatch.setattr(pieces, "VALUES_AT_ONCE", 64)
    in_pieces, mapped = load_data(run, tmp_path), in_files(tmp_path, run)
    assert_same_data(in_pieces, mapped)
    assert (whole.fingerprint, whole.notes, whole.spec.constants) == (
        mapped.fingerprint, mapped.notes, mapped.spec.constants
    )  # fmt: skip
    np.testing.assert_allclose(whole.spec.shift, mapped.spec.shift, rtol=1e-12)
    np.testing.assert_allclose(whole.spec.scale, mapped.spec.scale, rtol=1e-12)


def test_a_training_on_files_resumes_bit_for_bit(tmp_path: Path) -> None:
    run = run_of(with_labels(tmp_path), steps=40)  # of two epochs and a half
    whole = trained(load_data(run, tmp_path), run)
    data = in_files(tmp_path, run)
    state = fresh(run, data, CPU)
    save_state(tmp_path / "states", list(islice(train(data, state), 17))[-1])
    resumed = latest_state(tmp_path / "states", in_files(tmp_path, run), run, CPU)
    assert resumed is not None
    deque(train(data, resumed), maxlen=0)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(resumed)[name]), name


def test_it_is_judged_as_one_in_memory(tmp_path: Path) -> None:
    run = run_of(with_labels(tmp_path))
    verdicts = [
        finished(judge(data, trained(data, run))) for data in (load_data(run, tmp_path), in_files(tmp_path, run))
    ]
    assert verdicts[0] == verdicts[1]


@pytest.mark.parametrize("most_rows", [20, N])
def test_it_is_compared_with_the_same_training_rows(
    most_rows: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sides, "TRAINING_ROWS", most_rows)
    run = run_of(with_labels(tmp_path))
    one, other = (sides.training_rows(data, 3) for data in (load_data(run, tmp_path), in_files(tmp_path, run)))
    assert len(one.x) == min(most_rows, N - 21)
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.y, other.y)


def test_rows_of_another_file_are_compared_with_and_do_not_take_its_place(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    run, against = run_of(with_labels(tmp_path)), Npy.model_validate({**transposed_images(tmp_path / "other")})
    against = against.model_copy(update={"path": "other/x.npy"})
    data = load_data(run_of(transposed_images(tmp_path)), tmp_path)
    space = ScratchSpace(tmp_path / "scratch", 0)
    in_files(tmp_path, run)
    decoded = {file.name for file in (tmp_path / "scratch").iterdir()}
    one, other = (sides.reference_rows(data, against, tmp_path, 0, where) for where in (ScratchSpace(), space))
    np.testing.assert_array_equal(one.x, other.x)
    assert {file.name for file in (tmp_path / "scratch").iterdir()} == {*decoded, "against"}


def test_what_was_decoded_is_used_again_and_made_again_where_the_file_changed(tmp_path: Path) -> None:
    run = run_of(with_vectors(tmp_path))
    first = in_files(tmp_path, run)
    files = {file: file.stat().st_mtime_ns for file in (tmp_path / "scratch").iterdir()}
    assert in_files(tmp_path, run).fingerprint == first.fingerprint
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "scratch").iterdir()} == files
    np.savez_compressed(tmp_path / "x.npz", x=X[::-1], c=VECTORS)
    os.utime(tmp_path / "x.npz", ns=(1, 1))
    changed = in_files(tmp_path, run)
    assert changed.fingerprint == load_data(run, tmp_path).fingerprint != first.fingerprint
    assert len(list((tmp_path / "scratch").iterdir())) == len(files)  # what is outdated is gone


def test_a_checkpoint_of_data_that_have_changed_is_passed_over(tmp_path: Path) -> None:
    run = run_of(plain(tmp_path))
    save_state(tmp_path / "states", trained(in_files(tmp_path, run), run))
    np.save(tmp_path / "x.npy", X[::-1])
    assert latest_state(tmp_path / "states", in_files(tmp_path, run), run, CPU) is None


def test_an_array_that_can_be_mapped_is_not_decoded(tmp_path: Path) -> None:
    in_files(tmp_path, run_of(plain(tmp_path)))
    assert not (tmp_path / "scratch").exists()


@pytest.mark.parametrize(
    "make", [transposed_images, with_vectors, zip_of_pictures, csv_file, parquet_file], ids=lambda make: make.__name__
)
def test_a_full_disk_hinders_and_leaves_nothing(make: Callable[[Path], Data], tmp_path: Path) -> None:
    run = run_of(make(tmp_path))
    with full_disk(1000), pytest.raises(Hindered, match="decoded into a file"):
        in_files(tmp_path, run)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert in_files(tmp_path, run).n_rows == load_data(run, tmp_path).n_rows


def test_data_that_the_disk_has_no_room_for_are_told_with_the_figures(tmp_path: Path) -> None:
    with pytest.raises(Hindered, match=r"take 1,048,576\.0 GiB of the disk of the store, and [0-9.,]+ GiB are free"):
        ScratchSpace(tmp_path, 0).array("x", (2**50,), np.dtype(np.uint8), iter(()))
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_half_written_is_not_used(tmp_path: Path) -> None:
    run = run_of(transposed_images(tmp_path))
    (tmp_path / "scratch").mkdir()
    (tmp_path / "scratch" / ".writing-x-1").write_bytes(b"half")
    assert_same_data(load_data(run, tmp_path), in_files(tmp_path, run))
    assert not (tmp_path / "scratch" / ".writing-x-1").exists()


@pytest.mark.parametrize("make", [plain, of_columns_first, real_images])
def test_a_number_that_is_not_finite_is_refused_alike(make: Callable[[Path], Data], tmp_path: Path) -> None:
    data = make(tmp_path)
    x = np.load(tmp_path / "x.npy")
    x[-3].flat[1] = x[-1].flat[0] = np.nan
    np.save(tmp_path / "x.npy", x)
    refusals = []
    for scratch in (ScratchSpace(), ScratchSpace(tmp_path / "scratch", 0)):
        with pytest.raises(InvalidData) as refusal:
            load_data(run_of(data), tmp_path, scratch)
        refusals.append(refusal.value.message)
    assert refusals[0] == refusals[1]
    assert f"NaN in row {N - 3}" in refusals[0]
    assert "and 1 more" in refusals[0]


def failing() -> Iterator[int]:
    yield 1
    raise OSError("the disk fails")


def test_what_fails_ahead_is_raised_in_its_place() -> None:
    items = read_ahead(failing(), 3)
    assert next(items) == 1
    with pytest.raises(OSError, match="the disk fails"):
        next(items)


def test_reading_ahead_keeps_the_order_and_ends() -> None:
    assert list(read_ahead(iter(range(100)), 3)) == list(range(100))


def test_the_thread_that_reads_ahead_ends_with_the_training(tmp_path: Path) -> None:
    run = run_of(plain(tmp_path))
    data = in_files(tmp_path, run)
    before = threading.active_count()
    some = batches(data, fresh(run, data, CPU))
    next(some)
    assert threading.active_count() == before + 1
    some.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before
