"""What the application needs of the outside world. Adapters implement these; `bootstrap` chooses them."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.domain import Card, Event, Job, Question, Reply, State, Worker


@dataclass(frozen=True)
class NewJob:
    """A job to be created."""

    model: str
    run: dict[str, Any]
    preset: str | None = None
    idempotency_key: str | None = None
    fingerprint: str = ""  # sha256 of the request; the same key with another fingerprint is a Conflict


class Jobs(Protocol):
    """The record of jobs, as the doors see it."""

    async def create(self, new: NewJob) -> tuple[Job, bool]:
        """Record a queued job, or return the one this idempotency key made; whether it is new. Raises Conflict."""

    async def get(self, job_id: str) -> Job:
        """Raises NotFound."""

    async def list(self, *, state: State | None, model: str | None, limit: int) -> list[Job]:
        """Newest first."""

    async def cancel(self, job_id: str) -> Job:
        """Ask for a job's end: a queued job is cancelled now, a running one when its runner sees it. Idempotent."""

    def watch(self, job_id: str, *, after: str) -> AsyncIterator[Event]:
        """Events after an event id ("0": all that are kept), as they come, until the job's final state event."""


class Wakeups(Protocol):
    """Tells workers that a job waits. Losing one is harmless: the reconciler tells again."""

    async def wake(self, job_id: str) -> None: ...


class Asks(Protocol):
    """The way to the workers that hold models."""

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        """Raises TimedOut, Unavailable, Overloaded, NotFound (the version is gone), Invalid, Failed.

        Cancelling the coroutine gives the question up.
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


class Workers(Protocol):
    """Who is alive."""

    async def live(self) -> Sequence[Worker]: ...
