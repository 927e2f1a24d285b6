"""The questions of a gateway without an answer, and how those of one key line up for the next frame."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pushforward.service.dispatch.admission import Key
from pushforward.service.dispatch.frames import Answered
from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import Preview, Question, Reply, Timing

MAX_FRAME_BYTES = 16 * 2**20  # of the arrays of questions that share a frame
MAX_FRAME_QUESTIONS = 1024
PREVIEWS = 8  # kept for one who is slow to take them; of more, the oldest go


@dataclass(eq=False, slots=True)
class Pending:
    """A question without an answer."""

    id: int
    question: Question
    key: Key
    n_bytes: int  # of its arrays
    began: float  # of time.monotonic(), as is the deadline
    deadline: float
    reply: asyncio.Future[Reply]
    previews: asyncio.Queue[Preview | None] | None  # None is the last
    sent_at: float | None = None
    timer: asyncio.TimerHandle | None = None

    def show(self, preview: Preview) -> None:
        """Let one who watches see it."""
        if self.previews is None:
            return
        if self.previews.qsize() >= PREVIEWS:
            self.previews.get_nowait()
        self.previews.put_nowait(preview)

    def be_late(self, timeout_s: float) -> None:
        """The time is up."""
        if not self.reply.done():
            self.reply.set_exception(TimedOut(f"no answer within {timeout_s:g} s; ask for less, or give more time"))

    def timing(self, answer: Answered, now: float) -> Timing:
        """Where its time went."""
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
class Lane:
    """The questions of one key at this gateway."""

    key: Key
    waiting: dict[int, Pending] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)  # of the latest frame
    release: asyncio.TimerHandle | None = None

    def free(self) -> None:
        """Let the next frame go."""
        self.under_way = set()
        if self.release is not None:
            self.release.cancel()
            self.release = None


def key_of(question: Question) -> Key:
    """What questions have in common that can be answered in one call."""
    return question.model, question.op, _canonical(json.dumps(question.options)) if question.options else "{}"


def frame_of(waiting: Iterable[Pending]) -> Iterator[Pending]:
    """As many as one frame takes, in order; at least one, if there is one."""
    n_bytes = 0
    for n, pending in enumerate(waiting):
        n_bytes += pending.n_bytes
        if n and (n_bytes > MAX_FRAME_BYTES or n >= MAX_FRAME_QUESTIONS):
            return
        yield pending


@lru_cache(maxsize=1024)
def _canonical(options: str) -> str:
    """The same text for the same options in another order."""
    return json.dumps(json.loads(options), sort_keys=True)
