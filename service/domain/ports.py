"""What the application needs of the outside world. Adapters implement these; `bootstrap` chooses them."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pushforward.service.domain.catalog import Card, Worker
from pushforward.service.domain.inference import Preview, Question, Reply
from pushforward.service.domain.jobs import Event, Fault, Job, Kind, Page, Sampling, State


@dataclass(frozen=True)
class NewJob:
    """A job to be created."""

    model: str
    run: dict[str, Any] = field(default_factory=dict)  # of a training
    preset: str | None = None
    ask: Sampling | None = None  # of a sampling: what to draw
    idempotency_key: str | None = None
    fingerprint: str = ""  # sha256 of the request; the same key with another fingerprint is a Conflict


class Jobs(Protocol):
    """The record of jobs, as the doors see it."""

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        """Record a queued job, or return the one this idempotency key made; whether it is new. Raises Conflict."""

    async def get(self, job_id: str) -> Job:
        """Raises NotFound."""

    async def list(self, *, state: State | None, model: str | None, limit: int, after: str | None = None) -> Page:
        """Newest first; `after` is the `next` of the page before, a decimal number."""

    async def cancel(self, job_id: str) -> Job:
        """Ask for a job's end: a queued job is cancelled now, a running one when its runner sees it. Idempotent."""

    def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        """Events after a well-formed event id ("0": all that are kept) as they come, to the job's final state event."""


class Stale(Exception):
    """The job has another runner, or is finished; this one must stop and leave it alone."""


@dataclass(frozen=True)
class Update:
    """What a runner tells of its job; becomes an `Event` of the same kind and data."""

    kind: Literal["progress", "log"]
    data: dict[str, Any]


class Runs(Protocol):
    """The record of jobs, as the workers see it.

    Every method raises Unavailable while the record is away; calling it again is safe. Those that take the `epoch` of
    a claim raise Stale where it is no longer the newest.
    """

    def claim(self, job_id: str, worker: str) -> Job | None:
        """Take a queued job: it is running, its epoch one higher. None where there is none to take."""

    def beat(self, job_id: str, epoch: int, updates: Sequence[Update]) -> bool:
        """Renew the lease and record the updates. Returns whether the job's end is wanted."""

    def reserve_version(self, job_id: str, epoch: int, floor: int) -> int | None:
        """The version this job publishes: above `floor` and every one reserved before, always the same for a job.

        None where the job's end is wanted; afterwards it is too late to cancel.
        """

    def succeed(self, job_id: str, epoch: int, version: int, metrics: Mapping[str, float]) -> None:
        """The model is published."""

    def deliver(self, job_id: str, epoch: int, file_bytes: int, file_sha256: str) -> bool:
        """The file of a sampling lies finished. False where the job's end is wanted."""

    def fail(self, job_id: str, epoch: int, fault: Fault) -> None:
        """Trying again is of no use."""

    def lose(self, job_id: str, epoch: int, fault: Fault) -> None:
        """The attempt broke off: the job waits again, is cancelled if that was wanted, or fails when often tried."""

    def give_back(self, job_id: str, epoch: int) -> None:
        """The runner leaves, through no fault of the job: it waits again, or is cancelled if that was wanted."""

    def defer(self, job_id: str, epoch: int, reason: str) -> None:
        """The machine is at fault: the job waits again, for longer each time, and the attempt does not count."""

    def state(self, job_id: str) -> State | None:
        """None where nothing is known of the job (any more)."""

    def expire(self) -> Sequence[str]:
        """`lose` the jobs whose lease ran out. Returns them."""

    def unannounced(self, older_s: float, kind: Kind = "train") -> Sequence[str]:
        """Queued jobs of a kind of which no worker was told for so long; they count as told from now on.

        None while wake-ups of this kind wait to be heard, but for those that were given back or whose pause is over.
        """

    def waiting(self, kind: Kind = "train") -> int:
        """How many wake-ups of a kind no worker has taken."""

    def restore(self, job: Job) -> None:
        """Record a job anew, as it is, waiting; where it is known, nothing."""


class Wakeups(Protocol):
    """Tells workers that a job waits. Losing one is harmless: the reconciler tells again."""

    async def wake(self, job_id: str, kind: Kind = "train") -> None: ...


UNSENT = "unsent"  # what the cancellation of a question says that never left the gateway


class Asks(Protocol):
    """The way to the workers that hold models."""

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        """Raises TimedOut, Unavailable, Overloaded, NotFound (the version is gone), Invalid, Failed.

        Cancelling the coroutine gives the question up; the CancelledError says UNSENT where it never left.
        """

    def watch(self, question: Question, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        """The previews that the question asks for, as they come, and its reply, the last. Raises as `ask` does.

        Closing the iterator gives the question up.
        """


class Models(Protocol):
    """The published models."""

    async def newest(self) -> Sequence[Card]:
        """The newest version of every model, by name."""

    async def versions(self, model: str) -> Sequence[Card]:
        """All versions of a model, oldest first. Raises NotFound."""

    async def get(self, reference: str) -> Card:
        """`name` is its newest version. Raises NotFound."""

    async def delete(self, reference: str) -> Sequence[str]:
        """Delete one version, or all of a name. Returns the references deleted. Raises NotFound."""


class Files(Protocol):
    """The files that samplings left."""

    async def has(self, job: Job) -> bool:
        """Whether the file of a succeeded job is still kept."""

    def read(self, job: Job, start: int, stop: int) -> AsyncGenerator[bytes]:
        """Bytes start, ..., stop - 1 of it, in pieces. Raises NotFound where it is gone."""


class Workers(Protocol):
    """Who is alive."""

    async def live(self) -> Sequence[Worker]: ...


class Reach(Protocol):
    """Whether questions get through to workers, and answers back."""

    async def reach(self) -> None:
        """Raises Unavailable, telling which part of the way is missing."""
