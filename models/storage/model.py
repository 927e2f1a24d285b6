"""Stored models: what a finished training writes, and what is served.

    {folder}/weights.safetensors    the tensors
            /model.json             `models.storage.card.ModelCard`, sealed (`models.storage.sealed`)

Tensors and JSON only, so reading a file never runs code; nothing is used before its digest, names, shapes and types
agree.

Example:
    >>> from pathlib import Path
    >>> import torch
    >>> from pushforward.models import Run
    >>> from pushforward.models.spec.data_spec import DataSpec
    >>> from pushforward.models.storage.model import load_model, write_model
    >>> run = Run.model_validate({"family": {"family": "flow"}, "data": {"source": "two_moons"}})
    >>> folder, spec = Path("moons"), DataSpec(shape=(2,))
    >>> folder.mkdir()
    >>> card = write_model(folder, run, run.family.build(spec), spec, data_fingerprint="", metrics={})
    >>> model = load_model(folder, torch.device("cpu"))
    >>> model.family == run.family, model.card == card
    (True, True)
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors.torch import save as to_safetensors

from pushforward.models.capabilities import capabilities
from pushforward.models.errors import BadCheckpoint, InvalidData
from pushforward.models.family import Decodes, Family
from pushforward.models.form import form_of
from pushforward.models.networks import Nets
from pushforward.models.run import Run
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.card import ModelCard
from pushforward.models.storage.durable import sync
from pushforward.models.storage.sealed import seal, unseal
from pushforward.models.storage.tensors import fill, on_cpu, parse, unreadable, write


@dataclass(frozen=True)
class Model:
    """A trained model in memory."""

    family: Family
    nets: Nets  # evaluation mode, no gradients
    card: ModelCard


def write_model(folder: Path, run: Run, nets: Nets, spec: DataSpec, **facts: Any) -> ModelCard:
    """Write weights and their card into an existing, empty folder. Raises OSError.

    Arguments:
        spec: of the data as requests have them, constants among them.
        facts: other fields of the card: notes, metrics, curve, held_out_log_prob, data_fingerprint.
    """
    family = form_of(run.family, spec)
    weights = to_safetensors(on_cpu(nets.state_dict()))
    card = ModelCard(
        family=family.family,
        capabilities=capabilities(family),
        spec=spec,
        latent_shape=family.latent_shape(spec.varying) if isinstance(family, Decodes) else None,
        run=run.model_dump(mode="json"),
        n_parameters=sum(p.numel() for p in nets.parameters()),
        weights_sha256=sha256(weights).hexdigest(),
        weights_bytes=len(weights),
        **facts,
    )
    write(folder / "weights.safetensors", weights)
    write(folder / "model.json", seal(card.model_dump(mode="json")))
    sync(folder)
    return card


def load_model(folder: Path, device: torch.device) -> Model:
    """Read what `write_model` wrote.

    Raises:
        BadCheckpoint: a file is missing, torn, altered, or does not fit the architecture that its card describes.
        Hindered: the disk is at fault.
    """
    try:
        card = read_model_card(folder)
        family = form_of(Run.model_validate(card.run).family, card.spec)
        size = (folder / "weights.safetensors").stat().st_size
        if size != card.weights_bytes:
            raise BadCheckpoint(f"the weights are {size} bytes long, their card says {card.weights_bytes}")
        payload = (folder / "weights.safetensors").read_bytes()
    except (OSError, ValidationError) as error:
        raise unreadable("the model", error) from error
    if sha256(payload).hexdigest() != card.weights_sha256:
        raise BadCheckpoint("the weights are altered: their sha256 is not the one on the card")
    try:
        nets = family.build(card.spec.varying)
    except InvalidData as error:
        raise BadCheckpoint(f"the card's family cannot model the card's data: {error.message}") from error
    fill(nets, parse(payload), "weights")
    return Model(family, nets.to(device).requires_grad_(False).eval(), card)


def read_model_card(folder: Path) -> ModelCard:
    """`model.json`, if it is what was written. Raises BadCheckpoint, Hindered."""
    try:
        content = (folder / "model.json").read_bytes()
        return ModelCard.model_validate_json(json.dumps(unseal(content, ModelCard.model_fields.keys())))
    except (OSError, ValueError) as error:
        raise unreadable("model.json", error) from error
