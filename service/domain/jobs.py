"""Jobs as the service keeps them, and their events. Plain data."""

from enum import StrEnum
from typing import Any, Literal, NamedTuple

from pushforward.models.config.json_float import JsonFloat
from pushforward.models.data.tables.media_types import ending_of
from pushforward.models.spec.condition import ConditionValue
from pushforward.models.storage.card import Curve
from pushforward.models.storage.recorded import RecordedRun
from pushforward.service.domain.record import Record
from pushforward.service.domain.sweeps import SweepRecord

EVENT_ID_PATTERN = r"[0-9]{1,19}(-[0-9]{1,19})?"

NPY = "application/x-npy"
Kind = Literal["train", "sample", "evaluate", "sweep"]  # of jobs
KINDS: tuple[Kind, ...] = ("train", "sample", "evaluate")  # that workers run; each has slots of its own


class State(StrEnum):
    """queued -> running -> succeeded | failed | cancelled; a lost or drained runner leads back to queued.

    A job that its user paused waits for its user, and is queued again then.
    """

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        return self in (State.SUCCEEDED, State.FAILED, State.CANCELLED)


class Wish(StrEnum):
    """What a runner is to do with its job, as it learns at each beat."""

    GO_ON = "ok"
    CANCEL = "cancel"
    PAUSE = "pause"
    YIELD = "yield"  # make room for a job of a higher priority


class Progress(Record):
    """The progress of a job; `total_steps` is 0 until the first step is reported."""

    step: int = 0
    """Steps done; rows drawn, of a sampling; metrics measured, of an evaluation; trials that ended, of a search."""
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
    condition: ConditionValue | None = None
    """Condition of all rows."""
    media_type: str = NPY
    """Format of the file: npy, or csv, Parquet or Arrow of the rows of a table."""


def sample_ending(media_type: str) -> str:
    """The ending of the name of a sampling's file."""
    return ".npy" if media_type == NPY else ending_of(media_type)


class ModelEvaluation(Record):
    """A comparison of a model's samples with rows of data: resolved to a version, its metrics named."""

    model: str
    """Reference of the model, with its version."""
    against: Literal["held_out"] | dict[str, Any] = "held_out"
    """What the samples are compared with: the rows held out from training, or a source of data."""
    metrics: tuple[str, ...]
    """Metrics to measure, in this order."""
    target: str | None = None
    """Column that `train_on_synthetic` predicts; null where that is not measured."""
    n: int
    """Samples to draw."""
    seed: int
    """Seed of the samples and of all that is random in the metrics."""


class Job(Record):
    """A run being executed, a sample being drawn into a file, a model being evaluated, or a search.

    Times are seconds since 1970 by Redis's clock.
    """

    id: str
    """Identifier of the job."""
    kind: Kind = "train"
    """A training, a sample drawn into a file, an evaluation of a model, or a search of many trainings."""
    state: State
    """queued, running, paused, succeeded, failed or cancelled."""
    model: str
    """Name of the model."""
    version: int | None = None
    """Version that a training published, or that is sampled or evaluated."""
    preset: str | None = None
    """Preset that the run came from."""
    priority: int = 0
    """-100 to 100; of the jobs of a kind that wait, the highest is claimed first, and of equal ones the oldest."""
    run: RecordedRun = {}
    """Of a training: the run; of a search, that which its trials change."""
    ask: Sampling | None = None
    """Of a sampling: what is drawn."""
    evaluation: ModelEvaluation | None = None
    """Of an evaluation: what is compared. Its report is on the model's card."""
    sweep: SweepRecord | None = None
    """Of a search: its trials, what each reached, and the best."""
    part_of: str | None = None
    """Of a trial: the job of its search."""
    file_bytes: int | None = None
    """Of a sampling: size of its file, once finished."""
    file_sha256: str | None = None
    """Of a sampling: digest of its file, once finished."""
    progress: Progress = Progress()
    """Steps of a training, rows of a sampling on the disk, metrics of an evaluation, trials of a search that ended."""
    losses: dict[str, JsonFloat] = {}
    """The latest losses by name, the unit in the name."""
    curve: Curve | None = None
    """Of a training: a loss on held-out rows, so far."""
    metrics: dict[str, JsonFloat] = {}
    """What the finished model reaches on held-out rows, the unit in the name; of an evaluation, the metrics."""
    error: Fault | None = None
    """Why the job failed."""
    queue_position: int | None = None
    """Place among the waiting jobs of its kind, from 1."""
    ahead: tuple[str, ...] = ()
    """Jobs before it, the first ten: those that run, then those that wait."""
    starts_at: float | None = None
    """Of a queued job: when it is foreseen to start, seconds since 1970; null where that cannot be foreseen."""
    seconds_left: float | None = None
    """How long it will still compute, as of its last progress; null where that is unknown."""
    waiting_for: str | None = None
    """What the machine lacked when the job was last tried, such as disk space; the job itself is not at fault."""
    retry_at: float | None = None
    """When it will be tried again, seconds since 1970."""
    epoch: int = 0
    """How often the job was claimed by a worker."""
    cancel_requested: bool = False
    """Whether its cancellation was requested."""
    pause_requested: bool = False
    """Whether it runs and is to be paused."""
    created_at: float
    """When it was created, seconds since 1970."""
    started_at: float | None = None
    """When it first ran, seconds since 1970."""
    finished_at: float | None = None
    """When it ended, seconds since 1970."""


class Page(NamedTuple):
    """Jobs, newest first, and the cursor of the next page; None at the end."""

    jobs: list[Job]
    next: str | None


class Event(Record):
    """Something that happened to a job. `id` orders events and resumes a watch."""

    id: str
    """Orders events; resumes a watch."""
    kind: Literal["state", "progress", "log", "queue", "picture"]
    """state, progress, log, queue or picture."""
    data: dict[str, Any]
    """state: the job; progress: step, total_steps, losses, steps_per_s; log: level and message; picture: step, what,
    png."""
    # state: the Job; progress: step, total_steps, losses, steps_per_s, rows_per_s, memory_bytes, gradient_norms,
    # seconds_left, fraction, curve; of an evaluation fraction, what, measured; log: level, message;
    # picture: step, what, media_type, png (base64), width, height;
    # queue: queue_position, ahead, starts_at, while it waits, with the id of the event before


MAX_PAUSE_S = 60.0  # before a job is retried on a machine that was at fault
LOST = Fault(type="lost", detail="its workers vanished again and again, without progress; see the workers' logs")
NO_TRIAL = Fault(type="no-trial", detail="none of its trials succeeded; see the errors of their jobs")
