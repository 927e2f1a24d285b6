"""What a training does when: its learning rate, its weight decay, and its end."""

from itertools import islice
from math import inf, nan
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pushforward.models.losses import Adam
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.schedule import (
    fraction_done,
    learning_rate,
    seconds_left,
    weight_decay,
    without_new_lowest,
)
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")


def test_cosine_decay_goes_from_the_rate_to_zero(run: Run) -> None:
    cosine = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"decay": "cosine", "lr": 0.2})})
    assert [learning_rate(cosine, step, 8) for step in (0, 4, 8)] == pytest.approx([0.2, 0.1, 0.0])
    assert learning_rate(run, 7, 8) == run.optimizer.lr


def test_the_rate_rises_to_its_value_in_the_share_of_the_steps_that_warms_up(run: Run) -> None:
    warm = run.model_copy(update={"optimizer": run.optimizer.model_copy(update={"warmup": 0.3, "lr": 0.4})})
    assert [learning_rate(warm, step, 10) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])


def test_a_warm_up_ends_before_the_decay_does(run: Run) -> None:
    both = run.optimizer.model_copy(update={"warmup": 0.5, "decay": "cosine", "lr": 1.0})
    rates = [learning_rate(run.model_copy(update={"optimizer": both}), step, 100) for step in range(101)]
    assert rates[25] == pytest.approx(26 / 51 * 0.5 * (1 + 0.5**0.5))
    assert rates[50] == pytest.approx(0.5)
    assert rates[100] == pytest.approx(0.0)


@pytest.mark.parametrize(("n_rows", "decay"), [(10, 2.0), (1000, 0.02), (None, 0.0)])
def test_weights_decay_more_where_rows_are_few(n_rows: int | None, decay: float) -> None:
    assert weight_decay(Adam(weight_decay_rows=20.0), n_rows) == pytest.approx(decay)


@pytest.mark.parametrize(("n_rows", "decay"), [(10, 2.1), (None, 0.1)])
def test_a_decay_of_the_weights_is_added_to_that_of_the_rows(n_rows: int | None, decay: float) -> None:
    assert weight_decay(Adam(weight_decay=0.1, weight_decay_rows=20.0), n_rows) == pytest.approx(decay)


@pytest.mark.parametrize(
    ("values", "n"),
    [
        ([], 0),
        ([1.0], 0),
        ([3.0, 2.0, 1.0], 0),
        ([3.0, 1.0, 2.0, 4.0], 2),
        ([1.0, 1.0], 1),  # no new lowest
        ([2.0, nan, inf], 2),
        ([2.0, nan, 1.0], 0),
        ([nan, nan], 2),
    ],
)
def test_points_behind_the_lowest_are_counted(values: list[float], n: int) -> None:
    curve = Curve(name="nll_nats_exact", rows=16, steps=tuple(range(len(values))), values=tuple(values))
    assert without_new_lowest(curve) == n
    assert without_new_lowest(None) == 0


@pytest.fixture(scope="module")
def overfitting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, TrainingData]:
    """A flow far too large for its rows, 36 of them, which may wait for two points."""
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "few.npy", np.random.default_rng(0).standard_normal((40, 4)))
    run = overfitting_run(budget={"steps": 200, "patience": 2})
    return run, load_data(run, folder)


def overfitting_run(**fields: Any) -> Run:
    return Run.model_validate({
        "family": {"family": "flow", "n_transforms": 2, "width": 32, "tails": "gaussian"},
        "data": {"source": "npy", "path": "few.npy"},
        "optimizer": {"lr": 2e-2, "ema": 0.5, "decay": "constant", "warmup": 0, "weight_decay_rows": 0},
    } | fields)  # fmt: skip


def finished(data: TrainingData, state: TrainingState) -> TrainingState:
    for _ in train(data, state):
        pass
    return state


@pytest.fixture(scope="module")
def impatient(overfitting: tuple[Run, TrainingData]) -> TrainingState:
    run, data = overfitting
    return finished(data, fresh(run, data, CPU))


def test_patience_ends_a_training_and_serves_its_lowest_point(
    overfitting: tuple[Run, TrainingData], impatient: TrainingState, tmp_path: Path
) -> None:
    state = impatient
    assert state.curve is not None
    assert state.step == state.total_steps == state.curve.steps[-1] < 200
    assert without_new_lowest(state.curve) == 2
    assert state.curve.best_step == state.curve.steps[-3]
    assert state.ended == (
        f"Training ended early, at step {state.step} of 200: "
        "2 points of the held-out curve without a new lowest (patience)."
    )
    assert state.ended in save_model(tmp_path, state, {}, overfitting[1].fingerprint).notes


def test_a_training_resumed_at_any_step_ends_at_the_same_and_one_that_ended_stays_so(
    overfitting: tuple[Run, TrainingData], impatient: TrainingState, tmp_path: Path
) -> None:
    run, data = overfitting
    for step in (3, 10, impatient.step - 1, impatient.step):
        broken = fresh(run, data, CPU)
        for _ in islice(train(data, broken), step):
            pass
        save_state(tmp_path / str(step), broken)
        resumed = latest_state(tmp_path / str(step), data, run, CPU)
        assert resumed is not None
        finished(data, resumed)
        assert (resumed.step, resumed.curve, resumed.ended) == (impatient.step, impatient.curve, impatient.ended)


def test_a_training_that_always_improves_is_not_ended(overfitting: tuple[Run, TrainingData]) -> None:
    run = overfitting_run(budget={"steps": 30, "patience": 1}, optimizer={"lr": 1e-4, "ema": 0.5})
    state = finished(overfitting[1], fresh(run, overfitting[1], CPU))
    assert (state.step, state.ended) == (30, None)


def test_how_much_is_left_is_that_of_steps_or_of_seconds_whichever_are_over_first(
    overfitting: tuple[Run, TrainingData],
) -> None:
    run = overfitting_run(budget={"seconds": 10})
    state = fresh(run, overfitting[1], CPU)
    state.total_steps, state.step, state.seconds = 100, 20, 4.0
    assert fraction_done(state) == pytest.approx(0.4)
    assert seconds_left(state, 16.0) == pytest.approx(6.0)
    assert seconds_left(state, 2.0) == pytest.approx(2.0)
    assert seconds_left(state, None) == pytest.approx(6.0)
    state.step = 70
    assert fraction_done(state) == pytest.approx(0.7)
    state.seconds = 11.0
    assert (fraction_done(state), seconds_left(state, 2.0)) == (1.0, 0.0)
