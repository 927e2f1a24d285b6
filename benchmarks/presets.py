"""Train every preset through the service over several seeds and write what each one reached.

    python benchmarks/presets.py                          # all presets, three seeds
    python benchmarks/presets.py vae-digits flow-two-moons --seeds 1

Writes docs/results/presets.md and one picture for each preset in docs/pictures/. Densities in the plane are scored on
5,000 fresh rows against the entropy of their source, the floor under any model's negative log-likelihood; the rest is
what the job itself measured on its validation rows.
"""

from __future__ import annotations

import argparse
import json
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
from service.settings import cores

DOCS = Path(__file__).parent.parent / "docs"
FRESH_ROWS = 5_000
CHUNK_ROWS = 500  # of one likelihood ask
RESULTS = DOCS / "results" / "presets.json"
Row = dict[str, float]
Result = dict[str, Any]  # when, where, rows: one for each seed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="*", default=list(PRESETS), metavar="preset")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=1, help="trainings at a time")
    asked = parser.parse_args()
    results: dict[str, Result] = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    with running_service(asked.slots) as client:
        jobs = {name: [start(client, PRESETS[name], seed) for seed in range(asked.seeds)] for name in asked.presets}
        for name, ids in jobs.items():
            rows = [
                measure(client, PRESETS[name], name_of(name, seed), wait(client, job)) for seed, job in enumerate(ids)
            ]
            print(name, {key: round(mean(row[key] for row in rows), 4) for key in rows[0]}, flush=True)
            draw(client, name)
            results[name] = {"when": f"{datetime.now(UTC):%Y-%m-%d}", "where": machine(asked.slots), "rows": rows}
            write(results)
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


def write(results: Mapping[str, Result]) -> None:
    """docs/results/presets.json, and presets.md from it: mean and standard deviation over the seeds."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")
    lines = [
        "# What the presets reach",
        "",
        "By `python benchmarks/presets.py`, trained and asked through the service: mean ± standard deviation.",
    ]
    for preset in PRESETS.values():
        if preset.name in results:
            lines += section(preset, results[preset.name])
    (RESULTS.with_suffix(".md")).write_text("\n".join(lines) + "\n")


def section(preset: Preset, result: Result) -> Iterator[str]:
    """What one preset reached, in Markdown."""
    rows = result["rows"]
    yield from ("", f"## {preset.name}", "", preset.summary)
    if isinstance(preset.run.data, Toy):
        yield f"Entropy of the source: {preset.run.data.entropy_nats:.4f} nats."
    yield from (
        f"{len(rows)} seeds, {result['when']}, {result['where']}.",
        "",
        "| measure | mean | ± |",
        "|---|---|---|",
    )
    for key in rows[0]:
        values = [row[key] for row in rows]
        yield f"| {key} | {mean(values):.4g} | {pstdev(values):.2g} |"
    yield from ("", f"![samples of {preset.name}](../pictures/{preset.name}.png)")


def machine(slots: int) -> str:
    """Where it ran, and how busy that was."""
    at_a_time = "one training" if slots == 1 else f"{slots} trainings"
    return f"{platform.system()} {platform.machine()}, {cores()} cores, no GPU, {at_a_time} at a time"


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
