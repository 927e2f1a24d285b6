"""The ports: what the application needs of Redis, the disk and workers. `gateway.bootstrap` chooses their adapters."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pushforward.models.storage.evaluation import EvaluationReport
from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.errors import Overloaded
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply
from pushforward.service.domain.jobs import Event, Fault, Job, Kind, ModelEvaluation, Page, Sampling, State, Wish
from pushforward.service.domain.sweeps import NewTrial, SweepRecord


@dataclass(frozen=True)
class NewJob:
    """A job to be created."""

    model: str
    run: dict[str, Any] = field(default_factory=dict)  # of a training or a search
    preset: str | None = None
    priority: int = 0
    ask: Sampling | None = None  # of a sampling: what to draw
    evaluation: ModelEvaluation | None = None  # of an evaluation: what to compare
    sweep: SweepRecord | None = None  # of a search, without its trials
    trials: Sequence[NewTrial] = ()  # of a search
    idempotency_key: str | None = None
    fingerprint: str = ""  # sha256 of the request; the same key with another fingerprint is a Conflict

    @property
    def kind(self) -> Kind:
        """What the job does."""
        return "sample" if self.ask else "evaluate" if self.evaluation else "sweep" if self.sweep else "train"

    @property
    def version(self) -> int | None:
        """The version that is sampled or evaluated; None of a training."""
        asked = self.ask or self.evaluation
        return None if asked is None else int(asked.model.rpartition("@")[2])


def no_room(new: NewJob, limit: int) -> Overloaded:
    """The refusal of a job, or of the trials of a search, beyond those that may wait."""
    if new.sweep is None:
        return Overloaded(f"{limit} jobs are waiting or paused; try again later", retry_after_s=30.0)
    trials = f"the search has {len(new.trials)} trials"
    return Overloaded(f"{trials}, and {limit} jobs may wait or be paused in all; try again later", retry_after_s=30.0)


class Jobs(Protocol):
    """The record of jobs, as the APIs see it."""

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        """Record a queued job, or return the job of this idempotency key; and whether it is new.

        A search is recorded as running, together with a queued job for each of its trials. Raises Conflict, and
        Overloaded where not all may wait.
        """

    async def get(self, job_id: str) -> Job:
        """A job; of a search with its trials. Raises NotFound."""

    async def list(self, *, state: State | None, model: str | None, limit: int, after: str | None = None) -> Page:
        """Newest first; `after` is the `next` of the page before, a decimal number."""

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job: a waiting job at once, a running one when its runner sees the request. Idempotent.

        To cancel, pause or resume a search is to do so to its trials.
        """

    async def pause(self, job_id: str) -> Job:
        """Pause a job: a queued job at once, a running one when its runner sees the request. Idempotent.

        A job that is over, is being cancelled or has reserved its version stays as it is.
        """

    async def resume(self, job_id: str) -> Job:
        """Queue a paused job again; let one go on that was to be paused. Idempotent."""

    async def progress(self, job_id: str) -> Sequence[Mapping[str, Any]]:
        """The data of the progress events that are kept, oldest first; empty where there is no such job."""

    def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        """Events after a valid event id ("0": all that are kept) as they come, to the job's final state event."""


class Stale(Exception):
    """The job has another runner, or is finished; this one must stop and leave it alone."""


@dataclass(frozen=True)
class Update:
    """A report of a runner on its job; becomes an `Event` of the same kind and data."""

    kind: Literal["progress", "log", "picture"]
    data: dict[str, Any]


class Runs(Protocol):
    """The record of jobs, as the workers see it.

    Every method raises Unavailable while the record is not reachable; calling it again is safe. Methods with the
    `epoch` of a claim raise Stale where it is no longer the newest.
    """

    def claim(self, kind: Kind, worker: str) -> Job | None:
        """Claim the first job of a kind that waits: it is running now, its epoch one higher. None where none waits."""

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> Wish:
        """Renew the lease and record the updates. Returns what the runner is to do."""

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        """The version this job publishes: above `floor` and every one reserved before, always the same for a job.

        None where the job is to be cancelled; afterwards it is too late to cancel.
        """

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        """The model is published, or the report of an evaluation is beside it: too late to cancel."""

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        """The file of a sampling is complete. False where the job is to be cancelled."""

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        """The job fails: trying again is useless."""

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        """The attempt broke off: the job is queued again, cancelled or paused if requested, or fails in the end."""

    def give_back(self, job_id: str, epoch: int) -> None:
        """The runner lets go; the job is not at fault: it is queued again, or cancelled or paused if requested."""

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        """The machine is at fault: the job is queued again after a pause that grows, and the attempt does not count."""

    def state(self, job_id: str) -> State | None:
        """None where there is no record of the job (any more)."""

    def expire(self) -> Sequence[str]:
        """`lose` the jobs whose lease ran out. Returns them."""

    def unannounced(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        """Queued jobs of a kind that have not been announced to workers for so long; they count as announced now.

        None while wake-ups of this kind are waiting, except jobs that were given back or whose pause is over.
        """

    def waiting(self, kind: Kind = "train") -> int:
        """How many wake-ups of a kind no worker has taken."""

    def restore(self, job: Job) -> None:
        """Record a job again, as paused if it was, else as queued; do nothing where it has a record."""


class Wakeups(Protocol):
    """Announces queued jobs to workers. Losing a wake-up is harmless: the reconciler sends it again.

    Whoever is woken claims the jobs of the kind in their order, the announced one or another.
    """

    async def wake(self, job_id: str, kind: Kind = "train") -> None: ...


UNSENT = "unsent"  # the message of a CancelledError where the request never left the gateway


class Asks(Protocol):
    """Sends requests to the workers that hold models."""

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        """Raises TimedOut, Unavailable, Overloaded, NotFound (the version is gone), Invalid, Failed.

        Cancelling the coroutine cancels the request; the CancelledError says UNSENT where it never left.
        """

    def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        """The previews of the request as they come, and last its reply. Raises as `ask` does.

        Closing the iterator cancels the request.
        """


class Models(Protocol):
    """The published models."""

    async def newest(self) -> Sequence[Card]:
        """The newest version of every model, by name."""

    async def versions(self, model: str) -> Sequence[Card]:
        """All versions of a model, oldest first. Raises NotFound."""

    async def get(self, reference: str) -> Card:
        """`name` is its newest version. Raises NotFound."""

    async def evaluation(self, card: Card) -> EvaluationReport | None:
        """The report of a version's latest evaluation; None where it was never evaluated."""

    async def held_out_log_prob(self, card: Card) -> Sequence[float] | None:
        """Log p of each held-out row that was scored after the training, ascending; None where none are kept."""

    async def delete(self, reference: str) -> Sequence[str]:
        """Delete one version, or all of a name. Returns the references deleted. Raises NotFound."""


class Files(Protocol):
    """The files of samplings."""

    async def has(self, job: Job) -> bool:
        """Whether the file of a succeeded job is still kept."""

    def read(self, job: Job, start: int, stop: int) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 of it, in pieces. Raises NotFound where it was deleted."""


class Workers(Protocol):
    """The live workers."""

    async def live(self) -> Sequence[Worker]: ...


class Reach(Protocol):
    """Whether requests reach workers, and replies come back."""

    async def reach(self) -> Sequence[Worker]:
        """The workers that take requests. Raises Unavailable, naming the part that is missing."""
