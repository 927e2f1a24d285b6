"""A run of ours that names a family, a file and a number of steps, and nothing else."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch
from defaults_data import Split
from judging import Judged, Nll, judged
from torch import Tensor

from pushforward.models.data import Rows
from pushforward.models.family import Scores
from pushforward.models.noise import Noise
from pushforward.models.run import Run
from pushforward.models.training.data import TrainingData, in_data_units, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh


def ours(family: str, rows: Split, seed: int, steps: int) -> Judged:
    """The library's own training; what it holds out is what it sets aside."""
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "rows.npy", rows.train)
        levels = {"low": 0, "high": 1, "levels": 2} if rows.binary else {}
        run = Run.model_validate({
            "family": {"family": family},
            "data": {"source": "npy", "path": "rows.npy", **levels},
            "budget": {"steps": steps},
            "seed": seed,
        })  # fmt: skip
        data = load_data(run, Path(folder))
    cpu = torch.device("cpu")
    state = fresh(run, data, cpu)
    test = Rows(rows.test.reshape(len(rows.test), *data.spec.shape), None)
    set_aside, test_rows = (in_data_units(data, each, cpu) for each in (data.validation, test))
    return judged(_steps(data, state), set_aside, test_rows, steps)


def _steps(data: TrainingData, state: TrainingState) -> Iterator[Nll]:
    for at in train(data, state):
        yield partial(_nll, at)


def _nll(state: TrainingState, x: Tensor) -> Tensor:
    """Of the averaged weights, which are what is served."""
    family = state.run.family
    if not isinstance(family, Scores):
        raise SystemExit(f"{family.family} has no likelihood")
    c = torch.empty(len(x), 0)
    return -family.log_prob(state.average, x, c, Noise.rows(0, len(x)), family.ScoreOptions()).value
