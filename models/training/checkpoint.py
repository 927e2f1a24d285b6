"""Weights on disk: a training's state, and the model that a finished training leaves.

    {folder}/step-0000000100/state.safetensors     nets.*, average.*, best.*, optimizer.{loss}.{i}.{moment}
                            /state.json            step, run, curve, parameters of each optimizer, sha256 of all of it
    {folder}/weights.safetensors                   the tensors that are served
            /model.json                            `models.storage.card.ModelCard`, sealed (`models.storage.sealed`)

A state appears whole or not at all: it is written beside its place, flushed to the disk, and renamed. Tensors and
JSON only, so reading a file never runs code; nothing is used before its digest, names, shapes and types agree.
"""

from __future__ import annotations

import copy
import json
import logging
import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from safetensors.torch import save as to_safetensors
from torch import Tensor

from models.storage.card import Curve, ModelCard
from models.storage.durable import sync
from models.errors import BadCheckpoint, Hindered, InvalidData, LaboratoryError, hindrance
from models.family import Decodes, Family, capabilities
from models.networks import Nets
from models.storage.recorded import completed
from models.run import Run
from models.storage.sealed import seal, unseal
from models.training.loop import State, TrainingData, fresh

KEPT = 2  # states of one training

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Model:
    """A trained model in memory, ready to be asked."""

    family: Family
    nets: Nets  # evaluation mode, no gradients
    card: ModelCard


def save_state(folder: Path, state: State) -> Path:
    """Write `{folder}/step-{step}`; this state and the one before stay, older ones go.

    A write that fails raises OSError and leaves the folder's states as they were.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for left_over in folder.glob(".writing-*"):
        shutil.rmtree(left_over, ignore_errors=True)
    payload = to_safetensors(_tensors_of(state))
    header = {
        "step": state.step,
        "total_steps": state.total_steps,
        "run": state.run.model_dump(mode="json"),
        "data_fingerprint": state.fingerprint,
        "optimizers": _trained(state),
        "curve": None if state.curve is None else state.curve.model_dump(mode="json"),
    }
    place = folder / f"step-{state.step:010d}"
    writing = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    try:
        _write(writing / "state.safetensors", payload)
        _write(writing / "state.json", json.dumps({**header, "sha256": _digest(header, payload)}, indent=1).encode())
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


def latest_state(folder: Path, data: TrainingData, run: Run, device: torch.device) -> State | None:
    """The newest state of this run on these data that is whole; others are passed over with a warning.

    Raises Hindered: a disk that fails would send the training back to its first step.
    """
    for place in _states(folder):
        try:
            return _read_state(place, data, run, device)
        except BadCheckpoint as error:
            _log.warning("passed over the checkpoint %s: %s", place.name, error.message)
    return None


def save_model(
    folder: Path, state: State, metrics: Mapping[str, float], fingerprint: str, notes: Sequence[str] = ()
) -> ModelCard:
    """Write the weights that are served and their card into an existing, empty folder. Raises OSError.

    `notes` stand on the card behind those of the family and of the data.
    """
    family, spec = state.run.family, state.card_spec or state.nets.spec
    weights = to_safetensors(_cpu(state.served.state_dict()))
    card = ModelCard(
        family=family.family,
        capabilities=capabilities(family),
        spec=spec,
        latent_shape=family.latent_shape(spec.varying) if isinstance(family, Decodes) else None,
        run=state.run.model_dump(mode="json"),
        notes=(*family.notes, *state.notes, *notes),
        metrics=dict(metrics),
        curve=state.curve,
        n_parameters=sum(p.numel() for p in state.served.parameters()),
        data_fingerprint=fingerprint,
        weights_sha256=sha256(weights).hexdigest(),
        weights_bytes=len(weights),
    )
    _write(folder / "weights.safetensors", weights)
    _write(folder / "model.json", seal(card.model_dump(mode="json")))
    sync(folder)
    return card


def load_model(folder: Path, device: torch.device) -> Model:
    """Read what `save_model` wrote.

    Raises:
        BadCheckpoint: a file is missing, torn, altered, or does not fit the architecture that its card describes.
        Hindered: the disk is at fault.
    """
    try:
        card = read_model_card(folder)
        family = Run.model_validate(card.run).family
        size = (folder / "weights.safetensors").stat().st_size
        if size != card.weights_bytes:
            raise BadCheckpoint(f"the weights are {size} bytes long, their card says {card.weights_bytes}")
        payload = (folder / "weights.safetensors").read_bytes()
    except (OSError, ValidationError) as error:
        raise _unreadable("the model", error) from error
    if sha256(payload).hexdigest() != card.weights_sha256:
        raise BadCheckpoint("the weights are altered: their sha256 is not the one on the card")
    try:
        nets = family.build(card.spec.varying)
    except InvalidData as error:
        raise BadCheckpoint(f"the card's family cannot model the card's data: {error.message}") from error
    _fill(nets, _parse(payload), "weights")
    return Model(family, nets.to(device).requires_grad_(False).eval(), card)


def read_model_card(folder: Path) -> ModelCard:
    """`model.json`, if it is what was written. Raises BadCheckpoint, Hindered."""
    try:
        content = (folder / "model.json").read_bytes()
        return ModelCard.model_validate_json(json.dumps(unseal(content, ModelCard.model_fields.keys())))
    except (OSError, ValueError) as error:
        raise _unreadable("model.json", error) from error


def _unreadable(what: str, error: Exception) -> LaboratoryError:
    """Whoever is at fault: the machine, or what lies on its disk. No path of this machine is told."""
    if isinstance(error, OSError):
        if why := hindrance(error):
            return Hindered(f"{what} cannot be read: {why}")
        return BadCheckpoint(f"{what} cannot be read: {error.strerror}")
    return BadCheckpoint(f"{what} cannot be read: {error}")


def _read_state(place: Path, data: TrainingData, run: Run, device: torch.device) -> State:
    try:
        header = json.loads((place / "state.json").read_bytes())
        payload = (place / "state.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise _unreadable("it", error) from error
    if not isinstance(header, dict) or header.pop("sha256", None) != _digest(header, payload):
        raise BadCheckpoint("its sha256 does not agree: it is torn or altered")
    if completed(header["run"]) != run.model_dump(mode="json"):
        raise BadCheckpoint("it belongs to another run")
    if header["data_fingerprint"] != data.fingerprint:
        raise BadCheckpoint("the data have changed since it was written")
    tensors = _parse(payload)
    state = fresh(run, data, device)
    state.step, state.total_steps = header["step"], header["total_steps"]
    _fill(state.nets, _under("nets.", tensors), "nets")
    _fill(state.average, _under("average.", tensors), "average")
    if header.get("curve") is not None:  # none before curves were kept, and of families that have none
        state.curve = Curve.model_validate(header["curve"])
    if best := _under("best.", tensors):
        state.best = copy.deepcopy(state.average)
        _fill(state.best, best, "best weights")
    parameters = dict(state.nets.named_parameters())
    for loss, names in header["optimizers"].items():
        adam = state.optimizer(loss, [parameters[name] for name in names])
        for i in range(len(names)):
            adam.restore(i, _under(f"optimizer.{loss}.{i}.", tensors))
    return state


def _tensors_of(state: State) -> dict[str, Tensor]:
    tensors = {f"nets.{name}": value for name, value in state.nets.state_dict().items()}
    tensors |= {f"average.{name}": value for name, value in state.average.state_dict().items()}
    if state.best is not None:
        tensors |= {f"best.{name}": value for name, value in state.best.state_dict().items()}
    for loss, adam in state.optimizers.items():
        for i in range(len(adam.weights)):
            tensors |= {f"optimizer.{loss}.{i}.{key}": value for key, value in adam.memory(i).items()}
    return _cpu(tensors)


def _trained(state: State) -> dict[str, list[str]]:
    """The names of the parameters each optimizer holds, in its order."""
    name_of = {id(parameter): name for name, parameter in state.nets.named_parameters()}
    return {loss: [name_of[id(parameter)] for parameter in adam.weights] for loss, adam in state.optimizers.items()}


def _fill(nets: Nets, tensors: Mapping[str, Tensor], what: str) -> None:
    """Copy tensors into networks of the same names, shapes and types."""
    expected = {name: (tuple(t.shape), t.dtype) for name, t in nets.state_dict().items()}
    found = {name: (tuple(t.shape), t.dtype) for name, t in tensors.items()}
    if expected != found:
        differ = sorted(name for name in expected | found if expected.get(name) != found.get(name))
        raise BadCheckpoint(f"the {what} do not fit the architecture; the first of {len(differ)} is {differ[0]!r}")
    nets.load_state_dict(dict(tensors))


def _parse(payload: bytes) -> dict[str, Tensor]:
    try:
        return from_safetensors(payload)
    except SafetensorError as error:
        raise BadCheckpoint(f"the tensors cannot be read: {error}") from error


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies that share no memory, which safetensors would refuse."""
    return {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}


def _states(folder: Path) -> list[Path]:
    """Newest first."""
    return sorted(folder.glob("step-*"), reverse=True)


def _digest(header: Mapping[str, Any], payload: bytes) -> str:
    digest = sha256(payload)
    digest.update(json.dumps(header, sort_keys=True).encode())
    return digest.hexdigest()


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())
