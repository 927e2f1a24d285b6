"""Runs that an earlier release wrote down keep their meaning."""

import json
from pathlib import Path

import torch

from pushforward.models.run import Run
from pushforward.models.storage.card import ModelCard
from pushforward.models.storage.model import load_model
from pushforward.models.storage.recorded import FAMILY, OPTIMIZER, completed
from pushforward.models.storage.sealed import seal, unseal
from pushforward.models.training.checkpoint import _digest, latest_state, save_model, save_state
from pushforward.models.training.data import TrainingData, load_data
from pushforward.models.training.loop import train
from pushforward.models.training.state import fresh

CPU = torch.device("cpu")
OLD = Run.model_validate({
    "family": {"family": "flow", "n_transforms": 1, "width": 8, "tails": "gaussian"},
    "data": {"source": "two_moons"},
    "optimizer": {"warmup": 0.0, "weight_decay_rows": 0.0, "batch_size": 16},
    "budget": {"steps": 4},
})  # fmt: skip


def as_written_before(run: Run) -> dict[str, object]:
    """Its JSON without the fields that came later."""
    record = run.model_dump(mode="json")
    for part, later in (("family", FAMILY["flow"]), ("optimizer", OPTIMIZER)):
        record[part] = {name: value for name, value in record[part].items() if name not in later}
    return record


def data() -> TrainingData:
    return load_data(OLD, Path())


def test_later_fields_are_filled_in_with_what_was_done_before() -> None:
    assert Run.model_validate(completed(dict(as_written_before(OLD)))) == OLD


def test_what_a_record_says_stays() -> None:
    new = Run.model_validate({"family": {"family": "flow"}, "data": {"source": "two_moons"}})
    assert new != OLD
    assert completed(new.model_dump(mode="json")) == new.model_dump(mode="json")


def test_records_without_a_run_stay_empty() -> None:
    assert completed({}) == {}


def test_a_model_of_an_earlier_release_scores_as_it_did(tmp_path: Path) -> None:
    state = fresh(OLD, data(), CPU)
    save_model(tmp_path, state, {}, "f")
    file = tmp_path / "model.json"
    card = unseal(file.read_bytes(), ModelCard.model_fields.keys())
    file.write_bytes(seal({**card, "run": as_written_before(OLD)}))
    assert load_model(tmp_path, CPU).family == OLD.family


def test_a_training_of_an_earlier_release_goes_on(tmp_path: Path) -> None:
    state = fresh(OLD, data(), CPU)
    next(train(data(), state))
    place = save_state(tmp_path, state)
    header = json.loads((place / "state.json").read_text())
    header.pop("sha256")
    header["run"] = as_written_before(OLD)
    payload = (place / "state.safetensors").read_bytes()
    (place / "state.json").write_text(json.dumps({**header, "sha256": _digest(header, payload)}))
    resumed = latest_state(tmp_path, data(), OLD, CPU)
    assert resumed is not None
    assert resumed.step == 1
