"""Data larger than memory: what a training on mapped files takes and gives, beside one in memory.

    python benchmarks/large_data.py                       # some minutes, and 8 GiB of a disk
    python benchmarks/large_data.py --gib 1 --folder ~/room

Each row is a process of its own that loads the data of a run, holds out its validation rows and trains a small VAE. The
memory of those that read files is limited (RLIMIT_DATA), so that they fail beyond it; what they take is the most that
their anonymous pages took. Weights after all steps are compared by their digest. Before it trains, a process on a cold
file asks the system to forget the file's pages. Writes docs/results/large_data.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from pyarrow import csv, parquet

from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.run import Run
from pushforward.models.training import batches
from pushforward.models.training.compute.memory import limit_process
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

RESULTS = Path(__file__).parent.parent / "docs" / "results" / "large_data.md"
N_ROWS, N_COLUMNS = 1_000_000, 20
WARM_STEPS, STEPS = 20, 400
LIMIT_BYTES = 512 * 2**20
CPU = torch.device("cpu")


class Case(NamedTuple):
    """One process."""

    name: str
    data: dict[str, Any]
    mapped: bool
    ahead: bool = True
    cold: bool = False


class Measured(NamedTuple):
    """What a process reports."""

    load_s: float
    peak_bytes: int
    steps_per_s: float
    digest: str


def cases(gib: float) -> Iterator[Case]:
    """All processes, in memory first."""
    table, array = {"source": "table", "path": "x.parquet"}, {"source": "npy", "path": "x.npy"}
    for name, data in (("parquet", table), ("csv", {**table, "path": "x.csv"}), ("npy", array)):
        yield Case(name, data, mapped=False)
        yield Case(name, data, mapped=True)
    yield Case("npy, nothing read ahead", array, mapped=True, ahead=False)
    large = {"source": "npy", "path": "large.npy"}
    for ahead in (True, False):
        name = f"npy of {gib:g} GiB, cold" + ("" if ahead else ", nothing read ahead")
        yield Case(name, large, mapped=True, ahead=ahead, cold=True)


def write_files(folder: Path, gib: float) -> None:
    """The files that the cases read."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N_ROWS, N_COLUMNS)).astype(np.float32)
    np.save(folder / "x.npy", x)
    columns: dict[str, Any] = {f"x{i}": x[:, i].astype(np.float64) for i in range(N_COLUMNS - 8)}
    columns |= {f"n{i}": rng.integers(0, 1000, N_ROWS) for i in range(4)}
    columns |= {f"k{i}": rng.choice(["oak", "ash", "elm", "fir"], N_ROWS) for i in range(3)}
    columns["when"] = pa.array(rng.integers(0, 10**9, N_ROWS), pa.timestamp("s"))
    parquet.write_table(pa.table(columns), folder / "x.parquet")
    csv.write_csv(pa.table(columns), folder / "x.csv")
    n_large = int(gib * 2**30 / 4 / 256)
    large = np.lib.format.open_memmap(folder / "large.npy", "w+", np.float32, (n_large, 256))
    for start in range(0, n_large, 2**16):
        large[start : start + 2**16] = rng.normal(size=(min(2**16, n_large - start), 256))


def measured(case: Case, folder: Path) -> Measured:
    """Load and train, in this process."""
    torch.set_num_threads(1)
    steps = WARM_STEPS + STEPS
    family = {"family": "vae", "width": 64}
    run = Run.model_validate({"family": family, "data": case.data, "budget": {"steps": steps}})
    if case.mapped:
        limit_process(LIMIT_BYTES)
    if not case.ahead:
        batches.read_ahead = lambda items, _: items  # type: ignore[assignment]  # what is compared
    with peak_of_memory() as peak:
        began = time.perf_counter()
        data = load_data(run, folder, ScratchSpace(folder / "scratch", most_bytes=0) if case.mapped else IN_MEMORY)
        load_s = time.perf_counter() - began
        state = fresh(run, data, CPU)
        if case.cold:
            forget_pages(folder / str(case.data["path"]))
        training = train(data, state)
        list(islice(training, WARM_STEPS))
        began = time.perf_counter()
        done = sum(1 for _ in islice(training, STEPS - 1))
        steps_per_s = done / (time.perf_counter() - began)
        list(training)
    digest = sha256(b"".join(each.numpy().tobytes() for each in state.nets.state_dict().values())).hexdigest()
    return Measured(load_s, peak[0], steps_per_s, digest)


@contextmanager
def peak_of_memory() -> Iterator[list[int]]:
    """The most that the anonymous pages of this process take beyond what they take now, bytes."""
    before, peak, ended = anonymous_bytes(), [0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.005):
            peak[0] = max(peak[0], anonymous_bytes() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peak
    finally:
        ended.set()
        watcher.join()


def anonymous_bytes() -> int:
    """Of this process now."""
    found = re.search(r"^RssAnon:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    return 1024 * int(found[1]) if found else 0


def forget_pages(file: Path) -> None:
    """Ask the system to forget the pages of a file."""
    with file.open("rb") as stream:
        os.posix_fadvise(stream.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def in_child(case: Case, folder: Path) -> Measured:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--folder", str(folder), "--case", json.dumps(case._asdict())]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return Measured(**json.loads(told.stdout))


def page(rows: list[tuple[Case, Measured]]) -> str:
    """The results as Markdown."""
    lines = [
        "# Data larger than memory",
        "",
        f"`python benchmarks/large_data.py`, {datetime.now(UTC):%Y-%m-%d}, {platform.system()} {platform.machine()}, "
        f"{os.cpu_count()} cores with a load of {os.getloadavg()[1]:.1f} beside it, no GPU, one thread, "
        f"torch {torch.__version__}.",
        "",
        f"{N_ROWS:,} rows of {N_COLUMNS} columns (numbers, integers, categories and a time in the tables), and a",
        "larger array of rows of 256 numbers. Batches of 128, a VAE of 64 units. Memory: the most that anonymous pages",
        f"took while the data were loaded and trained on; those on files fail beyond {LIMIT_BYTES / 2**20:.0f} MiB.",
        "Same weights: after all steps, bit for bit, as in the first row of these data. Steps/s of one process",
        "among others vary by a quarter: read ahead neither gains nor loses more than that where a disk answers",
        "at once.",
        "",
        "| data | where | loaded, s | memory, MiB | steps/s | same weights |",
        "|---|---|---|---|---|---|",
    ]
    first = dict[str, str]()
    for case, of in rows:
        key = str(case.data["path"])
        told = "" if key not in first else "yes" if first[key] == of.digest else "**no**"
        first.setdefault(key, of.digest)
        where = "mapped file" if case.mapped else "memory"
        lines.append(
            f"| {case.name} | {where} | {of.load_s:.1f} | {of.peak_bytes / 2**20:.0f} | {of.steps_per_s:.0f} | {told} |"
        )
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run all cases and write the results, or run the one that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gib", type=float, default=6.0, help="size of the large array")
    parser.add_argument("--folder", type=Path, help="where the files go")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.case is not None:
        print(json.dumps(measured(Case(**json.loads(asked.case)), asked.folder)._asdict()))
        return
    with tempfile.TemporaryDirectory(dir=asked.folder) as name:
        folder = Path(name)
        write_files(folder, asked.gib)
        rows = []
        for case in cases(asked.gib):
            rows.append((case, in_child(case, folder)))
            print(case.name, rows[-1][1], flush=True)
            RESULTS.write_text(page(rows))


if __name__ == "__main__":
    main()
