"""Train with defaults on data that no preset knows, beside zuko, torchcfm and pythae by hand, at equal steps.

    make peers                                     # torchcfm, pythae and MNIST, in an environment of their own
    python benchmarks/defaults.py                  # all that docs/results/defaults.json lacks: an hour or more
    python benchmarks/defaults.py --only spirals wine --seeds 3 --steps 2000
    python benchmarks/defaults.py --page           # write the page anew from what is kept

Ours is the library with a family's own defaults: a run names the family, the file and the number of steps. By hand is
the script one would write in an afternoon with the peer's own classes and the same batch (`zuko_by_hand.py`, `peers/`).
Held out are rows that neither saw. Both keep their last weights and the best by rows they set aside themselves. Each
result is kept as soon as it is there, so that a run can be stopped and goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

import orjson
import torch
from defaults_data import DENSITIES, TABLES, Split, split
from defaults_page import page
from judging import Judged
from ours_by_default import ours
from peers_by_hand import by_hand, pictures
from zuko_by_hand import zuko_by_hand

HERE = Path(__file__).parent
RESULTS = HERE.parent / "docs" / "results"
PICTURES = "mnist-5k"
Method = Callable[[Split, int, int], Judged]


@dataclass(frozen=True)
class Task:
    """One training: whose, of what."""

    data: str
    method: str
    seed: int
    steps: int


@dataclass(frozen=True)
class Result(Task):
    """What one training reached, in nats a row of the test rows."""

    last_nats: float
    best_nats: float  # by the rows that the method sets aside itself
    best_at: int
    std_error_nats: float
    worst_row_nats: float
    floor_nats: float | None
    seconds: float  # of the processor
    where: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*DENSITIES, *TABLES, PICTURES], metavar="data")
    parser.add_argument("--methods", nargs="+", metavar="method")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--page", action="store_true", help="train nothing")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    known = kept()
    for task in [] if asked.page else tasks(asked.only, asked.methods, asked.seeds, asked.steps):
        if task not in known:
            known[task] = trained(task)
            print(known[task], flush=True)
            keep(known)
    (RESULTS / "defaults.md").write_text(page(map(asdict, known.values())))
    return 0


def tasks(only: list[str] | None, methods: list[str] | None, seeds: int, steps: int) -> Iterator[Task]:
    """One seed of everything before the next."""
    for seed in range(seeds):
        for data in only or [*DENSITIES, *TABLES, PICTURES]:
            for method in methods_of(data):
                if not methods or method in methods:
                    yield Task(data, method, seed, steps)


def methods_of(data: str) -> dict[str, Method]:
    """Each beside its peer."""
    if data == PICTURES:
        return {"vae": partial(ours, "vae"), "pythae": partial(by_hand, "pythae_by_hand.py")}
    return {
        "flow": partial(ours, "flow"),
        "zuko": zuko_by_hand,
        "flow_matching": partial(ours, "flow_matching"),
        "torchcfm": partial(by_hand, "torchcfm_by_hand.py"),
    }


def trained(task: Task) -> Result:
    """Raises CalledProcessError where a peer fails."""
    rows = pictures(task.seed) if task.data == PICTURES else split(task.data, task.seed)
    since = time.process_time()
    judged = methods_of(task.data)[task.method](rows, task.seed, task.steps)
    seconds = judged.seconds or time.process_time() - since
    return Result(
        **asdict(task),
        last_nats=judged.last_nats,
        best_nats=judged.best_nats,
        best_at=judged.best_at,
        std_error_nats=judged.std_error_nats,
        worst_row_nats=judged.worst_row_nats,
        floor_nats=rows.floor_nats,
        seconds=seconds,
        where=_where(),
    )


def kept() -> dict[Task, Result]:
    file = RESULTS / "defaults.json"
    results = [Result(**each) for each in orjson.loads(file.read_bytes())] if file.exists() else []
    return {Task(each.data, each.method, each.seed, each.steps): each for each in results}


def keep(results: dict[Task, Result]) -> None:
    text = orjson.dumps([asdict(each) for each in results.values()], option=orjson.OPT_INDENT_2)
    (RESULTS / "defaults.json").write_bytes(text + b"\n")


def _where() -> str:
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "zuko"))
    cores = len(os.sched_getaffinity(0))
    system = f"{platform.system()} {platform.machine()}"
    return f"{datetime.now(UTC):%Y-%m-%d}, {system}, one thread of {cores} busy cores, no GPU used, {versions}"


if __name__ == "__main__":
    sys.exit(main())
