"""Requests of a gateway that have no reply yet, and the queue of each key for the next frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pushforward.service.dispatch.admission import Key
from pushforward.service.dispatch.frames import Answered
from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing

MAX_FRAME_BYTES = 16 * 2**20  # of the arrays in a frame
MAX_FRAME_QUESTIONS = 1024
PREVIEWS = 8  # kept for a slow reader; the oldest are dropped


@dataclass(eq=False, slots=True)
class PendingRequest:
    """A request without a reply."""

    id: int
    request: InferenceRequest
    key: Key
    n_bytes: int  # of its arrays
    began: float  # of time.monotonic(), as is the deadline
    deadline: float
    reply: asyncio.Future[Reply]
    previews: asyncio.Queue[Preview | None] | None  # None is the last
    sent_at: float | None = None
    timer: asyncio.TimerHandle | None = None

    def add_preview(self, preview: Preview) -> None:
        """Hand a preview to the reader, if there is one."""
        if self.previews is None:
            return
        if self.previews.qsize() >= PREVIEWS:
            self.previews.get_nowait()
        self.previews.put_nowait(preview)

    def time_out(self, timeout_s: float) -> None:
        """Refuse the request: its time limit is over."""
        if not self.reply.done():
            self.reply.set_exception(TimedOut(f"no answer within {timeout_s:g} s; ask for less, or give more time"))

    def timing(self, answer: Answered, now: float) -> Timing:
        """The times of an answered request."""
        total_ms = 1000 * (now - self.began)
        linger_ms = 1000 * ((self.sent_at or self.began) - self.began)
        return Timing(
            linger_ms=linger_ms,
            queue_ms=max(0.0, total_ms - linger_ms - answer.compute_ms),
            compute_ms=answer.compute_ms,
            total_ms=total_ms,
            batch_rows=answer.batch_rows,
        )


@dataclass(eq=False, slots=True)
class KeyQueue:
    """The requests of one key at this gateway."""

    key: Key
    waiting: dict[int, PendingRequest] = field(default_factory=dict)
    sent: set[int] = field(default_factory=set)  # of the latest frame
    timer: asyncio.TimerHandle | None = None

    def release(self) -> None:
        """Mark the latest frame as done, so that the next one may be sent."""
        self.sent = set()
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


def key_of(request: InferenceRequest) -> Key:
    """Requests of one key can share a forward pass."""
    return request.model, request.op, _canonical(json.dumps(request.options)) if request.options else "{}"


def frame_of(waiting: Iterable[PendingRequest]) -> Iterator[PendingRequest]:
    """The first requests that fit into one frame, in order; at least one, if there is one."""
    n_bytes = 0
    for n, pending in enumerate(waiting):
        n_bytes += pending.n_bytes
        if n and (n_bytes > MAX_FRAME_BYTES or n >= MAX_FRAME_QUESTIONS):
            return
        yield pending


@lru_cache(maxsize=1024)
def _canonical(options: str) -> str:
    """Options as JSON with sorted names."""
    return json.dumps(json.loads(options), sort_keys=True)
