"""A budget of seconds: its steps are measured before the first, recorded, and the clock ends the training."""

from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from pushforward.models.run import Run
from pushforward.models.training.checkpoint import latest_state, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")


def run_of(**budget: Any) -> Run:
    return Run.model_validate({
        "family": {"family": "vae", "latent": 2, "width": 8},
        "data": {"source": "two_moons", "n": 100},
        "optimizer": {"batch_size": 16, "ema": 0.9},
        "budget": budget,
    })  # fmt: skip


def begun(run: Run, root: Path) -> tuple[TrainingData, TrainingState]:
    data = load_data(run, root)
    return data, fresh(run, data, CPU)


def test_steps_are_fixed_before_the_first_one_and_the_training_is_that_of_so_many_steps(tmp_path: Path) -> None:
    data, timed = begun(run_of(seconds=0.3), tmp_path)
    states = train(data, timed)
    next(states)
    total = timed.total_steps
    assert total >= 1
    for _ in states:
        pass
    assert timed.step <= total
    assert timed.step == total or timed.seconds >= 0.3
    _, counted = begun(run_of(steps=timed.step), tmp_path)
    for _ in train(data, counted):
        pass
    ours, theirs = timed.nets.state_dict(), counted.nets.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)  # a constant rate


def test_the_clock_ends_a_training_with_a_last_point_of_its_curve(tmp_path: Path) -> None:
    data, state = begun(run_of(seconds=60), tmp_path)
    state.total_steps = 1_000  # as measured
    states = train(data, state)
    for _ in islice(states, 12):
        pass
    state.seconds = 60.0  # they are over
    assert [each.step for each in states] == [13]
    assert state.curve is not None
    assert (state.step, state.total_steps, state.curve.steps) == (13, 13, (13,))
    assert state.ended == "Training ended early, at step 13 of 1,000: the 60 seconds of its budget were over."


def test_a_resumed_training_has_the_steps_that_were_measured_and_the_rest_of_the_seconds(tmp_path: Path) -> None:
    run = run_of(seconds=60)
    data, state = begun(run, tmp_path)
    state.total_steps = 40
    for _ in islice(train(data, state), 5):
        pass
    assert state.seconds > 0
    state.seconds = 59.0
    save_state(tmp_path / "states", state)
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    assert (resumed.step, resumed.total_steps, resumed.seconds) == (5, 40, 59.0)
    resumed.seconds = 60.0
    assert [each.step for each in train(data, resumed)] == [6]


def test_measuring_changes_nothing_of_the_training(tmp_path: Path) -> None:
    data, state = begun(run_of(seconds=0.2), tmp_path)
    _, counted = begun(run_of(steps=1), tmp_path)
    first = next(train(data, state))
    next(train(data, counted))
    assert (first.step, len(first.optimizers)) == (1, 1)
    assert all(torch.equal(first.losses[name], counted.losses[name]) for name in counted.losses)


@pytest.mark.parametrize("family", ["gan", "flow"])
def test_every_kind_of_family_has_a_pace(family: str, tmp_path: Path) -> None:
    run = Run.model_validate(
        run_of(seconds=0.2).model_dump() | {"family": {"family": family, "width": 8}, "optimizer": {"batch_size": 16}}
    )
    data, state = begun(run, tmp_path)
    *_, last = train(data, state)
    assert last.step == last.total_steps >= 1
