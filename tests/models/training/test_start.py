"""Trainings that start from others: continued bit for bit, or fine-tuned by name and shape."""

import json
import logging
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pushforward.models.errors import InvalidData
from pushforward.models.run import Run
from pushforward.models.storage.model import load_model, read_model_card
from pushforward.models.storage.sealed import seal, unseal
from pushforward.models.training.checkpoint import _digest, latest_state, read_state, save_model, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.start import Origin, started
from pushforward.models.training.state import TrainingState, fresh

CPU = torch.device("cpu")
STEPS = 12
FAMILIES: dict[str, Any] = {
    "vae": {"width": 8, "latent": 2},
    "flow": {"n_transforms": 2, "width": 8},
    "gan": {"width": 8},
    "wae": {"width": 8, "latent": 2},
}


def run_of(name: str = "vae", steps: int = STEPS, *, data: Mapping[str, Any] | None = None, **fields: Any) -> Run:
    """Of a constant learning rate and a given average, tiny."""
    optimizer = {"batch_size": 16, "ema": 0.9, "decay": "constant", "warmup": 0.0, **fields.pop("optimizer", {})}
    source = data or {"source": "two_moons", "n": 100}
    family = {"family": name, **FAMILIES[name], **fields.pop("family", {})}
    budget = {"budget": {"steps": steps}}
    return Run.model_validate({"family": family, "data": source, "optimizer": optimizer} | budget | fields)


def finished(data: TrainingData, state: TrainingState) -> TrainingState:
    for _ in train(data, state):
        pass
    return state


def trained(run: Run, root: Path, origin: Origin | None = None) -> tuple[TrainingData, TrainingState]:
    data = load_data(run, root)
    state = fresh(run, data, CPU) if origin is None else started(run, data, CPU, origin)
    return data, finished(data, state)


def published(folder: Path, run: Run, root: Path, origin: Origin | None = None) -> Origin:
    """A version that the run left."""
    data, state = trained(run, root, origin)
    folder.mkdir()
    save_model(folder, state, {}, data.fingerprint)
    return Origin(f"{folder.name}@1", folder)


def weights(state: TrainingState) -> dict[str, Tensor]:
    """All that goes on: raw weights, average and moments."""
    found = {f"nets.{name}": value for name, value in state.nets.state_dict().items()}
    found |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    for loss, adam in state.optimizers.items():
        for i in range(len(adam.weights)):
            found |= {f"{loss}.{i}.{name}": value for name, value in adam.memory(i).items()}
    return found


def assert_same(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> None:
    assert ours.keys() == theirs.keys()
    assert [name for name, value in ours.items() if not torch.equal(value, theirs[name])] == []


@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_and_its_continuation_equal_one_of_both_lengths_bit_for_bit(family: str, tmp_path: Path) -> None:
    half = published(tmp_path / "half", run_of(family), tmp_path)
    _, continued = trained(run_of(family), tmp_path, half)
    _, whole = trained(run_of(family, 2 * STEPS), tmp_path)
    assert (continued.step, continued.start.step) == (2 * STEPS, STEPS)
    assert_same(weights(continued), weights(whole))


def test_three_trainings_in_a_row_equal_one_and_their_steps_add_up(tmp_path: Path) -> None:
    origin = None
    for i, steps in enumerate((5, 3, 8)):
        origin = published(tmp_path / f"part{i}", run_of(steps=steps), tmp_path, origin)
    whole = published(tmp_path / "whole", run_of(steps=16), tmp_path)
    assert origin is not None
    assert origin.model is not None
    assert whole.model is not None
    of_parts, of_whole = (read_state(folder).tensors for folder in (origin.model, whole.model))
    assert all(torch.equal(of_parts[name], of_whole[name]) for name in of_whole if not name.startswith("best."))
    card = read_model_card(origin.model)
    assert (card.steps, card.start_from, card.started_at_step) == (16, "part1@1", 8)
    first = read_model_card(whole.model)
    assert (first.steps, first.start_from, first.started_at_step) == (16, None, None)


def test_a_continued_training_that_breaks_off_resumes_bit_for_bit(tmp_path: Path) -> None:
    half, run = published(tmp_path / "half", run_of(), tmp_path), run_of(steps=25)
    data, whole = trained(run, tmp_path, half)
    broken = started(run, data, CPU, half)
    for _ in islice(train(data, broken), 14):
        pass
    save_state(tmp_path / "states", broken)
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    assert (resumed.step, resumed.total_steps, resumed.start) == (26, 37, whole.start)
    assert_same(weights(finished(data, resumed)), weights(whole))
    assert resumed.curve == whole.curve


def test_another_optimizer_goes_on_with_the_same_moments(tmp_path: Path) -> None:
    half = published(tmp_path / "half", run_of(), tmp_path)
    run = run_of(optimizer={"lr": 1e-4, "decay": "cosine", "batch_size": 8})
    data = load_data(run, tmp_path)
    state = started(run, data, CPU, half)
    assert (state.step, state.total_steps) == (STEPS, 2 * STEPS)
    assert [float(step) for adam in state.optimizers.values() for step in adam.steps] == pytest.approx(
        [STEPS] * sum(len(adam.steps) for adam in state.optimizers.values())
    )
    finished(data, state)


def test_the_rate_warms_up_and_decays_from_the_first_step_of_the_continuation(tmp_path: Path) -> None:
    half = published(tmp_path / "half", run_of(), tmp_path)
    moved = []
    for schedule in ({}, {"warmup": 0.5, "decay": "cosine"}):
        run = run_of(optimizer=schedule)
        data = load_data(run, tmp_path)
        state = started(run, data, CPU, half)
        before = {name: value.detach().clone() for name, value in state.nets.named_parameters()}
        next(train(data, state))
        moved.append({name: value.detach() - before[name] for name, value in state.nets.named_parameters()})
    constant, scheduled = moved
    assert all(torch.allclose(7 * scheduled[name], constant[name], rtol=1e-2, atol=1e-6) for name in constant)


def test_other_data_of_the_same_shape_fine_tune_a_model(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    base = published(tmp_path / "base", run_of("flow"), tmp_path)
    run = run_of("flow", data={"source": "two_moons", "n": 100, "seed": 7})
    data = load_data(run, tmp_path)
    with caplog.at_level(logging.INFO):
        state = started(run, data, CPU, base)
    assert base.model is not None
    served = dict(load_model(base.model, CPU).nets.named_parameters())
    for nets in (state.nets, state.average):
        assert_same(dict(nets.named_parameters()), served)
    assert (state.step, state.total_steps, state.optimizers) == (0, STEPS, {})
    assert "Started from base@1, which gave" in caplog.text
    folder = tmp_path / "tuned"
    folder.mkdir()
    card = save_model(folder, finished(data, state), {}, data.fingerprint)
    assert (card.steps, card.started_at_step, card.start_from) == (2 * STEPS, STEPS, "base@1")
    assert any("the optimizer is new" in note for note in card.notes)


def test_another_configuration_takes_over_what_has_its_name_and_shape_and_says_what_is_new(tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of(), tmp_path)
    run = run_of(family={"latent": 3})
    data = load_data(run, tmp_path)
    state, untouched = started(run, data, CPU, base), fresh(run, data, CPU)
    [note] = state.start.notes
    n, of = note.partition("gave ")[2].partition(" tensors")[0].split(" of ")
    names = [name for name, _ in state.nets.named_parameters()]
    assert 0 < int(n) < int(of) == len(names)
    assert "new: decoder.layers.1.weight" in note
    assert "left out: decoder.layers.1.weight" in note
    first = dict(state.nets.named_parameters())["decoder.layers.1.weight"]
    assert torch.equal(first, dict(untouched.nets.named_parameters())["decoder.layers.1.weight"])
    finished(data, state)


def test_a_family_without_a_network_in_common_is_refused(tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of("flow"), tmp_path)
    with pytest.raises(InvalidData, match="no network of the same names and shapes") as error:
        trained(run_of("gan"), tmp_path, base)
    assert error.value.field == "start_from"


def test_data_of_another_shape_are_refused(tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of(), tmp_path)
    np.save(tmp_path / "wide.npy", np.random.default_rng(0).standard_normal((50, 3)))
    with pytest.raises(InvalidData, match=r"rows of shape \[2\], and those of the data have the shape \[3\]") as error:
        trained(run_of(data={"source": "npy", "path": "wide.npy"}), tmp_path, base)
    assert error.value.field == "start_from"


@pytest.mark.parametrize("lost", ["deleted", "torn", "of an older release"])
def test_a_version_without_its_last_state_starts_from_its_served_weights_and_says_so(lost: str, tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of(), tmp_path)
    assert base.model is not None
    served = read_state(base.model)
    match lost:
        case "deleted":
            (base.model / "state.safetensors").unlink()
        case "torn":
            (base.model / "state.safetensors").write_bytes(b"torn")
        case _:
            (base.model / "state.json").unlink()
            (base.model / "state.safetensors").unlink()
            members = unseal((base.model / "model.json").read_bytes(), frozenset())
            older = {name: members[name] for name in members if name not in {"steps", "start_from", "started_at_step"}}
            (base.model / "model.json").write_bytes(seal(older))
    run = run_of()
    data = load_data(run, tmp_path)
    state = started(run, data, CPU, base)
    assert (state.step, state.optimizers, state.start.earlier_steps) == (0, {}, STEPS)
    assert any("has no training state" in note for note in state.start.notes)
    name, mine = next(state.nets.named_parameters())
    assert torch.equal(mine, served.tensors.get(f"best.{name}", served.tensors[f"average.{name}"]))


def test_a_model_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidData, match="moons@3 cannot be read") as error:
        trained(run_of(), tmp_path, Origin("moons@3", tmp_path / "none"))
    assert error.value.field == "start_from"


def test_a_checkpoint_of_a_job_is_continued_and_the_newest_that_is_whole_and_finite_is_taken(tmp_path: Path) -> None:
    run, states = run_of(steps=30), tmp_path / "states"
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    for _ in islice(train(data, state), 10):
        save_state(states, state)
    with torch.no_grad():
        next(state.nets.parameters()).fill_(torch.nan)
    state.step = 9
    save_state(tmp_path / "later", state)
    (states / "step-0000000010" / "state.json").write_text("{}")
    goes_on = started(run, data, CPU, Origin("job:0", states=(tmp_path / "none", tmp_path / "later", states)))
    assert (goes_on.step, goes_on.total_steps) == (9, 39)
    with pytest.raises(InvalidData, match="left no checkpoint"):
        started(run, data, CPU, Origin("job:0", states=(tmp_path / "none",)))


def test_weights_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    run = run_of()
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    with torch.no_grad():
        next(state.nets.parameters()).fill_(torch.nan)
    (tmp_path / "model").mkdir()
    save_model(tmp_path / "model", state, {}, data.fingerprint)
    with pytest.raises(InvalidData, match="not finite"):
        started(run, data, CPU, Origin("moons@1", tmp_path / "model"))


def test_a_training_that_makes_things_worse_serves_the_weights_it_started_from(tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of("flow", 60, optimizer={"lr": 5e-3}), tmp_path)
    run = run_of("flow", 20, optimizer={"lr": 0.3})
    data = load_data(run, tmp_path)
    state = started(run, data, CPU, base)
    before = {name: value.clone() for name, value in state.served.state_dict().items()}
    finished(data, state)
    assert state.curve is not None
    assert (state.curve.steps, state.curve.best_step) == ((60, 70, 80), 60)
    assert state.curve.values[0] < min(state.curve.values[1:])
    assert_same(dict(state.served.state_dict()), before)


def test_rows_that_were_trained_on_and_are_held_out_now_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.random.default_rng(0).standard_normal((100, 2)))
    source = {"source": "npy", "path": "rows.npy"}
    base = published(tmp_path / "base", run_of(data=source), tmp_path)
    same, other = (run_of(data=source, seed=seed) for seed in (0, 1))
    assert started(same, load_data(same, tmp_path), CPU, base).start.notes == ()
    [note] = started(other, load_data(other, tmp_path), CPU, base).start.notes
    assert "scores of held-out rows are too good" in note


def test_the_same_start_gives_the_same_weights(tmp_path: Path) -> None:
    base = published(tmp_path / "base", run_of(), tmp_path)
    tuned = run_of(data={"source": "two_moons", "n": 100, "seed": 3})
    (_, first), (_, again) = (trained(tuned, tmp_path, base) for _ in range(2))
    assert_same(weights(first), weights(again))


def test_a_state_of_before_trainings_started_from_others_is_resumed(tmp_path: Path) -> None:
    run = run_of()
    data = load_data(run, tmp_path)
    state = fresh(run, data, CPU)
    next(train(data, state))
    place = save_state(tmp_path / "states", state)
    header = json.loads((place / "state.json").read_bytes())
    older = {n: v for n, v in header.items() if n not in {"sha256", "start", "seconds", "ended", "shape"}}
    digest = _digest(older, (place / "state.safetensors").read_bytes())
    (place / "state.json").write_text(json.dumps({**older, "sha256": digest}))
    resumed = latest_state(tmp_path / "states", data, run, CPU)
    assert resumed is not None
    assert (resumed.step, resumed.total_steps, resumed.start, resumed.seconds) == (1, STEPS, state.start, 0.0)
