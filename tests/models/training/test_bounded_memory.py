"""Trainings on files that are larger than the memory which their process may take."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

N = 1_000_000
LIMIT_BYTES = 96 * 2**20  # beside what the process has taken when it has imported everything

CHILD = """
import sys
from pathlib import Path
import torch
from pushforward.models.data.mapped import pieces
from pushforward.models.data.mapped.scratch import ScratchSpace
from pushforward.models.run import Run
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.compute.memory import is_out_of_memory, limit_process
from pushforward.models.training.state import fresh

def trained(run, scratch, steps):
    data = load_data(run, Path(sys.argv[1]), scratch)
    state = fresh(run, data, torch.device("cpu"))
    for _ in zip(range(steps), train(data, state)):
        pass
    return data.n_rows

def run_of(data):
    return Run.model_validate({"family": {"family": "vae", "width": 8}, "data": data, "budget": {"epochs": 1}})

torch.set_num_threads(1)
pieces.VALUES_AT_ONCE = 2**18
trained(run_of({"source": sys.argv[2], "path": "small" + sys.argv[3]}), ScratchSpace(), 3)  # all is imported
limit_process(int(sys.argv[4]))
run = run_of({"source": sys.argv[2], "path": "large" + sys.argv[3]})
print(trained(run, ScratchSpace(Path(sys.argv[1]) / "scratch", most_bytes=0), 30))
try:
    trained(run, ScratchSpace(), 30)
except (MemoryError, RuntimeError) as error:
    assert is_out_of_memory(error)
    print("too large for memory")
"""


def npy(root: Path) -> tuple[str, str]:
    x = np.random.default_rng(0).normal(size=(N, 28)).astype(np.float32)  # 112 MB
    np.save(root / "large.npy", x)
    np.save(root / "small.npy", x[:2000])
    return "npy", ".npy"


def table(root: Path) -> tuple[str, str]:
    rng = np.random.default_rng(0)
    rows = pa.table({f"x{i}": rng.integers(0, 50, N).astype(np.int16) for i in range(14)})  # 112 MB of cells
    parquet.write_table(rows, root / "large.parquet")
    parquet.write_table(rows[:2000], root / "small.parquet")
    return "table", ".parquet"


@pytest.mark.parametrize("make", [npy, table], ids=lambda make: make.__name__)
def test_rows_beyond_memory_are_trained_on(make: Callable[[Path], tuple[str, str]], tmp_path: Path) -> None:
    command = [sys.executable, "-c", CHILD, str(tmp_path), *make(tmp_path), str(LIMIT_BYTES)]
    told = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert told.stdout.split("\n")[:2] == [str(N - 5000), "too large for memory"], told.stderr[-2000:]
