"""The bodies of answers, as OpenAPI documents them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from pushforward.models.config.described import Described
from pushforward.models.config.json_float import Word
from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.inference import Op, Timing
from pushforward.service.domain.jobs import Job

Rows = list[Any]  # nested lists of numbers, rows first
Number = float | Word  # JSON has no numbers for what is not finite


class Body(Described):
    """What an answer holds."""


class SamplesBody(Body):
    """New data."""

    model: str
    """Reference of the model that answered, with its version."""
    seed: int
    """Seed of the rows."""
    samples: Rows
    """New rows, [n, *shape]."""
    timing: Timing
    """Where the time went."""


class LikelihoodsBody(Body):
    """How probable data are; a number that is not finite is a text: "-Infinity", "Infinity" or "NaN"."""

    model: str
    """Reference of the model that answered, with its version."""
    log_prob: list[Number]
    """log p(x) of each row, in nats."""
    kind: Literal["exact", "lower_bound", "estimate"]
    """Whether log_prob is exact, a lower bound, or an unbiased estimate."""
    unit: Literal["nats"]
    """Unit of log_prob."""
    std_error: list[Number] | None
    """Monte Carlo standard error of each log_prob, in nats; null where it is exact."""
    bits_per_dim: list[Number] | None
    """-log_prob in bits for each element, for data with levels."""
    terms: dict[str, list[Number]]
    """What else is known of each row, the unit in the name."""
    timing: Timing
    """Where the time went."""


class CodesBody(Body):
    """Latent codes."""

    model: str
    """Reference of the model that answered, with its version."""
    z: Rows
    """Latent codes, [n, *latent_shape]."""
    timing: Timing
    """Where the time went."""


class PointsBody(Body):
    """Data decoded, reconstructed or interpolated."""

    model: str
    """Reference of the model that answered, with its version."""
    x: Rows
    """Rows, [n, *shape]."""
    timing: Timing
    """Where the time went."""


class JobsBody(Body):
    """Newest first."""

    jobs: list[Job]
    """Jobs, newest first."""
    next: str | None
    """Give it as `after` for the jobs that follow; null at the end."""


class ModelsBody(Body):
    """Cards."""

    models: list[Card]
    """Cards of the models."""


class DeletedBody(Body):
    """What is gone."""

    deleted: list[str]
    """References of what was deleted, with versions."""


class FamilyBody(Body):
    """What can be trained: JSON Schemas of its fields and of its options by capability."""

    family: str
    """Name of the family."""
    summary: str
    """What it is, in a sentence."""
    capabilities: list[Op]
    """What its models can be asked."""
    schema_: dict[str, Any]
    """JSON Schema of its fields."""
    options: dict[str, dict[str, Any]]
    """JSON Schemas of the options, by capability."""
    takes_condition: bool
    """Whether it takes a condition."""

    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"))


class FamiliesBody(Body):
    """The families."""

    families: list[FamilyBody]
    """The families."""


class PresetBody(Body):
    """A run with a name."""

    name: str
    """Name of the preset."""
    summary: str
    """What it is, in a sentence."""
    run: dict[str, Any]
    """Its run."""


class PresetsBody(Body):
    """The presets."""

    presets: list[PresetBody]
    """The presets."""


class AliveBody(Body):
    """The process answers."""

    status: Literal["alive"]
    """The process answers."""


class ReadyBody(Body):
    """A model could be served."""

    status: Literal["ready"]
    """Requests get through."""
    workers: list[Worker]
    """The live workers."""


class FieldFault(Body):
    """A field at fault, as a dotted path, and what to do about it."""

    field: str
    """The field at fault, a dotted path."""
    message: str
    """What is wrong with it, and what to do."""


class Problem(Body):
    """A refusal (RFC 9457). `type` is stable; `detail` says what to do."""

    type: str
    """Stable identifier of the kind of refusal."""
    title: str
    """The kind of refusal, in words."""
    status: int
    """HTTP status."""
    detail: str
    """What is wrong, and what to do."""
    instance: str
    """Path of the request."""
    errors: list[FieldFault] = []
    """The fields at fault."""
