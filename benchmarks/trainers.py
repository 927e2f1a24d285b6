"""Measure our training loop beside pythae's trainer, Lightning's and a plain loop: the same VAE, rows, batch and steps.

    make peers                                     # pythae and Lightning, in an environment of their own
    python benchmarks/trainers.py                  # some minutes
    python benchmarks/trainers.py --rounds 3 --epochs 10

Each contestant is a process on one thread; they take turns, one whole training of `--epochs` at a time, and what is
compared is the ratio within a round, so that a busy machine blurs the figures and does not shift them. Seconds count
from the first line of the training to its last: Lightning sets a trainer up, pythae writes its files, ours averages
weights, checks gradients, measures a held-out curve, and can be resumed bit for bit. The first round warms up and is
left out.
Writes docs/results/trainers.md.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import final

import numpy as np
import orjson
import torch
from peers_by_hand import HERE, PYTHON
from training import setting

from pushforward.models.data import Rows
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

RESULTS = HERE.parent / "docs" / "results" / "trainers.md"
BATCH = 128
PEERS = ("plain", "pythae", "lightning")
WANTED = {"plain": 1.0, "pythae": 1.2, "lightning": 1.2}
WHAT = {"plain": "a plain loop over a DataLoader", "pythae": "pythae 0.1.2, BaseTrainer", "lightning": "Lightning 2.6"}
VAE = {
    "family": "vae",
    "network": "perceptron",
    "width": 256,
    "depth": 2,
    "latent": 8,
    "likelihood": {"likelihood": "bernoulli"},
}


@final
class Peer:
    """A process that trains once for each line it is sent."""

    def __init__(self, name: str, rows: Path, epochs: int) -> None:
        if not PYTHON.exists():
            raise SystemExit("the peers are not installed: make peers")
        script = HERE / "peers" / "trainers_by_hand.py"
        words = [str(PYTHON), str(script), name, str(rows), str(epochs), str(BATCH)]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def rate(self) -> float:
        """Steps a second of one training."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the process has no pipes")
        stdin.write("train\n")
        stdin.flush()
        told = orjson.loads(stdout.readline())
        return float(told["steps"] / told["seconds"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--epochs", type=int, default=40)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    load = os.getloadavg()[0]
    rates = measured(asked.rounds, asked.epochs)
    lines = list(page(rates, load))
    print("\n".join(lines))
    RESULTS.write_text("\n".join(lines) + "\n")
    return 0


def measured(rounds: int, epochs: int) -> dict[str, list[float]]:
    """Steps a second of each, by rounds."""
    run = Run.model_validate(
        {
            "family": VAE,
            "data": {"source": "digits"},
            "optimizer": {"batch_size": BATCH},
            "budget": {"epochs": epochs},
        }
    )
    data = load_data(run, Path())
    if not isinstance(data.train, Rows):
        raise TypeError("digits are rows")
    rates: dict[str, list[float]] = {name: [] for name in ("ours", *PEERS)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        file = Path(folder) / "rows.npy"
        np.save(file, (data.train.x.reshape(len(data.train.x), -1) / 16).astype(np.float32))
        peers = {name: Peer(name, file, epochs) for name in PEERS}
        for peer in peers.values():
            stack.callback(peer.close)
        for number in range(rounds + 1):
            order = list(rates)[number % 4 :] + list(rates)[: number % 4]  # who begins changes
            for name in order:
                rate = ours(run, data) if name == "ours" else peers[name].rate()
                if number:
                    rates[name].append(rate)
            print(f"round {number} of {rounds}", file=sys.stderr)
    return rates


def ours(run: Run, data: TrainingData) -> float:
    """Steps a second of one training."""
    since = time.perf_counter()
    state = fresh(run, data, torch.device("cpu"))
    for _ in train(data, state):
        pass
    return state.total_steps / (time.perf_counter() - since)


def page(rates: dict[str, list[float]], load: float) -> Iterator[str]:
    yield from (
        "# Our training loop beside others'",
        "",
        setting("trainers.py", load),
        "",
        "A VAE of 171,089 parameters on 1,617 digits of 64 numbers, batches of 128: whole trainings, in turns. The",
        "ratio is the median over rounds of our steps a second by theirs; its quartiles.",
        "",
        "| beside | steps/s | ours, steps/s | ratio | quartiles | rounds | wanted |",
        "|---|---|---|---|---|---|---|",
    )
    for name in PEERS:
        ratios = [a / b for a, b in zip(rates["ours"], rates[name], strict=True)]
        low, middle, high = quantiles(ratios, n=4)
        verdict = "reached" if middle >= WANTED[name] else "**not reached**"
        figures = f"{median(rates[name]):.4g} | {median(rates['ours']):.4g} | {middle:.2f} | {low:.2f} to {high:.2f}"
        yield f"| {WHAT[name]} | {figures} | {len(ratios)} | at least {WANTED[name]}: {verdict} |"


if __name__ == "__main__":
    sys.exit(main())
