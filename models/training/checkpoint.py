"""A training's states on disk, and how its last one becomes a model.

    {folder}/step-0000000100/state.safetensors     nets.*, average.*, best.*, optimizer.{loss}.{i}.{moment}
                            /state.json            step, run, curve, parameters of each optimizer, sha256 of all of it

A state appears whole or not at all: it is written beside its place, flushed to the disk, and renamed. Tensors and
JSON only, so reading a file never runs code; nothing is used before its digest, names, shapes and types agree. The last
state of a training lies beside the weights that are served, so that it can be continued (`models.training.start`).
"""

from __future__ import annotations

import copy
import json
import logging
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

import torch
from pydantic import ValidationError
from safetensors.torch import save as to_safetensors
from torch import Tensor

from pushforward.models.errors import BadCheckpoint
from pushforward.models.run import Run
from pushforward.models.storage.card import Curve, ModelCard
from pushforward.models.storage.durable import sync
from pushforward.models.storage.model import write_model
from pushforward.models.storage.recorded import completed
from pushforward.models.storage.tensors import fill, on_cpu, parse, under, unreadable, write
from pushforward.models.training.data import TrainingData
from pushforward.models.training.state import Start, TrainingState, fresh

KEPT = 2  # states of one training
TENSORS, HEADER = "state.safetensors", "state.json"

_log = logging.getLogger(__name__)


class SavedState(NamedTuple):
    """A state as it was written: of which run and data, and its tensors."""

    header: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def start(self) -> Start:
        """Where its training began."""
        start = self.header.get("start", {})  # none before trainings started from others
        return Start(**{**start, "notes": tuple(start.get("notes", ()))})


def save_state(folder: Path, state: TrainingState) -> Path:
    """Write `{folder}/step-{step}`; this state and the one before stay, older ones go.

    A write that fails raises OSError and leaves the folder's states as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(".writing-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    place = folder / f"step-{state.step:010d}"
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        write_state(writing, state)
        sync(writing)
        shutil.rmtree(place, ignore_errors=True)  # one that a resumed training passed over
        writing.rename(place)
    finally:
        shutil.rmtree(writing, ignore_errors=True)
    sync(folder)
    before = [other for other in _states(folder) if other.name < place.name]
    for other in _states(folder):
        if other != place and other not in before[: KEPT - 1]:
            shutil.rmtree(other, ignore_errors=True)
    return place


def write_state(folder: Path, state: TrainingState) -> None:
    """Write both files of a state into an existing folder. Raises OSError."""
    payload = to_safetensors(_tensors_of(state))
    header = {
        "step": state.step,
        "total_steps": state.total_steps,
        "run": state.run.model_dump(mode="json"),
        "data_fingerprint": state.fingerprint,
        "shape": list(state.nets.spec.shape),
        "optimizers": _trained(state),
        "accumulate": state.accumulate,
        "curve": None if state.curve is None else state.curve.model_dump(mode="json"),
        "start": asdict(state.start),
        "seconds": state.seconds,
        "ended": state.ended,
    }
    write(folder / TENSORS, payload)
    write(folder / HEADER, json.dumps({**header, "sha256": _digest(header, payload)}, indent=1).encode())


def save_model(
    folder: Path,
    state: TrainingState,
    metrics: Mapping[str, float],
    fingerprint: str,
    notes: Sequence[str] = (),
    held_out_log_prob: Sequence[float] | None = None,
) -> ModelCard:
    """Write the weights that are served, their card and the last state into an existing, empty folder. Raises OSError.

    `notes` stand on the card behind those of the family, of the data and of the training.
    """
    start = state.start
    of_training = (*start.notes, *(() if state.ended is None else (state.ended,)))
    write_state(folder, state)
    return write_model(
        folder,
        state.run,
        state.served,
        state.card_spec or state.nets.spec,
        notes=(*state.family.notes, *state.notes, *of_training, *notes),
        steps=start.earlier_steps + state.step,
        start_from=start.name,
        started_at_step=None if start.name is None else start.trained_steps,
        metrics=dict(metrics),
        curve=state.curve,
        held_out_log_prob=held_out_log_prob,
        data_fingerprint=fingerprint,
    )


def latest_state(folder: Path, data: TrainingData, run: Run, device: torch.device) -> TrainingState | None:
    """The newest state of this run on these data that is whole; others are passed over with a warning.

    Raises Hindered: a disk that fails would send the training back to its first step.
    """
    for place in _states(folder):
        try:
            return _resumed(read_state(place), data, run, device)
        except BadCheckpoint as error:
            _passed_over(place, error)
    return None


def newest_state(folders: Iterable[Path]) -> SavedState | None:
    """The newest state of any run that is whole and finite, in the first folder that has one. Raises Hindered."""
    for place in (place for folder in folders for place in _states(folder)):
        try:
            saved = read_state(place)
            if not all(bool(tensor.isfinite().all()) for tensor in saved.tensors.values()):
                raise BadCheckpoint("it holds numbers that are not finite")
            return saved
        except BadCheckpoint as error:
            _passed_over(place, error)
    return None


def _passed_over(place: Path, error: BadCheckpoint) -> None:
    _log.warning("passed over the checkpoint %s: %s", place.name, error.message)


def _recorded(run: dict[str, Any]) -> dict[str, Any] | None:
    """The run that a checkpoint is of, with the fields that are younger; None where this release knows no such run."""
    try:
        return Run.model_validate(completed(run)).model_dump(mode="json")
    except ValidationError:
        return None


def read_state(place: Path) -> SavedState:
    """The two files of a state. Raises BadCheckpoint, Hindered."""
    try:
        header = json.loads((place / HEADER).read_bytes())
        payload = (place / TENSORS).read_bytes()
    except (OSError, ValueError) as error:
        raise unreadable("it", error) from error
    if not isinstance(header, dict) or header.pop("sha256", None) != _digest(header, payload):
        raise BadCheckpoint("its sha256 does not agree: it is torn or altered")
    return SavedState(header, parse(payload))


def _resumed(saved: SavedState, data: TrainingData, run: Run, device: torch.device) -> TrainingState:
    header = saved.header
    if _recorded(header["run"]) != run.model_dump(mode="json"):
        raise BadCheckpoint("it belongs to another run")
    if header["data_fingerprint"] != data.fingerprint:
        raise BadCheckpoint("the data have changed since it was written")
    state = fresh(run, data, device)
    take_over(state, saved)
    state.total_steps, state.start = header["total_steps"], saved.start
    state.accumulate = header.get("accumulate", 1)  # this and the following are younger than others
    state.seconds, state.ended = header.get("seconds", 0.0), header.get("ended")
    if header.get("curve") is not None:  # none before curves were kept, and of families that have none
        state.curve = Curve.model_validate(header["curve"])
    return state


def take_over(state: TrainingState, saved: SavedState) -> None:
    """The step, the weights, their average and best, and the optimizers. Raises BadCheckpoint where they do not fit."""
    fill(state.nets, under("nets.", saved.tensors), "nets")
    fill(state.average, under("average.", saved.tensors), "average")
    if best := under("best.", saved.tensors):
        state.best = copy.deepcopy(state.average)
        fill(state.best, best, "best weights")
    parameters = dict(state.nets.named_parameters())
    for loss, names in saved.header["optimizers"].items():
        adam = state.optimizer(loss, [parameters[name] for name in names])
        for i in range(len(names)):
            adam.restore(i, under(f"optimizer.{loss}.{i}.", saved.tensors))
    state.step = saved.header["step"]


def _tensors_of(state: TrainingState) -> dict[str, Tensor]:
    tensors = {f"nets.{name}": value for name, value in state.nets.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    if state.best is not None:
        tensors |= {f"best.{name}": value for name, value in state.best.state_dict().items()}
    for loss, adam in state.optimizers.items():
        for i in range(len(adam.weights)):
            tensors |= {f"optimizer.{loss}.{i}.{key}": value for key, value in adam.memory(i).items()}
    return on_cpu(tensors)


def _trained(state: TrainingState) -> dict[str, list[str]]:
    """The names of the parameters each optimizer holds, in its order."""
    name_of = {id(parameter): name for name, parameter in state.nets.named_parameters()}
    return {loss: [name_of[id(parameter)] for parameter in adam.weights] for loss, adam in state.optimizers.items()}


def _states(folder: Path) -> list[Path]:
    """The folders of states, newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _digest(header: Mapping[str, Any], payload: bytes) -> str:
    digest = sha256(payload)
    digest.update(json.dumps(header, sort_keys=True).encode())
    return digest.hexdigest()
