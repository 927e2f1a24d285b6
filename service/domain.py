"""What the service keeps: jobs, their events, models and their cards. Plain data; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, StringConstraints

from models.spec import DataSpec

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
REFERENCE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"
EVENT_ID_PATTERN = r"[0-9]{1,19}(-[0-9]{1,19})?"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Reference = Annotated[
    str, StringConstraints(pattern=REFERENCE_PATTERN)
]  # `digits-vae` is the newest, or `digits-vae@3`

PROTOCOL = 2  # version of the frames between gateways and workers

Told = int | tuple[float, ...]  # a condition: a label, or a vector
Op = Literal["sample", "likelihood", "encode", "decode", "reconstruct", "interpolate"]


class State(StrEnum):
    """queued -> running -> succeeded | failed | cancelled; a lost or drained runner leads back to queued."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Record(BaseModel):
    """Frozen plain data."""

    model_config = ConfigDict(frozen=True)


class Progress(Record):
    """How far a job has come; `total_steps` is 0 until the first step is reported."""

    step: int = 0
    total_steps: int = 0


class Fault(Record):
    """Why a job failed."""

    type: str  # slug: `diverged`, `invalid-data`, `lost`, `crashed`: see docs/errors.md
    detail: str


class Sampling(Record):
    """A sample that a job draws into a file: resolved to a version, its seed fixed."""

    model: str  # reference with version
    n: int
    seed: int
    options: dict[str, Any] = {}
    condition: Told | None = None  # of all rows


class Job(Record):
    """A run being executed, or a sample being drawn into a file. Times are seconds since 1970 by Redis's clock."""

    id: str
    kind: Literal["train", "sample"] = "train"
    state: State
    model: str
    version: int | None = None  # of the model: the one a training published, or the one that is sampled
    preset: str | None = None
    run: dict[str, Any] = {}  # of a training: `models.run.Run` as JSON
    ask: Sampling | None = None  # of a sampling: what is drawn
    file_bytes: int | None = None  # of a sampling's file, once finished
    file_sha256: str | None = None
    progress: Progress = Progress()  # steps of a training; rows of a sampling that are on the disk
    losses: dict[str, float] = {}  # the latest, by name, the unit in the name
    metrics: dict[str, float] = {}  # of the finished model on its validation data
    error: Fault | None = None
    epoch: int = 0  # how often the job was claimed; a write that carries an old one is refused
    cancel_requested: bool = False
    created_at: float
    started_at: float | None = None
    finished_at: float | None = None


class Event(Record):
    """Something that happened to a job. `id` orders events and resumes a watch."""

    id: str
    kind: Literal["state", "progress", "log"]
    data: dict[str, Any]  # state: the Job; progress: step, total_steps, losses, steps_per_s; log: level, message


class Card(Record):
    """What is known of one version of a model without opening its weights; `card.json` in the store."""

    model: str
    version: int
    family: str
    capabilities: tuple[Op, ...]
    spec: DataSpec
    latent_shape: tuple[int, ...] | None
    run: dict[str, Any]
    metrics: dict[str, float]
    notes: tuple[str, ...] = ()  # what one should know before using it
    n_parameters: int
    data_fingerprint: str  # sha256 of the training rows or, where they are sampled afresh, of their recipe
    weights_sha256: str
    weights_bytes: int
    job: str
    created_at: float

    @property
    def reference(self) -> str:
        return f"{self.model}@{self.version}"


class Worker(Record):
    """A live worker, as its heartbeat tells."""

    id: str
    device: str
    models: tuple[str, ...]  # references held in memory
    training: tuple[str, ...]  # jobs being run, trainings and samplings
    seen_at: float
    silent_s: float = 0.0  # since its last beat, by Redis's clock
    leaving: bool = False  # it finishes what it has and takes no more
    stalled_s: float = 0.0  # since the thread that answers came round last; it grows during a long call
    untaken_s: float = 0.0  # how long jobs have waited while it had a free slot and took none
    protocol: int = 2  # version of the frames it reads; a release that does not say reads 2


@dataclass(frozen=True, slots=True)
class Timing:
    """Where an answer's time went, in milliseconds. `batch_rows` is the rows that shared its largest forward pass."""

    linger_ms: float  # at the gateway, behind a frame of its key that was under way
    queue_ms: float  # on the way to a worker, at it, and on the way back
    compute_ms: float  # in forward passes, shared ones counted whole
    total_ms: float  # all of it
    batch_rows: int


@dataclass(frozen=True)
class Question:
    """An ask as it goes to a worker: validated, resolved to a version, its seed fixed.

    A row of the answer is a pure function of this row's inputs, so a question may be asked twice without harm.
    The options of `interpolate` are `steps`, `path` and, where no arrays come along, `start_seed` and `end_seed`.
    """

    model: str  # reference with version
    op: Op
    rows: int  # of the answer
    seed: int  # of its noise
    options: Mapping[str, Any] = field(default_factory=dict)  # JSON; equal options may share a forward pass
    # rows first: x | z | start and end, one row each; and condition (rows, V), labels as numbers. Codes are float32,
    # data and conditions what their model holds them in.
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    first: int = 0  # row i of the question draws noise row first + i: how a long answer is asked in parts
    preview_every: int = 0  # sampler steps between two previews; 0 for none
    trace: str = ""  # the W3C traceparent of the ask, where it is traced

    def part(self, first: int, rows: int) -> Self:
        """Rows first, ..., first + rows - 1 of a long answer; all arrays have a row for each of its rows."""
        arrays = {name: array[first : first + rows] for name, array in self.arrays.items()}
        return replace(self, rows=rows, first=first, arrays=arrays)


@dataclass(frozen=True)
class Preview:
    """The rows of a sample on their way from noise to data."""

    step: int  # taken by all rows
    steps: int
    arrays: Mapping[str, np.ndarray]  # as in the reply


@dataclass(frozen=True)
class Load:
    """What a worker expects to be busy with, as it replies to questions of one key."""

    worker: str
    backlog_ms: float  # all that it holds
    key_backlog_ms: float  # of that, the questions of this key
    keys: int  # that share the device
    row_ms: float  # of a row of this key in full calls, from its first step to its last; 0 where not known yet
    pass_ms: float  # from its first step to its last, among the rows there are; 0 where not known yet


@dataclass(frozen=True)
class Reply:
    """What a worker answers."""

    # likelihood: log_prob (n,) float64, maybe std_error and terms.NAME; else samples, x or z
    arrays: Mapping[str, np.ndarray]
    info: Mapping[str, Any]  # likelihood: kind
    timing: Timing
