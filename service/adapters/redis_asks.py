"""The way of a question to the workers and back, on Redis.

    XADD pf:asks frame | key          gateway to any worker; above 256 KiB the frame lies under `key`
    BLPOP pf:replies:{gateway}        workers to this gateway: one list, one reader
    XADD pf:gone to | ids             gateway to every worker: nobody waits for these any more

Questions of one key that arrive while a frame of that key is under way leave together in the next one; none waits when
the way is free. A question may be sent twice, and is after an outage: its answer is a pure function of it, and an
answer that nobody waits for is dropped.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from time import monotonic
from typing import Any, final

import redis

from service.adapters.redis_client import PREFIX, RETRY_AFTER_S, connect
from service.adapters.redis_workers import RedisWorkers
from service.domain import Preview, Question, Reply, Timing
from service.errors import Failed, Overloaded, ServiceError, TimedOut, Unavailable
from service.settings import Settings
from service.wire import Answered, Asked, Frame, Garbage, Previewed, Refused, decode_replies, encode_frame

log = logging.getLogger(__name__)

STREAM = f"{PREFIX}asks"
GONE = f"{PREFIX}gone"
GONE_ENTRIES = 1000  # kept; a worker that misses one computes in vain, until the deadline
GROUP = "workers"
INLINE_BYTES = 256 * 1024  # of a frame within the stream
MAX_FRAME_BYTES = 16 * 2**20  # of the arrays of questions that share a frame
MAX_FRAME_QUESTIONS = 1024
PAYLOAD_S = 300  # a large frame that nobody fetched goes by itself
HOLD_S = 0.005  # longest that a frame holds others of its key back: they can join a long sampler under way
BLOCK_S = 5.0  # of one read of the replies
DRAIN = 64  # replies of one further read
OUTAGE_S = 5.0  # of Redis, after which waiting questions are refused
RETRY_S = 0.1
MAX_PENDING_BYTES = 512 * 2**20  # of the arrays of questions without an answer

Key = tuple[str, str, str]


@dataclass(eq=False)
class _Pending:
    """A question without an answer."""

    id: int
    question: Question
    began: float  # of time.monotonic(), as is the deadline
    deadline: float
    reply: asyncio.Future[Reply]
    sent_at: float | None = None
    previews: asyncio.Queue[Preview] = field(default_factory=asyncio.Queue)

    @cached_property
    def n_bytes(self) -> int:
        """Of its arrays."""
        return sum(array.nbytes for array in self.question.arrays.values())

    @cached_property
    def key(self) -> Key:
        """Equal for questions that may share a frame."""
        return self.question.model, self.question.op, json.dumps(self.question.options, sort_keys=True)


@dataclass(eq=False)
class _Lane:
    """The questions of one key at this gateway."""

    waiting: dict[int, _Pending] = field(default_factory=dict)
    under_way: set[int] = field(default_factory=set)  # of the latest frame
    release: asyncio.TimerHandle | None = None

    def free(self) -> None:
        """Let the next frame go."""
        self.under_way = set()
        if self.release is not None:
            self.release.cancel()
            self.release = None


@final
class RedisAsks:
    """`ports.Asks`, of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._redis = connect(settings, decode=False)
        self._blocking = connect(settings, block_s=BLOCK_S, decode=False)
        self._workers = RedisWorkers(settings)
        self.reply_to = f"{PREFIX}replies:{secrets.token_hex(8)}"
        self._ids = count()
        self._pending: dict[int, _Pending] = {}
        self._lanes: dict[Key, _Lane] = {}
        self._pending_rows = 0
        self._pending_bytes = 0
        self._gone: list[int] = []  # sent and given up; the workers are not told yet
        self._answered_rows = 0  # since _busy_since
        self._busy_since = 0.0
        self._worker_seen = -float("inf")
        self._tasks: set[asyncio.Task[None]] = set()
        self._started = False
        self._closed = False  # redis-py may swallow a cancellation, so the loops look at this too

    async def close(self) -> None:
        """Refuse what waits, and close the connections."""
        self._closed = True
        self._refuse(self._pending.values(), Unavailable("the service stops", retry_after_s=RETRY_AFTER_S))
        while self._tasks:
            for task in self._tasks:
                task.cancel()
            await asyncio.wait(self._tasks, timeout=RETRY_S)
        try:
            await self._redis.delete(self.reply_to)
        except redis.RedisError as error:
            log.debug("the reply list stays until it expires: %s", error)
        await self._redis.aclose()
        await self._blocking.aclose()
        await self._workers.close()

    async def watch(self, question: Question, *, timeout_s: float) -> AsyncIterator[Preview | Reply]:
        yield await self.ask(question, timeout_s=timeout_s)

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        if not self._started:
            self._started = True
            self._spawn(self._read())
            self._spawn(self._watch())
        now = monotonic()
        reply: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        pending = _Pending(next(self._ids), question, now, now + timeout_s, reply)
        self._admit(pending)
        if not self._pending:
            self._busy_since, self._answered_rows = now, 0
        self._pending[pending.id] = pending
        self._pending_rows += question.rows
        self._pending_bytes += pending.n_bytes
        lane = self._lanes.setdefault(pending.key, _Lane())
        lane.waiting[pending.id] = pending
        try:
            async with asyncio.timeout(timeout_s):
                if not lane.under_way:
                    self._go_on(pending.key, lane)
                return await reply
        except TimeoutError:
            raise TimedOut(f"no answer within {timeout_s:g} s; ask for less, or give more time") from None
        except asyncio.CancelledError:
            if pending.sent_at is not None:
                self._give_up(pending)
            raise
        finally:
            self._forget(pending)

    def _admit(self, pending: _Pending) -> None:
        """Raises Overloaded, telling when what waits should be done."""
        rows, limit = self._pending_rows + pending.question.rows, self._settings.max_pending_rows
        if not self._pending or (rows <= limit and self._pending_bytes + pending.n_bytes <= MAX_PENDING_BYTES):
            return
        rows_per_s = self._answered_rows / max(1e-3, monotonic() - self._busy_since)
        wait_s = self._pending_rows / rows_per_s if rows_per_s else self._settings.ask_timeout_s
        raise Overloaded(
            f"{self._pending_rows} rows of {self._pending_bytes} bytes are waiting, and at most {limit} rows of "
            f"{MAX_PENDING_BYTES} bytes may; try again later",
            retry_after_s=min(60.0, max(0.1, wait_s)),
        )

    def _forget(self, pending: _Pending) -> None:
        """It is answered, refused or given up; an unsent one is never sent."""
        if self._pending.pop(pending.id, None) is None:
            return
        self._pending_rows -= pending.question.rows
        self._pending_bytes -= pending.n_bytes
        key = pending.key
        lane = self._lanes.get(key)
        if lane is None:
            return
        lane.waiting.pop(pending.id, None)
        lane.under_way.discard(pending.id)
        if not lane.under_way:
            self._go_on(key, lane)

    def _go_on(self, key: Key, lane: _Lane) -> None:
        """The way is free: the next frame leaves, in a task of its own, for it carries the questions of many."""
        lane.free()
        frame = list(_frame_of(lane.waiting.values()))
        if not frame:
            if self._lanes.get(key) is lane:
                del self._lanes[key]
            return
        for pending in frame:
            del lane.waiting[pending.id]
        lane.under_way = {pending.id for pending in frame}
        lane.release = asyncio.get_running_loop().call_later(HOLD_S, self._go_on, key, lane)
        self._spawn(self._send(frame))

    async def _send(self, frame: Iterable[_Pending]) -> None:
        try:
            await self._check_workers()
            await self._xadd(frame)
            for pending in frame:
                pending.sent_at = monotonic()
                if pending.reply.cancelled():  # meanwhile
                    self._give_up(pending)
        except redis.RedisError:
            self._refuse(frame, Unavailable("Redis does not answer; try again", retry_after_s=RETRY_AFTER_S))
        except ServiceError as error:
            self._refuse(frame, error)
        except Exception:
            log.exception("a frame could not be written")
            self._refuse(frame, Failed("the question could not be sent; the service's log tells why"))

    def _give_up(self, pending: _Pending) -> None:
        """Let the workers know, all that leave at once with one word."""
        self._gone.append(pending.id)
        if len(self._gone) == 1:
            self._spawn(self._tell_gone())

    async def _tell_gone(self) -> None:
        ids, self._gone = self._gone, []
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xadd(GONE, {"to": self.reply_to, "ids": json.dumps(ids)}, maxlen=GONE_ENTRIES)
                pipe.expire(GONE, PAYLOAD_S)
                await pipe.execute()
        except redis.RedisError as error:
            log.debug("workers compute in vain, to the deadline: %s", error)

    async def _xadd(self, frame: Iterable[_Pending]) -> None:
        now = monotonic()
        asked = tuple(Asked(p.id, p.question, 1000 * (p.deadline - now)) for p in frame if not p.reply.done())
        if not asked:
            return
        payload = encode_frame(Frame(self.reply_to, asked))
        if len(payload) <= INLINE_BYTES:
            await self._redis.xadd(STREAM, {"frame": payload})
            return
        key = f"{PREFIX}payload:{secrets.token_hex(8)}"
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.set(key, payload, ex=PAYLOAD_S)
            pipe.xadd(STREAM, {"key": key})
            await pipe.execute()

    async def _check_workers(self) -> None:
        """Raises Unavailable where no worker is alive; asks Redis only after a silence."""
        if monotonic() - self._worker_seen < 3 * self._settings.beat_s:
            return
        if not await self._workers.live():
            raise Unavailable("no worker is alive; start one, or wait for it", retry_after_s=RETRY_AFTER_S)
        self._worker_seen = monotonic()

    async def _watch(self) -> None:
        """Refuse what waits once the last worker has died."""
        while not self._closed:
            await asyncio.sleep(self._settings.beat_s)
            if not self._pending:
                continue
            try:
                await self._check_workers()
            except Unavailable as error:
                if not await self._redis_is_away():
                    self._refuse(self._pending.values(), error)

    async def _redis_is_away(self) -> bool:
        """Then the reader decides when to give up."""
        try:
            await self._redis.ping()
        except redis.RedisError:
            return True
        return False

    async def _read(self) -> None:
        """The one reader of the replies."""
        away_since: float | None = None
        while not self._closed:
            try:
                if away_since is not None:
                    await self._redis.ping()
                    await self._resend()
                    away_since = None
                await self._take_replies()
            except redis.RedisError as error:
                now = monotonic()
                if away_since is None:
                    log.warning("Redis does not answer: %s", error)
                    away_since = now
                if now - away_since > OUTAGE_S:
                    refusal = Unavailable("Redis does not answer; try again", retry_after_s=RETRY_AFTER_S)
                    self._refuse(self._pending.values(), refusal)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("the reader of replies goes on after a defect")
                await asyncio.sleep(RETRY_S)

    async def _take_replies(self) -> None:
        taken: Any = await self._blocking.blpop([self.reply_to], timeout=BLOCK_S)
        frames: Any = [taken[1]] if taken else []
        while frames:
            for data in frames:
                self._deliver(data)
            await asyncio.sleep(0)  # those who were answered go first, and often nobody is left to read for
            frames = (await self._redis.lpop(self.reply_to, DRAIN) or []) if self._pending else []

    async def _resend(self) -> None:
        """After an outage nobody knows what arrived: ask again what was under way."""
        sent = [p for p in self._pending.values() if p.id not in self._lanes.get(p.key, _Lane()).waiting]
        lanes: dict[Key, list[_Pending]] = {}
        for pending in sent:
            lanes.setdefault(pending.key, []).append(pending)
        for same_key in lanes.values():
            while frame := list(_frame_of(same_key)):
                await self._xadd(frame)
                del same_key[: len(frame)]

    def _deliver(self, data: bytes) -> None:
        """Wake those who wait; what nobody waits for is dropped."""
        try:
            replies = decode_replies(data)
        except Garbage as error:
            log.warning("dropped a reply: %s", error)
            return
        now = self._worker_seen = monotonic()
        for reply in replies.replies:
            pending = self._pending.get(reply.id)
            if pending is None or pending.reply.done():
                continue
            self._answered_rows += pending.question.rows
            match reply:
                case Answered():
                    pending.reply.set_result(Reply(reply.arrays, reply.info, _timing(pending, reply, now)))
                case Previewed():
                    pending.previews.put_nowait(Preview(reply.step, reply.steps, reply.arrays))
                case Refused():
                    pending.reply.set_exception(reply.error())

    def _refuse(self, pending: Iterable[_Pending], error: ServiceError) -> None:
        for each in list(pending):
            if not each.reply.done():
                each.reply.set_exception(type(error)(error.detail, retry_after_s=error.retry_after_s))

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _timing(pending: _Pending, reply: Answered, now: float) -> Timing:
    total_ms = 1000 * (now - pending.began)
    linger_ms = 1000 * ((pending.sent_at or pending.began) - pending.began)
    return Timing(
        linger_ms=linger_ms,
        queue_ms=max(0.0, total_ms - linger_ms - reply.compute_ms),
        compute_ms=reply.compute_ms,
        total_ms=total_ms,
        batch_rows=reply.batch_rows,
    )


def _frame_of(waiting: Iterable[_Pending]) -> Iterator[_Pending]:
    """As many as one frame takes, in order; at least one, if there is one."""
    n_bytes = 0
    for n, pending in enumerate(waiting):
        n_bytes += pending.n_bytes
        if n and (n_bytes > MAX_FRAME_BYTES or n >= MAX_FRAME_QUESTIONS):
            return
        yield pending
