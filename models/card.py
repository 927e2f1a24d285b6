"""What a finished model says of itself: the laboratory's half of a model card. Importing this does not import torch."""

from __future__ import annotations

from typing import Any

from models.family import Config
from models.spec import DataSpec, Shape


class ModelCard(Config):
    """`model.json`, beside the weights it describes."""

    family: str
    capabilities: tuple[str, ...]  # what the model can be asked: `models.family.capabilities`
    spec: DataSpec
    latent_shape: Shape | None  # of one code, where the family decodes
    run: dict[str, Any]  # `models.run.Run` as JSON
    notes: tuple[str, ...] = ()  # `Family.notes`
    metrics: dict[str, float]  # `models.evaluation.evaluate`
    n_parameters: int
    data_fingerprint: str
    weights_sha256: str
    weights_bytes: int
