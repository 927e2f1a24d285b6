"""What the client raises: one base, and a class for each kind of refusal, chosen by the problem's `type` (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, final

if TYPE_CHECKING:
    from pushforward.client.answers import Job


class PushforwardError(Exception):
    """Base of all that the client raises."""


@final
class Unreachable(PushforwardError):
    """Nothing answers at the address."""


@final
class RequestTimeout(PushforwardError):
    """No answer within the client's time; the service may still be at it."""


@final
class BrokenAnswer(PushforwardError):
    """An answer broke off, or is not what its digest says; ask again."""


@final
class JobFailed(PushforwardError):
    """A job that was waited for failed or was cancelled."""

    def __init__(self, job: Job) -> None:
        self.job = job
        detail = f": {job.error['detail']}" if job.error else ""
        super().__init__(f"job {job.id} {job.state}{detail}")


@final
@dataclass(frozen=True)
class FieldError:
    """A field at fault, as a dotted path, and what to do about it."""

    field: str
    message: str


class APIError(PushforwardError):
    """The service refused, with a problem document. Subclasses say why; `type` is the stable name."""

    slug: ClassVar[str] = ""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float | None) -> None:
        self.status = status
        self.type = str(problem.get("type", ""))
        self.title = str(problem.get("title", ""))
        self.detail = str(problem.get("detail") or self.title or f"status {status}")
        self.errors = tuple(FieldError(str(each["field"]), str(each["message"])) for each in problem.get("errors", ()))
        self.retry_after_s = retry_after_s
        faults = [f"{each.field}: {each.message}" for each in self.errors]
        super().__init__("\n  ".join([self.detail, *(fault for fault in faults if fault not in self.detail)]))


@final
class Invalid(APIError):
    """A field is wrong; `errors` names it."""

    slug = "invalid"


@final
class Malformed(APIError):
    """The body cannot be read at all."""

    slug = "malformed"


@final
class NotFound(APIError):
    """No such model, version, job, dataset or preset."""

    slug = "not-found"


@final
class Unsupported(APIError):
    """The model does not answer this operation."""

    slug = "unsupported"


@final
class Conflict(APIError):
    """The request contradicts the present state."""

    slug = "conflict"


@final
class TooLarge(APIError):
    """The body passes a limit."""

    slug = "too-large"


@final
class HeadersTooLarge(APIError):
    """The headers pass a limit."""

    slug = "headers-too-large"


@final
class TooSlow(APIError):
    """The request did not arrive in time."""

    slug = "too-slow"


@final
class Misdirected(APIError):
    """The service has another name than that of the request."""

    slug = "misdirected"


@final
class Forbidden(APIError):
    """The service does not take this request from here."""

    slug = "forbidden"


@final
class UnsupportedMedia(APIError):
    """The service does not read a body of this format."""

    slug = "unsupported-media"


@final
class NotAcceptable(APIError):
    """The answer cannot have this format."""

    slug = "not-acceptable"


@final
class Overloaded(APIError):
    """The queue is full, or the deadline would pass; try again after `retry_after_s`."""

    slug = "overloaded"


@final
class Unavailable(APIError):
    """Redis or every worker is away; try again after `retry_after_s`."""

    slug = "unavailable"


@final
class DeadlineExceeded(APIError):
    """No answer before the deadline of the request."""

    slug = "timed-out"


@final
class Internal(APIError):
    """A defect of the service; its log has more."""

    slug = "internal"


BY_SLUG: Mapping[str, type[APIError]] = {each.slug: each for each in APIError.__subclasses__()}
PROBLEMS = "/problems/"


def refusal(status: int, problem: Mapping[str, Any], retry_after_s: float | None) -> APIError:
    """The error of a problem document; `APIError` itself of one that is not known, as of a proxy."""
    slug = str(problem.get("type", "")).removeprefix(PROBLEMS)
    return BY_SLUG.get(slug, APIError)(status, problem, retry_after_s)
