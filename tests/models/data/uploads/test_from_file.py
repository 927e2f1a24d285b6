"""Sources that read a file: by path or by the name of a dataset, one of them; a pinned dataset keeps its bytes."""

from __future__ import annotations

from hashlib import sha256
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from pushforward.models.data import Idx, Npy, TwoMoons
from pushforward.models.data.source import Finite
from pushforward.models.data.uploads.datasets import Dataset, blobs, names, record_file
from pushforward.models.errors import Hindered, InvalidData
from pushforward.models.run import Run
from pushforward.models.training.data import load_data

ROWS = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
IMAGES = np.arange(20 * 36, dtype=np.uint8).reshape(20, 6, 6)
NPY, NPZ, IDX = "application/x-npy", "application/x-npz", "application/x-idx"


def npy(array: np.ndarray) -> bytes:
    stream = BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    stream = BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def uploaded(root: Path, name: str, content: bytes, media_type: str = NPY) -> Dataset:
    for folder in (blobs(root), names(root)):
        folder.mkdir(parents=True, exist_ok=True)
    digest = sha256(content).hexdigest()
    (blobs(root) / digest).write_bytes(content)
    dataset = Dataset(name=name, media_type=media_type, bytes=len(content), sha256=digest, created_at=1.0)
    record_file(root, name).write_text(dataset.model_dump_json())
    return dataset


def refused(source: Finite, root: Path) -> InvalidData:
    with pytest.raises(InvalidData) as error:
        source.rows(root)
    return source.reworded(error.value)


@pytest.mark.parametrize("fields", [{}, {"path": "x.npy", "dataset": "x"}])
def test_a_file_is_named_by_path_or_by_dataset(fields: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="give path or dataset, one of them"):
        Npy.model_validate(fields)


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "x@", "x@3", f"x@{'0' * 63}", "x" * 64, "x\0", "x\n"])
def test_a_dataset_has_a_plain_name(name: str) -> None:
    with pytest.raises(ValidationError):
        Npy(dataset=name)


@pytest.mark.parametrize("content", [npy(ROWS), npz(x=ROWS)], ids=["npy", "npz"])
def test_rows_are_read_of_a_dataset(tmp_path: Path, content: bytes) -> None:
    uploaded(tmp_path, "rows", content, NPY if content[:1] != b"P" else NPZ)
    assert np.array_equal(Npy(dataset="rows").rows(tmp_path).x, ROWS)
    assert Npy(dataset="rows").outline(tmp_path).shape == (3,)


def test_images_are_read_of_a_dataset(tmp_path: Path) -> None:
    header = bytes([0, 0, 8, 3]) + np.array(IMAGES.shape, ">u4").tobytes()
    uploaded(tmp_path, "images", header + IMAGES.tobytes(), IDX)
    assert np.array_equal(Idx(dataset="images").rows(tmp_path).x[:, 0], IMAGES)
    assert Idx(dataset="images").n_labels(tmp_path) is None
    with pytest.raises(InvalidData, match="upload an npz with `x` and `y`") as error:
        Idx(dataset="images", condition="label").outline(tmp_path)
    assert error.value.field == "condition"


def test_a_pinned_dataset_keeps_its_bytes(tmp_path: Path) -> None:
    dataset = uploaded(tmp_path, "rows", npy(ROWS))
    pinned = Npy(dataset="rows").pinned(tmp_path)
    assert pinned.dataset == dataset.reference
    uploaded(tmp_path, "rows", npy(2 * ROWS))
    assert np.array_equal(pinned.rows(tmp_path).x, ROWS)
    assert np.array_equal(Npy(dataset="rows").rows(tmp_path).x, 2 * ROWS)
    assert pinned.pinned(tmp_path) == pinned


@pytest.mark.parametrize("source", [Npy(path="x.npy"), TwoMoons()])
def test_what_is_no_dataset_is_pinned_as_it_is(tmp_path: Path, source: Finite) -> None:
    assert source.pinned(tmp_path) == source
    error = InvalidData("no", field="path")
    assert source.reworded(error) is error


def test_a_dataset_that_is_not_there_is_to_be_uploaded(tmp_path: Path) -> None:
    assert "there is no dataset 'rows'; upload it first" in refused(Npy(dataset="rows"), tmp_path).message


def test_bytes_that_are_gone_are_to_be_uploaded_again(tmp_path: Path) -> None:
    dataset = uploaded(tmp_path, "rows", npy(ROWS))
    (blobs(tmp_path) / dataset.sha256).unlink()
    error = refused(Npy(dataset=dataset.reference), tmp_path)
    assert "upload them again" in error.message
    assert error.field == "dataset"


def test_a_damaged_record_is_no_dataset(tmp_path: Path) -> None:
    uploaded(tmp_path, "rows", npy(ROWS))
    record_file(tmp_path, "rows").write_text("{")
    assert "there is no dataset" in refused(Npy(dataset="rows"), tmp_path).message


def test_a_source_reads_its_own_formats(tmp_path: Path) -> None:
    uploaded(tmp_path, "table", b"a,b\n1,2\n", "text/csv")
    error = refused(Npy(dataset="table"), tmp_path)
    assert "'table' is text/csv, and npy reads application/x-npy or application/x-npz" in error.message
    assert error.field == "dataset"


def test_a_fault_of_a_file_is_told_with_its_name(tmp_path: Path) -> None:
    dataset = uploaded(tmp_path, "rows", npy(np.array([["a", "b"]] * 20)))
    error = refused(Npy(dataset=dataset.reference), tmp_path)
    assert error.message.startswith("'rows' holds text")
    assert error.field == "dataset"


def test_a_training_tells_a_fault_in_the_field_of_the_run(tmp_path: Path) -> None:
    dataset = uploaded(tmp_path, "rows", npy(np.full((20, 2), np.nan)))
    run = Run.model_validate(
        {"family": {"family": "flow"}, "data": {"source": "npy", "dataset": dataset.reference}, "budget": {"steps": 1}}
    )
    with pytest.raises(InvalidData, match="'rows' holds values that are NaN") as error:
        load_data(run, tmp_path)
    assert error.value.field == "run.data.dataset"


@pytest.mark.parametrize("reference", ["rows", f"rows@{'0' * 64}"])
def test_a_data_root_that_is_away_is_no_fault_of_the_run(tmp_path: Path, reference: str) -> None:
    with pytest.raises(Hindered, match="mount it"):
        Npy(dataset=reference).rows(tmp_path / "away")


def test_a_name_that_leads_elsewhere_by_a_link_holds_what_its_record_says(tmp_path: Path) -> None:
    uploaded(tmp_path, "rows", npy(ROWS))
    record_file(tmp_path, "other").symlink_to(record_file(tmp_path, "rows"))
    assert "there is no dataset 'other'" in refused(Npy(dataset="other"), tmp_path).message
