"""`models.training.reports.forecast`: what a training will take is measured on its own steps."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward.models.run import Run
from pushforward.models.training.data import load_data
from pushforward.models.training.loop import train
from pushforward.models.training.reports import forecast as foreseeing
from pushforward.models.training.reports.forecast import forecast
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")


def run_of(**fields: Any) -> Run:
    return Run.model_validate({"family": {"family": "flow"}, "data": {"source": "digits"}, "seed": 3, **fields})


def test_the_figures_are_those_of_the_run() -> None:
    run = run_of(budget={"epochs": 3}, optimizer={"batch_size": 100})
    data = load_data(run, Path())
    told = forecast(run, data, CPU, 2**33, read_s=5.0)
    state = fresh(run, data, CPU)
    assert told.n_parameters == sum(p.numel() for p in state.nets.parameters())
    assert (told.batch_size, told.total_steps) == (100, 3 * 17)  # 1,617 rows that train
    assert told.rows_per_s == pytest.approx(100 / (told.step_ms / 1000))
    assert told.seconds > 5.0 + told.total_steps * told.step_ms / 1000
    assert 4 * 4 * told.n_parameters < told.memory_bytes < told.free_bytes == 2**33


def test_a_run_of_one_step_is_foreseen_too() -> None:
    run = run_of(budget={"steps": 1})
    told = forecast(run, load_data(run, Path()), CPU, 2**33)
    assert told.total_steps == 1
    assert told.step_ms > 0


def test_a_forecast_leaves_the_training_as_it_was() -> None:
    run = run_of(budget={"steps": 4})
    data = load_data(run, Path())
    forecast(run, data, CPU, 2**33)
    foreseen = list(train(data, fresh(run, data, CPU)))[-1]
    alone = list(train(data, fresh(run, data, CPU)))[-1]
    for mine, theirs in zip(foreseen.nets.parameters(), alone.nets.parameters(), strict=True):
        assert torch.equal(mine, theirs)


def test_few_steps_are_measured_where_they_are_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreseeing, "MEASURED_S", 0.0)
    run = run_of(budget={"steps": 1000})
    data = load_data(run, Path())
    steps = train(data, fresh(run, data, CPU))
    assert len(list(foreseeing._step_seconds(steps, CPU))) == 1


IN_A_PROCESS = """
import json, sys, torch
from pathlib import Path
from pushforward.models.errors import TooLarge
from pushforward.models.run import Run
from pushforward.models.training.compute import memory
from pushforward.models.training.data import load_data
from pushforward.models.training.reports.forecast import forecast

torch.set_num_threads(1)
run = Run.model_validate(json.loads(sys.argv[1]))
data = load_data(run, Path())
small = Run.model_validate({"family": {"family": "gan"}, "data": {"source": "two_moons"}, "budget": {"steps": 3}})
forecast(small, load_data(small, Path()), torch.device("cpu"), 2**33)  # libraries are loaded before the limit
free_bytes = int(sys.argv[2])
memory.limit_process(free_bytes)
try:
    print(json.dumps({"fits": forecast(run, data, torch.device("cpu"), free_bytes).batch_size}))
except TooLarge as error:
    print(json.dumps({"field": error.field, "message": error.message}))
"""


def in_a_process(run: Run, free_bytes: int) -> dict[str, Any]:
    """In a real process with a real limit."""
    command = [sys.executable, "-c", IN_A_PROCESS, run.model_dump_json(), str(free_bytes)]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does() -> None:
    wide = {"family": "vae", "width": 512, "depth": 4}
    run = run_of(family=wide, budget={"steps": 5}, optimizer={"batch_size": 32768}, data={"source": "two_moons"})
    refused = in_a_process(run, 2**28)
    assert refused["field"] == "run.optimizer.batch_size"
    proposed = int(refused["message"].partition("give batch_size ")[2].partition(",")[0])
    assert proposed < 32768
    smaller = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"batch_size": proposed})})
    assert in_a_process(smaller, 2**28) == {"fits": proposed}
    assert f"accumulate {-(-32768 // proposed)}" in refused["message"]


def test_networks_that_do_not_fit_with_one_row_are_refused_as_the_family() -> None:
    wide = {"family": "gan", "width": 2048, "depth": 4}
    refused = in_a_process(run_of(family=wide, data={"source": "two_moons"}, budget={"steps": 5}), 2**24)
    assert refused["field"] == "run.family"
