"""Requests of a gateway that have no reply yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

from pushforward.service.dispatch.admission import Key
from pushforward.service.dispatch.messages import Answered
from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply, Timing

MAX_ARRAY_BYTES = 16 * 2**20  # in one frame
MAX_FRAME_REQUESTS = 1024
MAX_PENDING_BYTES = 512 * 2**20  # of the arrays of all pending requests of a gateway
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
    deaths: int = 0  # of workers that had it
    worker: str | None = None  # that has it
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


@final
class Totals:
    """What all pending requests hold."""

    def __init__(self) -> None:
        self.rows = 0
        self.n_bytes = 0  # of their arrays

    def add(self, pending: PendingRequest) -> None:
        """Count a request."""
        self.rows += pending.request.rows
        self.n_bytes += pending.n_bytes

    def remove(self, pending: PendingRequest) -> None:
        """Count it no longer."""
        self.rows -= pending.request.rows
        self.n_bytes -= pending.n_bytes

    def exceed(self, pending: PendingRequest, max_rows: int) -> bool:
        """Whether another one would be too much."""
        return self.rows + pending.request.rows > max_rows or self.n_bytes + pending.n_bytes > MAX_PENDING_BYTES


def key_of(request: InferenceRequest) -> Key:
    """Requests of one key can share a forward pass."""
    return request.model, request.op, _canonical(json.dumps(request.options)) if request.options else "{}"


def frames_of(requests: Sequence[PendingRequest]) -> Iterator[list[PendingRequest]]:
    """The requests of each key, in order, cut where a frame would grow too large."""
    by_key: dict[Key, list[PendingRequest]] = {}
    for pending in requests:
        by_key.setdefault(pending.key, []).append(pending)
    for of_key in by_key.values():
        frame: list[PendingRequest] = []
        n_bytes = 0
        for pending in of_key:
            n_bytes += pending.n_bytes
            if frame and (n_bytes > MAX_ARRAY_BYTES or len(frame) >= MAX_FRAME_REQUESTS):
                yield frame
                frame, n_bytes = [], pending.n_bytes
            frame.append(pending)
        yield frame


@lru_cache(maxsize=1024)
def _canonical(options: str) -> str:
    """Options as JSON with sorted names."""
    return json.dumps(json.loads(options), sort_keys=True)
