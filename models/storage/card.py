"""The card of a finished model, as the library writes it. Importing this does not import torch."""

from __future__ import annotations

from pushforward.models.config.config import Config
from pushforward.models.config.json_float import JsonFloat
from pushforward.models.spec.data_spec import DataSpec, Shape
from pushforward.models.storage.recorded import RecordedRun


class Curve(Config):
    """A loss on held-out rows as training went on: the same rows and the same noise at every point. Less is better."""

    name: str
    """Name of the loss, the unit in the name."""
    rows: int
    """Held-out rows that each point is the mean of."""
    steps: tuple[int, ...] = ()
    """Steps at which the loss was measured."""
    values: tuple[JsonFloat, ...] = ()
    """The loss at each of them."""
    best_step: int | None = None
    """Step whose weights are served; null where the loss does not choose."""


class ModelCard(Config):
    """`model.json`, beside the weights it describes."""

    family: str
    capabilities: tuple[str, ...]  # `models.capabilities`
    spec: DataSpec
    latent_shape: Shape | None  # of one code, where the family decodes
    run: RecordedRun
    notes: tuple[str, ...] = ()  # of the family, the data and `models.evaluation.judgement`
    metrics: dict[str, JsonFloat]  # `models.evaluation.held_out`
    curve: Curve | None = None  # None where the family has no loss that can be held out
    held_out_log_prob: tuple[JsonFloat, ...] | None = None  # of scored rows, ascending; None without a likelihood
    steps: int | None = None  # of all trainings that led to it; None of older ones
    start_from: str | None = None  # what its training started from; None: fresh weights
    started_at_step: int | None = None  # how many of `steps` are of the trainings before
    n_parameters: int
    data_fingerprint: str
    weights_sha256: str
    weights_bytes: int
