"""Rows that lie on a device give the batches that rows in the machine's memory give."""

from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.run import Run
from pushforward.models.training.batches import batches, gathered_there
from pushforward.models.training.compute.resident import SHARE, resident
from pushforward.models.training.data import TrainingData, coded, load_data
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")
GiB = 2**30
GAUSSIAN = {"likelihood": {"likelihood": "gaussian"}}


def run_of(data: dict[str, Any]) -> Run:
    return Run.model_validate({
        "family": {"family": "vae", "width": 8, **(GAUSSIAN if "path" in data else {})},
        "data": data,
        "optimizer": {"batch_size": 48},
        "budget": {"epochs": 2},
    })  # fmt: skip


def write(root: Path, x: np.ndarray) -> dict[str, Any]:
    np.savez(root / "rows.npz", x=x, y=np.arange(len(x)) % 3)
    return {"source": "npy", "path": "rows.npz", "condition": "label"}


def arrays(kind: str) -> np.ndarray:
    normal = np.random.default_rng(0).normal(size=(200, 3))
    return {
        "float32": normal.astype(np.float32),
        "float64": 1e6 + 1e-3 * normal,  # float32 would not tell them apart
        "int64": (10 * normal).astype(np.int64),
        "uint8": (normal > 0).astype(np.uint8) * 255,
    }[kind]


@pytest.mark.parametrize("kind", ["float32", "float64", "int64", "uint8"])
def test_gathered_batches_equal_those_of_the_machine_s_memory(kind: str, tmp_path: Path) -> None:
    """Two epochs, the last batch of each with fewer rows; with the labels."""
    assert_equal_batches(write(tmp_path, arrays(kind)), tmp_path)


@pytest.mark.parametrize("data", [{"source": "digits", "condition": "label"}, {"source": "two_moons", "n": 100}])
def test_sources_of_the_library_gather_equally(data: dict[str, Any], tmp_path: Path) -> None:
    assert_equal_batches(data, tmp_path)


def assert_equal_batches(source: dict[str, Any], root: Path) -> None:
    run = run_of(source)
    data = load_data(run, root)
    state = fresh(run, data, CPU)
    rows = resident(data, CPU, GiB)
    assert rows is not None
    count = 0
    for batch, there in zip(batches(data, state), gathered_there(rows, data, state), strict=True):
        assert (batch.x.dtype, batch.step) == (there.x.dtype, there.step)
        assert torch.equal(batch.x, there.x)
        assert torch.equal(batch.c, coded(data, there.values))
        assert torch.equal(batch.row, there.numbers)
        count += 1
    assert count == state.total_steps > 2


def test_a_training_that_goes_on_gathers_from_its_own_step(tmp_path: Path) -> None:
    run = run_of({"source": "digits"})
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    rows = resident(data, CPU, GiB)
    assert rows is not None
    fifth = next(islice(gathered_there(rows, data, state), 5, None))
    state.step = 5
    again = next(gathered_there(rows, data, state))
    assert (again.step, fifth.step) == (5, 5)
    assert torch.equal(again.x, fifth.x)


def test_bytes_stay_bytes_until_they_are_gathered(tmp_path: Path) -> None:
    data = load_data(run_of(write(tmp_path, arrays("uint8"))), tmp_path)
    rows = resident(data, CPU, GiB)
    assert rows is not None
    assert rows.x.dtype is torch.uint8


def test_rows_that_take_more_than_their_share_stay_where_they_are(tmp_path: Path) -> None:
    data = digits(tmp_path)
    taken = resident(data, CPU, GiB)
    assert taken is not None
    free = int((taken.x.nbytes + taken.values.nbytes) / SHARE)
    assert resident(data, CPU, free + 1) is not None
    assert resident(data, CPU, free - 100) is None


def test_rows_of_a_mapped_file_and_rows_that_are_drawn_afresh_stay_too(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", arrays("float32"))
    run = run_of({"source": "npy", "path": "rows.npy"})
    assert resident(load_data(run, tmp_path, ScratchSpace(tmp_path / "scratch", most_bytes=0)), CPU, GiB) is None
    assert resident(load_data(run, tmp_path), CPU, GiB) is not None
    drawn = Run.model_validate({"family": {"family": "flow"}, "data": {"source": "two_moons"}})
    assert resident(load_data(drawn, tmp_path), CPU, GiB) is None


def digits(root: Path) -> TrainingData:
    return load_data(run_of({"source": "digits"}), root)
