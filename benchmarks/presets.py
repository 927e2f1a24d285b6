"""Train every preset through the service over several seeds and write what each one reached.

    python benchmarks/presets.py                          # all presets, three seeds
    python benchmarks/presets.py vae-digits flow-two-moons --seeds 1

Writes docs/results/presets.md and one picture for each preset in docs/pictures/. Densities in the plane are scored on
5,000 fresh rows against the entropy of their source, the floor under any model's negative log-likelihood; the rest is
what the job itself measured on its validation rows.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

import numpy as np

from models.data import Toy
from models.presets import PRESETS, Preset
from service import local
from service.client import Client

DOCS = Path(__file__).parent.parent / "docs"
FRESH_ROWS = 5_000
CHUNK_ROWS = 500  # of one likelihood ask
Row = dict[str, float]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=list(PRESETS), metavar="preset")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=1, help="trainings at a time")
    asked = parser.parse_args()
    chosen = [PRESETS[name] for name in asked.presets]
    with running_service(asked.slots) as client:
        jobs = {(preset.name, seed): start(client, preset, seed) for preset in chosen for seed in range(asked.seeds)}
        results: dict[str, list[Row]] = {preset.name: [] for preset in chosen}
        for (name, seed), job_id in jobs.items():
            row = measure(client, PRESETS[name], name_of(name, seed), wait(client, job_id))
            results[name].append(row)
            print(name, seed, "  ".join(f"{key}={value:.4g}" for key, value in row.items()), flush=True)
            if seed == 0:
                draw(client, name)
    write(chosen, results, asked.seeds)
    return 0


def name_of(preset: str, seed: int) -> str:
    return f"{preset}-{seed}"


def start(client: Client, preset: Preset, seed: int) -> str:
    run = preset.run.model_copy(update={"seed": seed}).model_dump(mode="json")
    return str(client.train(name_of(preset.name, seed), run=run)["id"])


def wait(client: Client, job_id: str) -> dict[str, Any]:
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}")
        if job["state"] == "succeeded":
            return job
        if job["state"] in ("failed", "cancelled"):
            raise SystemExit(f"job {job_id} {job['state']}: {job['error']}")
        time.sleep(0.5)


def measure(client: Client, preset: Preset, model: str, job: Mapping[str, Any]) -> Row:
    """What the job measured, its time, and for densities in the plane the distance to the entropy floor."""
    row: Row = {"train_s": job["finished_at"] - job["started_at"], **job["metrics"]}
    source = preset.run.data
    card = client.get(f"/models/{model}")
    if isinstance(source, Toy) and "likelihood" in card["capabilities"]:
        x = source.draw(FRESH_ROWS, np.random.default_rng(20_261_121))
        log_prob = np.concatenate(
            [
                client.ask("likelihood", {"model": model, "x": part}).json()["log_prob"]
                for part in np.array_split(x, FRESH_ROWS // CHUNK_ROWS)
            ]
        )
        row["nll_nats"] = float(-log_prob.mean())
        row["above_floor_nats"] = row["nll_nats"] - source.entropy_nats
        row["nll_std_error_nats"] = float(log_prob.std() / FRESH_ROWS**0.5)
    return row


def draw(client: Client, name: str) -> None:
    """64 samples of an image model, 2,500 of a density in the plane."""
    n = 2_500 if isinstance(PRESETS[name].run.data, Toy) else 64
    folder = DOCS / "pictures"
    folder.mkdir(parents=True, exist_ok=True)
    answer = client.ask("sample", {"model": name_of(name, 0), "n": n, "seed": 0}, accept="image/png")
    (folder / f"{name}.png").write_bytes(answer.content)


def write(chosen: list[Preset], results: Mapping[str, list[Row]], seeds: int) -> None:
    """docs/results/presets.md: mean and standard deviation over the seeds."""
    machine = f"{platform.system()} {platform.machine()}, {local_cores()} cores, no GPU used"
    lines = [
        "# What the presets reach",
        "",
        f"`python benchmarks/presets.py`, {datetime.now(UTC):%Y-%m-%d}, {machine}; mean ± standard deviation over "
        f"{seeds} seeds, trained and asked through the service.",
    ]
    for preset in chosen:
        rows = results[preset.name]
        lines += ["", f"## {preset.name}", "", preset.summary, ""]
        if isinstance(preset.run.data, Toy):
            lines += [f"Entropy of the source: {preset.run.data.entropy_nats:.4f} nats.", ""]
        lines += ["| measure | mean | ± |", "|---|---|---|"]
        for key in rows[0]:
            values = [row[key] for row in rows]
            lines.append(f"| {key} | {mean(values):.4g} | {pstdev(values):.2g} |")
        lines += ["", f"![samples of {preset.name}](../pictures/{preset.name}.png)"]
    (DOCS / "results").mkdir(parents=True, exist_ok=True)
    (DOCS / "results" / "presets.md").write_text("\n".join(lines) + "\n")


def local_cores() -> int:
    return len(os.sched_getaffinity(0))


@contextmanager
def running_service(slots: int) -> Iterator[Client]:
    """A service of our own in a temporary folder."""
    os.environ["PUSHFORWARD_TRAINING_SLOTS"] = str(slots)
    with (
        tempfile.TemporaryDirectory(prefix="pushforward-") as folder,
        local.running(Path(folder), print) as place,
        Client(place.url, timeout_s=120.0) as client,
    ):
        yield client


if __name__ == "__main__":
    sys.exit(main())
