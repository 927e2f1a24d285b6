"""Train every preset through the service over several seeds; write what each one reached, and draw it.

    python benchmarks/zoo.py                                  # all presets, three seeds: hours on two cores
    python benchmarks/zoo.py --missing --slots 2              # only what docs/results/zoo.json does not hold yet
    python benchmarks/zoo.py vae-digits flow-two-moons --seeds 1
    python benchmarks/zoo.py vae-digits --pictures            # only the picture, from one training
    python benchmarks/zoo.py --page                           # docs/results.md from what is there; trains nothing

Each result is kept in docs/results/zoo.json as it comes, so a run that is cut short loses nothing. docs/results.md is
written from it, and docs/pictures/ holds one picture for each preset, of the model of seed 0. Models of toys are scored
on 5,000 fresh rows against the density that drew them; the rest is what the job itself measured on its validation rows.
Fashion-MNIST is read from where Debian's package dataset-fashion-mnist puts it; without it, its presets are left out.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from asking import answered, conditions
from floors import log_density
from zoo_page import PAGE, page
from zoo_pictures import PICTURES, draw
from zoo_results import Entry, Measures, has, keep, read

from pushforward.models.data import Toy
from pushforward.models.errors import InvalidData
from pushforward.models.presets import PRESETS, Preset
from pushforward.service.client import FINAL, Client, Refused
from pushforward.service.local import up as local
from pushforward.service.settings import cores

DATA_ROOT = Path("/usr/share/datasets")  # Debian's
FRESH_ROWS = 5_000
FRESH_SEED = 20_261_121
ASK_TIMEOUT_S = 600.0


class Failed(Exception):
    """A training came to nothing."""


class Task(NamedTuple):
    """A preset to be trained."""

    preset: Preset
    seed: int

    @property
    def model(self) -> str:
        return f"{self.preset.name}-{self.seed}"


def main() -> int:
    asked = arguments()
    presets = [PRESETS[name] for name in asked.presets or PRESETS]
    seeds = range(1 if asked.pictures else asked.seeds)
    tasks = [Task(preset, seed) for seed in seeds for preset in presets if not asked.page]
    if asked.missing:
        tasks = [task for task in tasks if is_missing(task, asked.pictures)]
    tasks = list(readable(tasks, asked.data_root))
    failed = 0
    try:
        if tasks:
            failed = run(tasks, asked)
    finally:
        PAGE.write_text(page(read()))
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", metavar="preset", help="all unless named")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=1, help="trainings at a time")
    parser.add_argument(
        "--missing", action="store_true", help="only what is not there, or was made or measured otherwise"
    )
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--pictures", action="store_true", help="only draw, from seed 0")
    only.add_argument("--page", action="store_true", help="only write docs/results.md")
    parser.add_argument("--data-root", type=Path, default=DATA_ROOT, help="holds fashion-mnist/train-images-idx3-ubyte")
    asked = parser.parse_args()
    if unknown := [name for name in asked.presets if name not in PRESETS]:
        parser.error(f"there is no preset {', '.join(unknown)}; `pushforward presets` lists them")
    return asked


def is_missing(task: Task, only_pictures: bool) -> bool:
    no_picture = task.seed == 0 and not picture_of(task.preset).exists()
    no_result = not has(read().get(task.preset.name), task.preset.run, task.seed)
    return no_picture or (no_result and not only_pictures)


def readable(tasks: Sequence[Task], root: Path) -> Iterator[Task]:
    for task in tasks:
        try:
            task.preset.run.data.outline(root)
        except InvalidData as error:
            print(f"left out {task.model}: {error.message}")
        else:
            yield task


def run(tasks: Sequence[Task], asked: argparse.Namespace) -> int:
    """Train all, then measure, keep and draw one after the other. Gives how many failed."""
    failed = list[str]()
    jobs = list[tuple[Task, str]]()
    with running_service(asked.slots, asked.data_root) as client:
        for task in tasks:
            with told(task, failed):
                jobs.append((task, start(client, task)))
        for task, job_id in jobs:
            with told(task, failed):
                job = ended(client, job_id)
                if not asked.pictures:
                    measures = measure(client, task, job)
                    keep(task.preset, task.seed, entry(measures, asked.slots))
                    print(task.model, {name: round(value, 4) for name, value in measures.items()}, flush=True)
                if task.seed == 0:
                    PICTURES.mkdir(parents=True, exist_ok=True)
                    draw(client, task.preset, task.model, asked.data_root).save(picture_of(task.preset), optimize=True)
    return len(failed)


@contextmanager
def told(task: Task, failed: list[str]) -> Iterator[None]:
    """One that fails is told of, and the others go on."""
    try:
        yield
    except (Failed, Refused) as error:
        failed.append(task.model)
        print(f"{task.model}: {error}", flush=True)


def picture_of(preset: Preset) -> Path:
    return PICTURES / f"{preset.name}.png"


def start(client: Client, task: Task) -> str:
    run = task.preset.run.model_copy(update={"seed": task.seed}).model_dump(mode="json")
    return str(client.train(task.model, run=run)["id"])


def ended(client: Client, job_id: str) -> dict[str, Any]:
    """The job's record at its end. Raises Failed."""
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}")
        if job["state"] == "succeeded":
            return job
        if job["state"] in FINAL:
            raise Failed(f"the training {job['state']}: {job['error']}")
        time.sleep(0.5)


def measure(client: Client, task: Task, job: Mapping[str, Any]) -> Measures:
    """What the job measured and its time; for a toy's density, how far the model is above the floor."""
    measures: Measures = {"train_s": job["finished_at"] - job["started_at"], **job["metrics"]}
    source = task.preset.run.data
    able = client.get(f"/models/{task.model}")["capabilities"]
    if not isinstance(source, Toy) or "likelihood" not in able:
        return measures
    rows = source.rows(FRESH_ROWS, np.random.default_rng(FRESH_SEED))
    log_p = log_density(source, rows.x, rows.y)
    if log_p is None:
        return measures
    log_q = answered(client, "likelihood", "log_prob", task.model, x=rows.x, **conditions(source, rows))
    above = log_p - log_q
    return measures | {
        "nll_nats": float(-log_q.mean()),
        "above_floor_nats": float(above.mean()),
        "above_floor_std_error_nats": float(above.std() / len(above) ** 0.5),
    }


def entry(measures: Measures, slots: int) -> Entry:
    at_a_time = "one training" if slots == 1 else f"{slots} trainings"
    where = f"{platform.system()} {platform.machine()}, {cores()} cores, no GPU, {at_a_time} at a time"
    return {"when": f"{datetime.now(UTC):%Y-%m-%d}", "where": where, "measures": measures}


@contextmanager
def running_service(slots: int, data_root: Path) -> Iterator[Client]:
    """A service of our own in a temporary folder, patient, for densities are drawn from thousands of rows."""
    os.environ |= {"PUSHFORWARD_TRAINING_SLOTS": str(slots), "PUSHFORWARD_ASK_TIMEOUT_S": str(ASK_TIMEOUT_S)}
    os.environ["PUSHFORWARD_DEVICE"] = "cpu"
    with (
        tempfile.TemporaryDirectory(prefix="pushforward-") as folder,
        local.service_in(Path(folder), print, data_root=data_root) as place,
        Client(place.url, timeout_s=ASK_TIMEOUT_S) as client,
    ):
        yield client


if __name__ == "__main__":
    sys.exit(main())
