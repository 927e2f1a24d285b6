"""The refusals of the service.

    ServiceError                 kind            meaning
    ├── Invalid                  INVALID         a field is wrong; `errors` names it
    ├── Malformed                MALFORMED       the body cannot be read at all: broken JSON, a wrong npy header
    ├── NotFound                 NOT_FOUND       no such model, version, job or preset
    ├── Unsupported              CONFLICT        the model lacks the capability; names those it has
    ├── Conflict                 CONFLICT        the request contradicts the present state
    ├── RequestTooLarge          TOO_LARGE       the body passes a stated limit
    ├── HeadersTooLarge          HEADERS_TOO_LARGE   the headers pass a stated limit
    ├── TooSlow                  TOO_SLOW        the request did not arrive in time
    ├── Misdirected              MISDIRECTED     the request is for a host that this service is not
    ├── Forbidden                FORBIDDEN       a page of another site sent the request
    ├── UnsupportedMedia         UNSUPPORTED_MEDIA   a body in a format that this API does not read
    ├── NotAcceptable            NOT_ACCEPTABLE  a response was requested in a format it cannot have
    ├── Overloaded               OVERLOADED      the queue is full; try again after `retry_after_s`
    ├── Unavailable              UNAVAILABLE     Redis or every worker is away; try again after `retry_after_s`
    ├── TimedOut                 TIMEOUT         no answer before the deadline
    └── Failed                   INTERNAL        a defect; its trace is logged, and not in the response

Each API has one table from `Kind` to its own status: `http/problems.py` and `rpc/status.py`. Messages are the same in
every API; advice that differs (a header, a method) is a `Remedy`, for which each API has a table too.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar, Literal


class Kind(StrEnum):
    """What went wrong, the same for every API."""

    INVALID = "invalid"
    MALFORMED = "malformed"
    NOT_FOUND = "not_found"
    CONFLICT = "conflict"
    TOO_LARGE = "too_large"
    HEADERS_TOO_LARGE = "headers_too_large"
    TOO_SLOW = "too_slow"
    MISDIRECTED = "misdirected"
    FORBIDDEN = "forbidden"
    UNSUPPORTED_MEDIA = "unsupported_media"
    NOT_ACCEPTABLE = "not_acceptable"
    OVERLOADED = "overloaded"
    UNAVAILABLE = "unavailable"
    TIMEOUT = "timeout"
    INTERNAL = "internal"


@dataclass(frozen=True)
class FieldError:
    """A field at fault, as a dotted path (`run.family.latent`), and what to do about it."""

    field: str
    message: str


RemedyName = Literal["stream", "file", "preview", "text"]


@dataclass(frozen=True)
class Remedy:
    """Advice that each API words in its own way."""

    name: RemedyName
    rows: int = 0  # at most


class ServiceError(Exception):
    """Base of every refusal."""

    kind: ClassVar[Kind]
    slug: ClassVar[str]  # the stable name: problem `type` is `/problems/{slug}`, gRPC ErrorInfo `reason`
    title: ClassVar[str]

    def __init__(self, detail: str, *, errors: tuple[FieldError, ...] = (), retry_after_s: float | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.errors = errors
        self.retry_after_s = retry_after_s
        self.stage: Literal["door", "worker"] = "door"  # where it was refused: at the gateway, or by a worker
        self.remedy: Remedy | None = None

    def with_remedy(self, words: Mapping[RemedyName, str]) -> tuple[str, tuple[FieldError, ...]]:
        """The detail and the fields at fault, with the remedy as one API words it."""
        if self.remedy is None:
            return self.detail, self.errors
        what = words[self.remedy.name].replace("{rows}", str(self.remedy.rows))
        return f"{self.detail}; {what}", tuple(replace(each, message=f"{each.message}; {what}") for each in self.errors)


class Invalid(ServiceError):
    """A field is wrong."""

    kind, slug, title = Kind.INVALID, "invalid", "The request is not valid"

    @classmethod
    def field(cls, field: str, message: str, *, remedy: Remedy | None = None) -> "Invalid":
        """One field is at fault."""
        error = cls(f"{field}: {message}", errors=(FieldError(field, message),))
        error.remedy = remedy
        return error


class Malformed(ServiceError):
    """The body cannot be read at all."""

    kind, slug, title = Kind.MALFORMED, "malformed", "The request cannot be read"


class NotFound(ServiceError):
    """What the request names does not exist."""

    kind, slug, title = Kind.NOT_FOUND, "not-found", "Not found"


class Unsupported(ServiceError):
    """The model lacks the capability."""

    kind, slug, title = Kind.CONFLICT, "unsupported", "The model cannot do this"


class Conflict(ServiceError):
    """The request contradicts the present state."""

    kind, slug, title = Kind.CONFLICT, "conflict", "The request contradicts the present state"


class RequestTooLarge(ServiceError):
    """The body passes a stated limit."""

    kind, slug, title = Kind.TOO_LARGE, "too-large", "The request is too large"


class HeadersTooLarge(ServiceError):
    """The headers pass a stated limit."""

    kind, slug, title = Kind.HEADERS_TOO_LARGE, "headers-too-large", "The headers are too large"


class TooSlow(ServiceError):
    """The request did not arrive in time."""

    kind, slug, title = Kind.TOO_SLOW, "too-slow", "The request did not arrive in time"


class Misdirected(ServiceError):
    """The request is for another host."""

    kind, slug, title = Kind.MISDIRECTED, "misdirected", "The request is for another host"


class Forbidden(ServiceError):
    """A page of another site sent the request."""

    kind, slug, title = Kind.FORBIDDEN, "forbidden", "The request comes from another site"


class UnsupportedMedia(ServiceError):
    """A format that this API does not read."""

    kind, slug, title = Kind.UNSUPPORTED_MEDIA, "unsupported-media", "The format of the body is not supported"


class NotAcceptable(ServiceError):
    """A format that this response cannot have."""

    kind, slug, title = Kind.NOT_ACCEPTABLE, "not-acceptable", "The reply has no such format"


class Overloaded(ServiceError):
    """The queue is full."""

    kind, slug, title = Kind.OVERLOADED, "overloaded", "The service is overloaded"


class Unavailable(ServiceError):
    """A part of the service is not reachable."""

    kind, slug, title = Kind.UNAVAILABLE, "unavailable", "The service is not available"


class TimedOut(ServiceError):
    """No answer before the deadline."""

    kind, slug, title = Kind.TIMEOUT, "timed-out", "No answer before the deadline"


class Failed(ServiceError):
    """A defect of the service."""

    kind, slug, title = Kind.INTERNAL, "internal", "The service failed"


@contextmanager
def naming(rename: Callable[[str], str]) -> Iterator[None]:
    """Renames the fields of refusals from within to their names in one API."""
    try:
        yield
    except ServiceError as error:
        if error.errors:
            first, renamed = error.errors[0].field, tuple(replace(f, field=rename(f.field)) for f in error.errors)
            if error.detail.startswith(f"{first}: "):
                error.detail = f"{renamed[0].field}{error.detail.removeprefix(first)}"
                error.args = (error.detail,)
            error.errors = renamed
        raise


def names(**known: str) -> Callable[[str], str]:
    """The names of some fields in an API; others stay as they are."""
    return lambda field: known.get(field, field)
