"""The body of a train request, as OpenAPI documents it: a run, a preset or a start, and changes to their run.

The command `TrainModel` takes all. They are three schemas here, so that generated types check every field of a run.
"""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from pushforward.models.config.described import Described
from pushforward.models.run import Run
from pushforward.service.application.commands.fields import Priority
from pushforward.service.application.commands.runs import StartFrom
from pushforward.service.application.commands.sweep import Sweep
from pushforward.service.domain.catalog import Name

Changes = dict[str, Any]  # some fields of a part of a run


class Request(Described):
    """The body of a request."""

    model_config = ConfigDict(extra="forbid")


class Train(Request):
    """Train `model` by a run: its next version is what the run leaves."""

    model: Name
    """Name of the model; the job publishes its next version."""
    run: Run
    """The run."""
    priority: Priority = 0
    """Which waiting jobs are claimed first: -100 to 100, the highest first; it may preempt a lower one that runs."""
    sweep: Sweep | None = None
    """Train once for each of several values of fields of the run; left out: once."""


class RunChanges(Request):
    """Fields of a run to change, by the parts of a run; what is left out stays as the preset or the start has it."""

    # Factories, because the default of a factory is not part of the schema.
    family: Changes = Field(default_factory=dict)
    """Fields of the family; with another `family`, the whole of it."""
    data: Changes = Field(default_factory=dict)
    """Fields of the data; with another `source`, the whole of them."""
    optimizer: Changes = Field(default_factory=dict)
    """Fields of the optimizer."""
    budget: Changes = Field(default_factory=dict)
    """Steps, epochs or seconds; patience."""
    seed: int = Field(default_factory=int, ge=0, lt=2**63)
    """Seed of weights, batches and noise."""
    devices: int = Field(default_factory=int, ge=1, le=64)
    """Devices that the parts of a batch are computed on, side by side."""
    start_from: StartFrom = Field(default_factory=str)
    """What the run starts from, as the field beside it."""


class TrainPreset(Request):
    """Train `model` by a preset, or by a preset's run with some fields changed."""

    model: Name
    """Name of the model; the job publishes its next version."""
    preset: str
    """A run by name, see the list of presets."""
    start_from: StartFrom | None = None
    """Version of a model whose weights it starts with, or `job:` and the id of one that did not succeed."""
    run: RunChanges | None = None
    """Fields of the preset's run to change."""
    priority: Priority = 0
    """Which waiting jobs are claimed first: -100 to 100, the highest first; it may preempt a lower one that runs."""
    sweep: Sweep | None = None
    """Train once for each of several values of fields of the run; left out: once."""


class TrainFrom(Request):
    """Train `model` by continuing or fine-tuning what a training left."""

    model: Name
    """Name of the model; the job publishes its next version."""
    start_from: StartFrom
    """Version of a model whose training goes on or is fine-tuned, or `job:` and the id of one that did not succeed."""
    run: RunChanges | None = None
    """Fields of its run to change; with a whole family and whole data, the run, started with these weights."""
    priority: Priority = 0
    """Which waiting jobs are claimed first: -100 to 100, the highest first; it may preempt a lower one that runs."""
    sweep: Sweep | None = None
    """Train once for each of several values of fields of the run; left out: once."""
