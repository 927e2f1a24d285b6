"""Trainings on a GPU: the rows of a CPU, and losses as there within rounding. Collected where there is one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.data.mapped.scratch import IN_MEMORY, ScratchSpace
from pushforward.models.run import Run
from pushforward.models.training.batches import batches
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

CPU, GPU = torch.device("cpu"), torch.device("cuda")
DIGITS = {"source": "digits"}


def run_of(family: str, data: dict[str, Any], precision: str = "float32") -> Run:
    return Run.model_validate({
        "family": {"family": family, "width": 16},
        "data": data,
        "optimizer": {"batch_size": 64, "precision": precision},
        "budget": {"steps": 40},
    })  # fmt: skip


@pytest.mark.parametrize("mapped", [False, True], ids=["resident", "pinned"])
def test_batches_are_those_of_a_cpu(mapped: bool, tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).normal(size=(500, 3)).astype(np.float32))
    run = run_of("flow", {"source": "npy", "path": "rows.npy"})
    data = load_data(run, tmp_path, ScratchSpace(tmp_path / "scratch", most_bytes=0) if mapped else IN_MEMORY)
    pairs = zip(batches(data, fresh(run, data, CPU)), batches(data, fresh(run, data, GPU)), strict=True)
    for here, there in pairs:
        assert there.x.device.type == there.row.device.type == "cuda"
        assert torch.equal(here.x, there.x.cpu())
        assert torch.equal(here.row, there.row.cpu())


@pytest.mark.parametrize("family", ["vae", "diffusion", "flow", "gan"])
def test_bfloat16_trains_as_float32_does(family: str, tmp_path: Path) -> None:
    last = []
    for precision in ("float32", "bfloat16"):
        run = run_of(family, DIGITS, precision)
        data = load_data(run, tmp_path)
        state = fresh(run, data, GPU)
        for _ in train(data, state):
            pass
        assert {p.dtype for p in state.nets.parameters()} == {torch.float32}
        last.append({name: float(value) for name, value in state.losses.items()})
    exact, rounded = last
    assert rounded == pytest.approx(exact, rel=0.1, abs=0.1)


def test_a_training_in_bfloat16_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    run = run_of("vae", DIGITS, "bfloat16")
    data = load_data(run, tmp_path)
    state = fresh(run, data, GPU)
    for _ in train(data, state):
        if state.step == 20:
            break
    save_state(tmp_path / "states", state)
    resumed = latest_state(tmp_path / "states", data, run, GPU)
    assert resumed is not None
    for mine, theirs in zip(resumed.nets.parameters(), state.nets.parameters(), strict=True):
        assert torch.equal(mine, theirs)
    for _ in train(data, resumed):
        pass
    assert resumed.step == 40
