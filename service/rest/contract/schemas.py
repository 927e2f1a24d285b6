"""The bodies of responses, as OpenAPI documents them."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict

from pushforward.models.config.described import Described
from pushforward.models.config.json_float import Word
from pushforward.models.data.uploads.datasets import Dataset
from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.inference import Op, Timing
from pushforward.service.domain.jobs import Job

Rows = list[Any]  # nested lists of numbers, rows first
Number = float | Word  # JSON has no numbers that are not finite


class Body(Described):
    """The body of a response."""


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
    """log p(x) of rows; a number that is not finite is a string: "-Infinity", "Infinity" or "NaN"."""

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
    """-log_prob in bits for each element, for data with levels and tables whose columns all have probabilities."""
    terms: dict[str, list[Number]]
    """Other quantities of each row, the unit in the name."""
    grid: int | None = None
    """Of a grid: its cells along each axis; log_prob has them row by row, the top first. Absent without one."""
    within: tuple[tuple[float, float], tuple[float, float]] | None = None
    """Of a grid: what it covers, [[x_low, x_high], [y_low, y_high]]. Absent without one."""
    timing: Timing
    """Where the time went."""


class ScoresBody(Body):
    """Where log p(x) of rows stands among that of held-out rows; numbers that are not finite are strings."""

    model: str
    """Reference of the model that answered, with its version."""
    log_prob: list[Number]
    """log p(x) of each row, in nats."""
    kind: Literal["exact", "lower_bound", "estimate"]
    """Whether log_prob is exact, a lower bound, or an unbiased estimate."""
    unit: Literal["nats"]
    """Unit of log_prob and threshold."""
    percentile: list[float]
    """Share of held-out rows whose log_prob is at most that of the row, 0 to 1."""
    p_value: list[float]
    """Conformal p-value of each row: small where its log_prob is lower than that of nearly all held-out rows."""
    typicality_p_value: list[float]
    """The same of the distance to the mean of held-out rows: small where log_prob is unusually low or high."""
    flagged: list[bool]
    """Whether p_value is at most false_alarm_rate, which is where log_prob is below threshold."""
    threshold: Number | None
    """log_prob below which rows are flagged; null where held-out rows are too few for false_alarm_rate."""
    false_alarm_rate: float
    """Share of ordinary rows that may be flagged."""
    held_out_rows: int
    """Held-out rows that the rows are compared with."""
    note: str
    """What these numbers do not say."""
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
    """Data decoded, reconstructed, interpolated or completed."""

    model: str
    """Reference of the model that answered, with its version."""
    x: Rows
    """Rows, [n, *shape]."""
    timing: Timing
    """Where the time went."""


class TranslationBody(Body):
    """Data translated to other domains."""

    model: str
    """Reference of the model that answered, with its version."""
    x: Rows
    """Rows, [n, *shape]."""
    to: Rows
    """The domain of each row: a label, or a vector."""
    timing: Timing
    """Where the time went."""


class JobsBody(Body):
    """A page of the list of jobs, newest first."""

    jobs: list[Job]
    """Jobs, newest first."""
    next: str | None
    """The `after` of the next page; null at the end."""


class ModelsBody(Body):
    """The cards of models."""

    models: list[Card]
    """Cards of the models."""


class DeletedBody(Body):
    """The deleted models."""

    deleted: list[str]
    """References of the deleted models, with versions."""


class DatasetsBody(Body):
    """The datasets."""

    datasets: list[Dataset]
    """The datasets, by name."""


class DeletedDatasetsBody(Body):
    """The deleted datasets."""

    deleted: list[str]
    """Names of the deleted datasets."""


class FamilyBody(Body):
    """A family of models: JSON Schemas of its fields, and of its options by capability."""

    family: str
    """Name of the family."""
    summary: str
    """A description in one sentence."""
    capabilities: list[Op]
    """Capabilities of its models: the requests that they answer."""
    schema_: dict[str, Any]
    """JSON Schema of its fields."""
    options: dict[str, dict[str, Any]]
    """JSON Schemas of the options, by capability."""
    takes_condition: bool
    """Whether it can be trained on data with a condition."""

    model_config = ConfigDict(alias_generator=lambda name: name.rstrip("_"))


class FamiliesBody(Body):
    """The families."""

    families: list[FamilyBody]
    """The families."""


class PresetBody(Body):
    """A named run."""

    name: str
    """Name of the preset."""
    summary: str
    """A description in one sentence."""
    run: dict[str, Any]
    """The run."""


class PresetsBody(Body):
    """The presets."""

    presets: list[PresetBody]
    """The presets."""


class AliveBody(Body):
    """The process answers."""

    status: Literal["alive"]
    """The process answers."""


class ReadyBody(Body):
    """Requests reach a worker."""

    status: Literal["ready"]
    """Requests reach a worker."""
    workers: list[Worker]
    """The live workers."""


class FieldFault(Body):
    """A faulty field and what to do about it."""

    field: str
    """The faulty field, a dotted path."""
    message: str
    """What is wrong with it, and what to do."""


class Problem(Body):
    """A refusal (RFC 9457). `type` is stable; `detail` says what to do."""

    type: str
    """Stable identifier of the kind of refusal."""
    title: str
    """Title of the kind of refusal."""
    status: int
    """HTTP status."""
    detail: str
    """What is wrong, and what to do."""
    instance: str
    """Path of the request."""
    errors: list[FieldFault] = []
    """The faulty fields."""
