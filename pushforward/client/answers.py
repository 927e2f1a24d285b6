"""Answers as frozen data. Each has the fields of the API's answer; nested objects stay as JSON has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

JSON = Mapping[str, Any]
State = Literal["queued", "running", "paused", "succeeded", "failed", "cancelled"]
FINAL: tuple[State, ...] = ("succeeded", "failed", "cancelled")
Item = TypeVar("Item")
Record = TypeVar("Record")


def read(kind: type[Record], answer: JSON) -> Record:
    """An answer of this kind. Fields that a newer service adds are left out; `raw` has them, where there is one."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]  # all kinds are dataclasses
    return kind(**{name: value for name, value in answer.items() if name in known})


@final
@dataclass(frozen=True)
class Job:
    """A training, evaluation, sampling or search."""

    id: str
    kind: str
    state: State
    model: str
    version: int | None
    preset: str | None
    priority: int
    run: JSON | None
    ask: JSON | None
    evaluation: JSON | None
    sweep: JSON | None
    part_of: str | None
    file_bytes: int | None
    file_sha256: str | None
    progress: JSON
    losses: JSON
    curve: JSON | None
    metrics: JSON
    error: JSON | None
    queue_position: int | None
    ahead: list[str]
    starts_at: float | None
    seconds_left: float | None
    waiting_for: str | None
    retry_at: float | None
    epoch: int
    cancel_requested: bool
    pause_requested: bool
    created_at: float
    started_at: float | None
    finished_at: float | None

    @property
    def is_final(self) -> bool:
        """Whether it is over."""
        return self.state in FINAL

    @property
    def reference(self) -> str:
        """`name@version` of the model that a training made. Raises ValueError before it did."""
        if self.version is None:
            raise ValueError(f"job {self.id} is {self.state} and has made no version")
        return f"{self.model}@{self.version}"


@final
@dataclass(frozen=True)
class Event:
    """What happened in a job: `kind` is state, progress, log, picture or queue."""

    id: str
    kind: str
    data: JSON


@final
@dataclass(frozen=True)
class Page(Generic[Item]):
    """Some items of a list; `next` leads to those after."""

    items: list[Item]
    next: str | None


@final
@dataclass(frozen=True)
class LossCurve:
    """A loss by step."""

    name: str
    steps: list[int]
    values: list[float | str]
    held_out: bool
    best_step: int | None


@final
@dataclass(frozen=True)
class ModelCard:
    """What is known of a version of a model."""

    model: str
    version: int
    family: str
    capabilities: list[str]
    spec: JSON
    latent_shape: list[int] | None
    run: JSON
    metrics: JSON
    curve: JSON | None
    notes: list[str]
    steps: int | None
    start_from: str | None
    started_at_step: int | None
    n_parameters: int
    data_fingerprint: str
    weights_sha256: str
    weights_bytes: int
    job: str
    created_at: float
    evaluation: JSON | None = None
    measure: JSON | None = None

    @property
    def reference(self) -> str:
        """`name@version`."""
        return f"{self.model}@{self.version}"


@final
@dataclass(frozen=True)
class Histogram:
    """How the scores of held-out rows are distributed."""

    model: str
    kind: str | None
    unit: str
    n: int
    edges: list[float]
    counts: list[int]
    below: int
    above: int


@final
@dataclass(frozen=True)
class Dataset:
    """An upload."""

    name: str
    media_type: str
    bytes: int
    sha256: str
    created_at: float


@final
@dataclass(frozen=True)
class DatasetOutline:
    """What a dataset would be as data of a run."""

    rows: int | None
    spec: JSON
    reasons: JSON
    data: JSON


@final
@dataclass(frozen=True)
class Plan:
    """What a training would be."""

    model: str
    preset: str | None
    run: JSON
    form: str
    capabilities: list[str]
    data: JSON
    notes: list[str]
    forecast: JSON | None
    no_forecast: str | None
    trials: int | None


@final
@dataclass(frozen=True)
class Family:
    """A family of models that can be trained."""

    family: str
    summary: str
    capabilities: list[str]
    schema: JSON
    options: JSON
    takes_condition: bool


@final
@dataclass(frozen=True)
class Preset:
    """A run by name."""

    name: str
    summary: str
    run: JSON


@final
@dataclass(frozen=True)
class Samples:
    """New rows: `x`, (n, *shape), or of a table `records`. The same seed draws them again."""

    model: str
    seed: int
    x: NDArray[np.float32] | None
    records: list[JSON] | None


@final
@dataclass(frozen=True)
class Preview:
    """Rows on their way from noise to data, after `step` of `steps`."""

    step: int
    steps: int
    x: NDArray[np.float32] | None
    records: list[JSON] | None


@final
@dataclass(frozen=True)
class LogProb:
    """log p(x) of each row in nats, (n,): `kind` is exact, lower_bound or estimate; `std_error` where it is random."""

    model: str
    log_prob: NDArray[np.float64]
    kind: str
    unit: str
    std_error: NDArray[np.float64] | None
    bits_per_dim: NDArray[np.float64] | None
    terms: Mapping[str, NDArray[np.float64]]


@final
@dataclass(frozen=True)
class Scores:
    """Where log p(x) of rows stands among that of held-out rows; `flagged` at the false alarm rate. All (n,)."""

    model: str
    log_prob: NDArray[np.float64]
    kind: str
    unit: str
    percentile: NDArray[np.float64]
    p_value: NDArray[np.float64]
    typicality_p_value: NDArray[np.float64]
    flagged: NDArray[np.bool_]
    threshold: float | None
    false_alarm_rate: float
    held_out_rows: int
    note: str


@final
@dataclass(frozen=True)
class Health:
    """Whether the service takes requests, and its workers."""

    status: str
    workers: list[JSON]
