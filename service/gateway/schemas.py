"""The bodies of answers, as OpenAPI documents them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from service.domain import Card, Job, Op, Timing, Worker

Rows = list[Any]  # nested lists of numbers, rows first
NotFinite = Literal["-Infinity", "Infinity", "NaN"]  # JSON has no numbers for them
Number = float | NotFinite


class SamplesBody(BaseModel):
    """New data."""

    model: str
    seed: int
    samples: Rows  # [n, *shape]
    timing: Timing


class LikelihoodsBody(BaseModel):
    """How probable data are; a number that is not finite is a text: "-Infinity", "Infinity" or "NaN"."""

    model: str
    log_prob: list[Number]
    kind: Literal["exact", "lower_bound", "estimate"]
    unit: Literal["nats"]
    std_error: list[Number] | None
    bits_per_dim: list[Number] | None  # for data with levels
    terms: dict[str, list[Number]]  # what else is known of each row, the unit in the name
    timing: Timing


class CodesBody(BaseModel):
    """Latent codes."""

    model: str
    z: Rows  # [n, *latent_shape]
    timing: Timing


class PointsBody(BaseModel):
    """Data decoded, reconstructed or interpolated."""

    model: str
    x: Rows  # [n, *shape]
    timing: Timing


class JobsBody(BaseModel):
    """Newest first."""

    jobs: list[Job]


class ModelsBody(BaseModel):
    """Cards."""

    models: list[Card]


class DeletedBody(BaseModel):
    """What is gone."""

    deleted: list[str]  # references with versions


class FamilyBody(BaseModel):
    """What can be trained: JSON Schemas of its fields and of its options by capability."""

    family: str
    summary: str
    capabilities: list[Op]
    schema_: dict[str, Any]
    options: dict[str, dict[str, Any]]
    takes_condition: bool

    model_config = {"alias_generator": lambda name: name.rstrip("_")}


class FamiliesBody(BaseModel):
    """The families."""

    families: list[FamilyBody]


class PresetBody(BaseModel):
    """A run with a name."""

    name: str
    summary: str
    run: dict[str, Any]


class PresetsBody(BaseModel):
    """The presets."""

    presets: list[PresetBody]


class AliveBody(BaseModel):
    """The process answers."""

    status: Literal["alive"]


class ReadyBody(BaseModel):
    """A model could be served."""

    status: Literal["ready"]
    workers: list[Worker]


class FieldFault(BaseModel):
    """A field at fault, as a dotted path, and what to do about it."""

    field: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). `type` is stable; `detail` says what to do."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[FieldFault] = []
