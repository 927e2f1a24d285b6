"""What the service keeps: jobs, their events, models and their cards. Plain data; no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

import numpy as np
from pydantic import ConfigDict, StringConstraints

from pushforward.models.config.described import Described
from pushforward.models.config.json_float import JsonFloat
from pushforward.models.spec.data_spec import DataSpec
from pushforward.models.storage.card import Curve
from pushforward.models.storage.recorded import RecordedRun

NAME_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}$"
REFERENCE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,62}(@[1-9][0-9]{0,8})?$"
NAME_FORM = "must be lowercase letters, digits, - and _, at most 63, the first a letter or a digit"
REFERENCE_FORM = f"{NAME_FORM}; `@3` after it for version 3"
EVENT_ID_PATTERN = r"[0-9]{1,19}(-[0-9]{1,19})?"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
Reference = Annotated[
    str, StringConstraints(pattern=REFERENCE_PATTERN)
]  # `digits-vae` is the newest, or `digits-vae@3`

PROTOCOL = 2  # version of the frames between gateways and workers

Told = int | tuple[float, ...]  # a condition: a label, or a vector
Op = Literal["sample", "likelihood", "encode", "decode", "reconstruct", "interpolate"]


Kind = Literal["train", "sample"]  # of jobs; each has slots of its own
KINDS: tuple[Kind, ...] = ("train", "sample")


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


class Record(Described):
    """Frozen plain data."""

    model_config = ConfigDict(frozen=True)


class Progress(Record):
    """How far a job has come; `total_steps` is 0 until the first step is reported."""

    step: int = 0
    """Steps done; rows drawn, of a sampling."""
    total_steps: int = 0
    """Steps in all; 0 until the first is reported."""


class Fault(Record):
    """Why a job failed."""

    type: str
    """What kind of failure, such as diverged, invalid-data, lost or crashed; docs/errors.md lists them all."""
    detail: str
    """What happened, and what to do."""


class Sampling(Record):
    """A sample that a job draws into a file: resolved to a version, its seed fixed."""

    model: str
    """Reference of the model, with its version."""
    n: int
    """Rows to draw."""
    seed: int
    """Seed of the rows."""
    options: dict[str, Any] = {}
    """Options of the sampler, with their defaults."""
    condition: Told | None = None
    """Condition of all rows."""


class Job(Record):
    """A run being executed, or a sample being drawn into a file. Times are seconds since 1970 by Redis's clock."""

    id: str
    """Identifier of the job."""
    kind: Kind = "train"
    """A training, or a sample drawn into a file."""
    state: State
    """queued, running, succeeded, failed or cancelled."""
    model: str
    """Name of the model."""
    version: int | None = None
    """Version that a training published, or that is sampled."""
    preset: str | None = None
    """Preset that the run came from."""
    run: RecordedRun = {}
    """Of a training: the run."""
    ask: Sampling | None = None
    """Of a sampling: what is drawn."""
    file_bytes: int | None = None
    """Of a sampling: size of its file, once finished."""
    file_sha256: str | None = None
    """Of a sampling: digest of its file, once finished."""
    progress: Progress = Progress()
    """Steps of a training, or rows of a sampling that are on the disk."""
    losses: dict[str, JsonFloat] = {}
    """The latest losses by name, the unit in the name."""
    curve: Curve | None = None
    """Of a training: a loss on held-out rows, as far as it has come."""
    metrics: dict[str, JsonFloat] = {}
    """What the finished model reaches on held-out rows, the unit in the name."""
    error: Fault | None = None
    """Why the job failed."""
    queue_position: int | None = None
    """Place among the waiting jobs of its kind, from 1."""
    ahead: tuple[str, ...] = ()
    """Jobs before it, the first ten: those that run, then those that wait."""
    waiting_for: str | None = None
    """What the machine lacked when the job was last tried, such as disk space: no fault of the job."""
    retry_at: float | None = None
    """When it is tried again, seconds since 1970."""
    epoch: int = 0
    """How often the job was claimed by a worker."""
    cancel_requested: bool = False
    """Whether its end was asked for."""
    created_at: float
    """When it was created, seconds since 1970."""
    started_at: float | None = None
    """When it first ran, seconds since 1970."""
    finished_at: float | None = None
    """When it ended, seconds since 1970."""


class Page(NamedTuple):
    """Jobs, newest first, and where the list goes on; None at its end."""

    jobs: list[Job]
    next: str | None


class Event(Record):
    """Something that happened to a job. `id` orders events and resumes a watch."""

    id: str
    """Orders events; resumes a watch."""
    kind: Literal["state", "progress", "log", "queue"]
    """state, progress, log or queue."""
    data: dict[str, Any]
    """state: the job; progress: step, total_steps, losses, steps_per_s; log: level and message."""
    # state: the Job; progress: step, total_steps, losses, steps_per_s, seconds_left, curve; log: level, message;
    # queue: queue_position, ahead, while it waits, with the id of the event before


class Card(Record):
    """What is known of one version of a model without opening its weights; `card.json` in the store."""

    model: str
    """Name of the model."""
    version: int
    """Version, counted from 1."""
    family: str
    """Family of the model."""
    capabilities: tuple[Op, ...]
    """What the model can be asked."""
    spec: DataSpec
    """What its data are: shape, range, levels, condition, units."""
    latent_shape: tuple[int, ...] | None
    """Shape of one latent code."""
    run: RecordedRun
    """The run that trained it."""
    metrics: dict[str, JsonFloat]
    """What it reaches on held-out rows, the unit in the name."""
    curve: Curve | None = None
    """A loss on held-out rows while it was trained."""
    notes: tuple[str, ...] = ()
    """What to know before using it, a sentence each."""
    n_parameters: int
    """Parameters of its networks."""
    data_fingerprint: str
    """sha256 of the training rows or, where they are drawn afresh, of their recipe."""
    weights_sha256: str
    """sha256 of its weights."""
    weights_bytes: int
    """Size of its weights."""
    job: str
    """Job that trained it."""
    created_at: float
    """When it was published, seconds since 1970."""

    @property
    def reference(self) -> str:
        return f"{self.model}@{self.version}"


class Worker(Record):
    """A live worker, as its heartbeat tells."""

    id: str
    """Identifier of the worker."""
    device: str
    """Device it computes on."""
    models: tuple[str, ...]
    """References of the models it holds in memory."""
    training: tuple[str, ...]
    """Jobs it runs, trainings and samplings."""
    seen_at: float
    """Seconds since 1970, of its last heartbeat."""
    silent_s: float = 0.0
    """Seconds since its last heartbeat."""
    trouble: str | None = None
    """What its machine lacks, so that jobs wait, such as disk space."""
    leaving: bool = False
    """Whether it finishes what it has and takes no more."""
    stalled_s: float = 0.0
    """Seconds since its inference thread came round; it grows during a long forward pass."""
    untaken_s: float = 0.0
    """Seconds that jobs waited while it had a free slot and took none."""
    protocol: int = 2
    """Version of the frames it reads."""


@dataclass(frozen=True, slots=True)
class Timing:
    """Where an answer's time went, in milliseconds. `batch_rows` is the rows that shared its largest forward pass."""

    __pydantic_config__: ClassVar = ConfigDict(use_attribute_docstrings=True)

    linger_ms: float
    """Milliseconds at the gateway, waiting for a batch under way."""
    queue_ms: float
    """Milliseconds on the way to a worker, in its queue, and on the way back."""
    compute_ms: float
    """Milliseconds in forward passes, shared ones counted whole."""
    total_ms: float
    """Milliseconds in all."""
    batch_rows: int
    """Rows of the largest forward pass that the request shared."""


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
