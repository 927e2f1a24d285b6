"""The held-out curve: its points, the weights it keeps, and that nobody notices it but the card."""

import copy
from itertools import islice, pairwise
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
import torch

from pushforward.models.families import FAMILIES
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve
from pushforward.models.storage.model import load_model
from pushforward.models.training.checkpoint import latest_state, save_model, save_state
from pushforward.models.training.curve import POINTS, every, extended, held_out_loss, is_better, is_due, rows_of_a_point
from pushforward.models.training.data import TrainingData, held_out, load_data
from pushforward.models.training.loop import keep_the_better, measure, train
from pushforward.models.training.state import TrainingState, device_of, fresh

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def overfitting(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, TrainingData]:
    """A flow far too large for its rows, 36 of them."""
    folder = tmp_path_factory.mktemp("data")
    np.save(folder / "few.npy", np.random.default_rng(0).standard_normal((40, 4)))
    run = Run.model_validate({
        "family": {"family": "flow", "n_transforms": 2, "width": 32, "tails": "gaussian"},
        "data": {"source": "npy", "path": "few.npy"},
        "optimizer": {"lr": 2e-2, "ema": 0.5, "decay": "constant", "warmup": 0, "weight_decay_rows": 0},
        "budget": {"steps": 60},
    })  # fmt: skip
    return run, load_data(run, folder)


@pytest.fixture(scope="module")
def through(overfitting: tuple[Run, TrainingData]) -> TrainingState:
    """Its training, to the end."""
    return finished(*overfitting)


def finished(run: Run, data: TrainingData, state: TrainingState | None = None) -> TrainingState:
    state = state or fresh(run, data, CPU)
    for _ in train(data, state):
        pass
    return state


def loss_of(data: TrainingData, state: TrainingState) -> float:
    """The held-out loss of what would be served, at the curve's rows and noise."""
    assert state.curve is not None
    x, c = held_out(data, slice(state.curve.rows), device_of(state))
    return held_out_loss(state.run.family, state.served, x, c)[1]


def points(values: list[float], family: str = "flow") -> Curve:
    curve = None
    for step, value in enumerate(values, 1):
        curve = extended(curve, FAMILIES[family](), (step, value), "nll_nats_exact", 16)
    assert curve is not None
    return curve


def test_an_overfitted_model_is_served_as_it_was_at_its_best(
    overfitting: tuple[Run, TrainingData], through: TrainingState, tmp_path: Path
) -> None:
    data, state = overfitting[1], through
    curve = state.curve
    assert curve is not None
    assert curve.best_step is not None
    assert curve.best_step < curve.steps[-1] == 60
    assert min(curve.values) < curve.values[-1] - 1  # nats
    assert loss_of(data, state) == min(curve.values) == curve.values[curve.steps.index(curve.best_step)]
    folder = tmp_path / "model"
    folder.mkdir()
    assert save_model(folder, state, {}, data.fingerprint).curve == curve
    served = load_model(folder, CPU).nets.state_dict()
    assert all(torch.equal(served[name], value) for name, value in state.served.state_dict().items())
    assert any(not torch.equal(served[name], value) for name, value in state.average.state_dict().items())


@pytest.mark.parametrize("step", [9, 10, 35, 60])
def test_a_training_resumed_at_any_step_has_the_same_curve_and_the_same_best_weights(
    overfitting: tuple[Run, TrainingData], through: TrainingState, tmp_path: Path, step: int
) -> None:
    run, data = overfitting
    broken = fresh(run, data, CPU)
    for state in islice(train(data, broken), step):
        broken = state
    save_state(tmp_path / "states", broken)
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    assert resumed.step == step
    finished(run, data, resumed)
    assert resumed.curve == through.curve
    for ours, theirs in ((resumed.served, through.served), (resumed.average, through.average)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_a_point_of_the_curve_changes_nothing_that_is_trained(overfitting: tuple[Run, TrainingData]) -> None:
    run, data = overfitting
    plain, watched = fresh(run, data, CPU), fresh(run, data, CPU)
    before = torch.get_rng_state()
    for _ in islice(train(data, plain), 6):
        pass
    for _ in islice(train(data, watched), 6):
        measure(data, watched)
    assert torch.equal(before, torch.get_rng_state())
    for ours, theirs in ((watched.nets, plain.nets), (watched.average, plain.average)):
        assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_the_same_weights_have_the_same_loss_each_time(overfitting: tuple[Run, TrainingData]) -> None:
    run, data = overfitting
    state = fresh(run, data, CPU)
    for _ in range(3):
        measure(data, state)
        state.step += 1
    assert state.curve is not None
    assert len(set(state.curve.values)) == 1
    assert state.curve.best_step == 2  # of equal points the last


def test_weights_are_better_only_by_more_than_chance(
    overfitting: tuple[Run, TrainingData], through: TrainingState
) -> None:
    run, data = overfitting
    x, c = held_out(data, slice(None), CPU)
    assert is_better(run.family, through.served, through.average, x, c)
    assert not is_better(run.family, through.average, through.served, x, c)
    assert not is_better(run.family, through.served, through.served, x, c)


@pytest.mark.parametrize("rows", [3, 40])
def test_a_point_that_is_lower_by_luck_gives_way_to_the_last_step(
    overfitting: tuple[Run, TrainingData], rows: int
) -> None:
    run, data = overfitting
    state = finished(run, data)
    assert state.curve is not None
    state.best = copy.deepcopy(state.average)  # as good as the last
    keep_the_better(data, state, rows)
    assert state.best is None
    assert state.curve.best_step == state.curve.steps[-1] == 60


def test_of_equal_points_the_later_is_the_best() -> None:
    assert points([3.0, 1.0, 2.0, 1.0, 1.5]).best_step == 4


@pytest.mark.parametrize("bad", [nan, inf, -inf])
def test_a_point_that_is_not_finite_is_shown_and_is_never_the_best(bad: float) -> None:
    curve = points([bad, 2.0, bad, 3.0])
    assert curve.best_step == 2
    assert not np.isfinite(curve.values[2])
    assert Curve.model_validate_json(curve.model_dump_json()).model_dump_json() == curve.model_dump_json()


@pytest.mark.parametrize("family", ["nis", "ae_ot"])
def test_a_loss_that_does_not_choose_weights_keeps_none(family: str) -> None:
    assert points([3.0, 1.0, 2.0], family).best_step is None


@pytest.mark.parametrize("total", [1, 9, 10, 100, 401, 2_000, 12_345])
def test_a_curve_has_forty_points_at_most_and_always_the_last_step(total: int) -> None:
    due = [step for step in range(1, total + 1) if is_due(step, total)]
    assert due[-1] == total
    assert len(due) <= POINTS + 1
    assert all(b - a == every(total) for a, b in pairwise(due[:-1]))


def test_the_rows_of_all_points_are_a_few_percent_of_the_training_s_work() -> None:
    rows = rows_of_a_point(2_000, 128, 5_000)
    assert POINTS * rows / 3 <= 0.03 * 2_000 * 128  # a forward pass is about a third of a step
    assert rows_of_a_point(2_000, 128, 18) == 18
    assert rows_of_a_point(4, 16, 5_000) == 16


def test_the_best_weights_are_a_copy_of_their_own(overfitting: tuple[Run, TrainingData]) -> None:
    run, data = overfitting
    state = fresh(run, data, CPU)
    measure(data, state)
    kept = copy.deepcopy(state.served.state_dict())
    with torch.no_grad():
        for weight in state.average.parameters():
            weight.add_(1.0)
    assert all(torch.equal(kept[name], value) for name, value in state.served.state_dict().items())
