"""Messages between a gateway and a worker, each a frame (`service.dispatch.framing`) on their connection.

    worker -> gateway    hello      first: who listens, and a nonce
    gateway -> worker    proof      the answer: HMAC-SHA256 of the nonce with the worker's secret
    gateway -> worker    requests   of one key, at least one
    gateway -> worker    cancelled  ids of requests
    worker -> gateway    replies    to requests of one key, and the worker's load
    worker -> gateway    beat       every `beat_s`: the process lives; how long its inference thread has been in a round
    worker -> gateway    leaving    the worker stops: send no more
    gateway -> worker    farewell   the answer: nothing more will come

The header of each begins with its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np

from pushforward.service.domain.errors import (
    Failed,
    FieldError,
    Invalid,
    NotFound,
    Overloaded,
    ServiceError,
    TimedOut,
    Unavailable,
    Unsupported,
)
from pushforward.service.domain.inference import InferenceRequest, Load

REFUSALS: dict[str, type[ServiceError]] = {
    cls.slug: cls for cls in (Failed, Invalid, NotFound, Overloaded, TimedOut, Unavailable, Unsupported)
}

Arrays = Mapping[str, np.ndarray]


@final
@dataclass(frozen=True, slots=True)
class FramedRequest:
    """A request within a frame."""

    id: int  # the gateway's own
    request: InferenceRequest
    left_ms: float  # until its deadline, when the frame was sent


@final
@dataclass(frozen=True, slots=True)
class Requests:
    """Requests of one key, at least one."""

    sent_at: float  # by the gateway's time.monotonic()
    requests: tuple[FramedRequest, ...]


@final
@dataclass(frozen=True, slots=True)
class Cancelled:
    """Requests that nobody waits for."""

    ids: tuple[int, ...]


@final
@dataclass(frozen=True, slots=True)
class Hello:
    """A worker's first message."""

    worker: str
    nonce: bytes


@final
@dataclass(frozen=True, slots=True)
class Proof:
    """A gateway's first message."""

    digest: bytes


@final
@dataclass(frozen=True, slots=True)
class Beat:
    """A sign of life."""

    stalled_s: float  # since the inference thread last finished a forward pass or found nothing to do


@final
@dataclass(frozen=True, slots=True)
class Leaving:
    """The worker stops."""


@final
@dataclass(frozen=True, slots=True)
class Farewell:
    """The gateway sends no more to a worker that stops."""


@final
@dataclass(frozen=True)
class Answered:
    """The result of a request."""

    id: int
    arrays: Arrays
    compute_ms: float
    batch_rows: int
    info: Mapping[str, Any] = field(default_factory=dict)


@final
@dataclass(frozen=True)
class Previewed:
    """An intermediate result; the answer follows."""

    id: int
    arrays: Arrays
    step: int
    steps: int


@final
@dataclass(frozen=True)
class Refusal:
    """The error of a request."""

    id: int
    slug: str
    detail: str
    errors: tuple[FieldError, ...] = ()

    @classmethod
    def of(cls, id: int, error: ServiceError) -> Refusal:
        """The refusal that a gateway raises as this error."""
        return cls(id, error.slug, error.detail, error.errors)

    def error(self) -> ServiceError:
        """The error, to be raised at the gateway."""
        error = REFUSALS.get(self.slug, Failed)(self.detail, errors=self.errors)
        error.stage = "worker"
        return error


AnyReply = Answered | Previewed | Refusal


@final
@dataclass(frozen=True)
class Replies:
    """Replies of a worker to one gateway, and its load."""

    replies: tuple[AnyReply, ...]
    load: Load | None = None


FromGateway = Requests | Cancelled | Proof | Farewell
FromWorker = Hello | Replies | Beat | Leaving
