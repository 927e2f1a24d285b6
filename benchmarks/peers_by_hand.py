"""Trainings in the peers' own environment, which `make peers` makes: .venv-peers-models."""

from __future__ import annotations

import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import orjson
from defaults_data import Floats, Split
from judging import Judged

HERE = Path(__file__).parent
PYTHON = HERE.parent / ".venv-peers-models" / "bin" / "python"
TEST_PICTURES = 1000


def by_hand(script: str, rows: Split, seed: int, steps: int) -> Judged:
    """What a peer's program prints. Raises SystemExit where its environment is missing."""
    with tempfile.TemporaryDirectory() as folder:
        np.savez(Path(folder) / "rows.npz", train=rows.train, test=rows.test)
        return Judged(**orjson.loads(_run(script, str(Path(folder) / "rows.npz"), str(seed), str(steps))))


def pictures(seed: int) -> Split:
    """MNIST-5k, binarized, divided anew by each seed."""
    x = np.random.default_rng([seed, 10]).permutation(_all_pictures())
    return Split(x[TEST_PICTURES:], x[:TEST_PICTURES], None, binary=True)


@cache
def _all_pictures() -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pictures.npz"
        _run("pythae_by_hand.py", "--mnist", str(file))
        return np.asarray(np.load(file)["x"])


def _run(script: str, *words: str) -> bytes:
    if not PYTHON.exists():
        raise SystemExit("the peers are not installed: make peers, or leave them out with --methods flow zuko")
    return subprocess.run(
        [str(PYTHON), str(HERE / "peers" / script), *words], check=True, stdout=subprocess.PIPE
    ).stdout
