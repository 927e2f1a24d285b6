"""Sends requests to workers over Redis and takes their replies; the keys are those of `keys`.

Requests of one key that arrive while a frame of that key is in flight leave together in the next one; otherwise a
request leaves at once. After an outage requests are sent again. That is safe: a reply is a pure function of its
request, and a reply that nobody waits for is dropped.

A request is refused at once if too much is pending, or if its reply is expected after its deadline.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import Any, final

import redis

from pushforward.service.dispatch.admission import Key, LatencyModel
from pushforward.service.dispatch.frames import (
    Answered,
    Frame,
    FramedRequest,
    Previewed,
    Refusal,
    decode_replies,
    encode_frame,
)
from pushforward.service.dispatch.framing import MalformedFrame, OtherVersion
from pushforward.service.dispatch.keys import CANCELLED, stream_of
from pushforward.service.dispatch.link import Link, open_link
from pushforward.service.dispatch.pending import KeyQueue, PendingRequest, frame_of, key_of
from pushforward.service.dispatch.probes import ECHO, Probes, no_worker_error
from pushforward.service.dispatch.routing import Router
from pushforward.service.dispatch.workers import live_workers
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Failed, Overloaded, ServiceError, Unavailable
from pushforward.service.domain.inference import PROTOCOL, InferenceRequest, Preview, Reply
from pushforward.service.domain.ports import UNSENT
from pushforward.service.processes.background import Tasks
from pushforward.service.processes.outages import Outage
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, RETRY_AFTER_S
from pushforward.service.stores.redis_connection import Argument

log = logging.getLogger(__name__)

CANCELLATIONS = 1000  # kept; a worker that misses one computes in vain until the deadline
INLINE_BYTES = 256 * 1024  # of a frame within the stream
PAYLOAD_S = 300  # after which Redis deletes a large frame that nobody fetched
HOLD_S = 0.005  # longest wait for the frame before: later rows can join a long sampler that runs
OUTAGE_S = 5.0  # of Redis, after which pending requests are refused
LAG_S = 0.05  # between two measurements of the loop's lag
LAG_DECAY = 0.9  # of a lag counts at the next measurement
GRACE_BEATS = 3  # after an outage, until live workers have beaten again
MAX_PENDING_BYTES = 512 * 2**20  # of the arrays of pending requests
LONGEST_RETRY_AFTER_S = 60.0

_AWAY = "Redis does not answer; try again"


@final
class RedisAsks:
    """`ports.Asks`, of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._router = Router(settings.beat_s)
        self._latency = LatencyModel()
        self._ids = count()
        self._probes = Probes(self._ids)
        self._pending: dict[int, PendingRequest] = {}
        self._queues: dict[Key, KeyQueue] = {}
        self._pending_rows = 0
        self._pending_bytes = 0
        self._cancelled: list[int] = []  # requests whose cancellation is not sent yet
        self._link: Link | None = None  # None while Redis is away
        self._link_before: Link | None = None
        self._outage = Outage(log, "Redis")
        self._patient_until = 0.0  # until then workers may be missing: Redis may have lost their heartbeats
        self._workers: Sequence[Worker] = ()  # alive, of any version
        self._tasks = Tasks()
        self._started = False
        self._lag_s = 0.0  # how late this event loop runs callbacks

    async def close(self) -> None:
        """Refuse pending requests, and close the connections."""
        self._refuse(self._pending.values(), Unavailable("the service stops", retry_after_s=RETRY_AFTER_S))
        await asyncio.sleep(0)
        if self._link is not None:
            self._link.send("DEL", *self._link.lists).add_done_callback(_log_error)
        await self._tasks.close()

    @property
    def reply_to(self) -> str:
        """The present list of replies; empty while Redis does not answer."""
        return "" if self._link is None else self._link.reply_to

    async def reach(self) -> None:
        """`ports.Reach`: sends a probe, unless a reply came just now."""
        self._start()
        await self._probes.check(lambda: self._link, lambda: self._workers, self._settings.ask_timeout_s)

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        pending = self._enqueue(request, timeout_s, None)
        try:
            return await pending.reply
        except asyncio.CancelledError as cancelled:
            self._cancel(pending)
            if pending.sent_at is None:
                cancelled.args = (UNSENT,)
            raise
        finally:
            self._forget(pending)

    async def watch(self, request: InferenceRequest, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        previews: asyncio.Queue[Preview | None] = asyncio.Queue()
        pending = self._enqueue(request, timeout_s, previews)
        pending.reply.add_done_callback(lambda _: previews.put_nowait(None))
        try:
            while (preview := await previews.get()) is not None:
                yield preview
            yield await pending.reply
        finally:
            if not pending.reply.done():
                self._cancel(pending)
            elif not pending.reply.cancelled():
                pending.reply.exception()  # retrieved, in case nobody awaits it
            self._forget(pending)

    # --- requests ---

    def _enqueue(
        self, request: InferenceRequest, timeout_s: float, previews: asyncio.Queue[Preview | None] | None
    ) -> PendingRequest:
        """Admit a request and send it, or queue it. Raises Overloaded, Unavailable."""
        loop, now = asyncio.get_running_loop(), monotonic()
        self._start()
        if (self._outage.lasts_s or 0.0) > OUTAGE_S:
            raise Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S)
        n_bytes = sum(array.nbytes for array in request.arrays.values())
        key = key_of(request)
        pending = PendingRequest(
            next(self._ids), request, key, n_bytes, now, now + timeout_s, loop.create_future(), previews
        )
        self._admit(pending)
        self._pending[pending.id] = pending
        self._pending_rows += request.rows
        self._pending_bytes += n_bytes
        pending.timer = loop.call_later(timeout_s, pending.time_out, timeout_s)
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = KeyQueue(key)
        queue.waiting[pending.id] = pending
        if not queue.sent:
            self._dispatch_next(queue)
        return pending

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._tasks.keep("link to Redis", self._hold_link)
            self._tasks.keep("look at the workers", self._follow_workers)
            self._tasks.keep("lag of the event loop", self._measure_lag)

    def _admit(self, pending: PendingRequest) -> None:
        """Raises Overloaded, with the time after which to try again."""
        if not self._pending:
            return
        request, now = pending.request, pending.began
        worker = self._route(request.model, now)
        rows, limit = self._pending_rows + request.rows, self._settings.max_pending_rows
        if rows > limit or self._pending_bytes + pending.n_bytes > MAX_PENDING_BYTES:
            wait_s = self._latency.load_ms(worker, now) / 1000 if worker else 0.0
            raise Overloaded(
                f"{self._pending_rows} rows of {self._pending_bytes} bytes are waiting, and at most {limit} rows of "
                f"{MAX_PENDING_BYTES} bytes may; try again later",
                retry_after_s=_retry_after(wait_s),
            )
        finish_s = self._latency.latency_ms(worker, pending.key, request.rows, now) / 1000 if worker else 0.0
        left_s = pending.deadline - now
        if finish_s and finish_s + self._lag_s > left_s:
            raise Overloaded(
                f"the answer would be ready in about {finish_s:.1f} s and its deadline is in {left_s:.1f} s; "
                "try again later, ask for less, or give more time",
                retry_after_s=_retry_after(finish_s - left_s),
            )

    def _route(self, model: str, now: float) -> str | None:
        return self._router.route(model, lambda worker: self._latency.load_ms(worker, now))

    def _dispatch_next(self, queue: KeyQueue) -> None:
        """Send the next frame of a key, if there is one."""
        queue.release()
        if not queue.waiting:
            if self._queues.get(queue.key) is queue:
                del self._queues[queue.key]
            return
        if self._link is None:
            return  # `_read_workers` dispatches again when Redis answers
        now = monotonic()
        worker = self._route(queue.key[0], now)
        if worker is None:
            return
        frame = list(frame_of(queue.waiting.values()))
        for pending in frame:
            del queue.waiting[pending.id]
            pending.sent_at = now
        queue.sent = {pending.id for pending in frame}
        queue.timer = asyncio.get_running_loop().call_later(HOLD_S, self._dispatch_next, queue)
        self._latency.send(worker, queue.key, sum(pending.request.rows for pending in frame), now)
        try:
            self._write(self._link, worker, frame, now)
        except Exception:
            log.exception("a frame could not be written")
            self._refuse(frame, Failed("the request could not be sent; the service's log tells why"))

    def _write(self, link: Link, worker: str, frame: Sequence[PendingRequest], now: float) -> None:
        """Send a frame. If the worker turns out to have left, the requests are queued again."""
        asked = tuple(FramedRequest(p.id, p.request, 1000 * (p.deadline - now)) for p in frame)
        payload = encode_frame(Frame(link.reply_to, asked))
        add: tuple[Argument, ...] = ("XADD", stream_of(worker), "NOMKSTREAM", "*")
        if len(payload) <= INLINE_BYTES:
            added = link.send(*add, "frame", payload)
        else:
            key = f"{PREFIX}payload:{secrets.token_hex(8)}"
            kept, added = link.send_all(("SET", key, payload, "EX", PAYLOAD_S), (*add, "key", key))
            kept.add_done_callback(_log_error)  # a worker that finds no payload refuses the frame
        added.add_done_callback(lambda added: self._written(added, worker, frame))

    def _written(self, added: asyncio.Future[Any], worker: str, frame: Sequence[PendingRequest]) -> None:
        if added.cancelled():
            return
        error = added.exception()
        if isinstance(error, redis.ConnectionError):
            return  # sent again when Redis answers
        if error is not None:
            log.warning("Redis refused a frame: %s", error)
            self._refuse(frame, Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S))
        elif added.result() is None:
            self._router.remove(worker)
            self._requeue(frame)

    def _requeue(self, frame: Iterable[PendingRequest]) -> None:
        """Put requests back at the head of their queues."""
        queues: dict[Key, tuple[KeyQueue, dict[int, PendingRequest]]] = {}
        for pending in frame:
            if pending.id in self._pending:
                pending.sent_at = None
                queue = self._queues.setdefault(pending.key, KeyQueue(pending.key))
                queues.setdefault(pending.key, (queue, {}))[1][pending.id] = pending
        for queue, again in queues.values():
            queue.waiting = {**again, **queue.waiting}
            self._dispatch_next(queue)

    def _forget(self, pending: PendingRequest) -> None:
        """Remove a request that is answered, refused or cancelled."""
        if self._pending.pop(pending.id, None) is None:
            return
        if pending.timer is not None:
            pending.timer.cancel()
        self._pending_rows -= pending.request.rows
        self._pending_bytes -= pending.n_bytes
        queue = self._queues.get(pending.key)
        if queue is None:
            return
        queue.waiting.pop(pending.id, None)
        queue.sent.discard(pending.id)
        if not queue.sent:
            self._dispatch_next(queue)

    def _cancel(self, pending: PendingRequest) -> None:
        """Cancel a request; workers get all cancellations of one round of the loop in one entry."""
        pending.reply.cancel()
        if pending.sent_at is None:
            return
        self._cancelled.append(pending.id)
        if len(self._cancelled) == 1:
            asyncio.get_running_loop().call_soon(self._send_cancellations)

    def _send_cancellations(self) -> None:
        ids, self._cancelled = self._cancelled, []
        if self._link is not None:
            add: tuple[Argument, ...] = ("XADD", CANCELLED, "MAXLEN", "~", CANCELLATIONS, "*", "to")
            entries = [(*add, to, "ids", json.dumps(ids)) for to in self._link.lists]
            for answer in self._link.send_all(*entries, ("EXPIRE", CANCELLED, PAYLOAD_S)):
                answer.add_done_callback(_log_error)

    async def _measure_lag(self) -> None:
        """Measure how late the loop runs callbacks, because replies will be read as late."""
        while True:
            due = monotonic() + LAG_S
            await asyncio.sleep(LAG_S)
            self._lag_s = max(monotonic() - due, LAG_DECAY * self._lag_s)

    # --- workers ---

    async def _follow_workers(self) -> None:
        """Read the live workers at each beat; without any, refuse pending requests."""
        while True:
            await asyncio.sleep(self._settings.beat_s)
            if (link := self._link) is not None:
                with suppress(redis.ConnectionError):  # then a new link reads them first
                    await self._read_workers(link)

    async def _read_workers(self, link: Link) -> None:
        self._workers = await live_workers(link, self._settings)
        ours = [worker for worker in self._workers if worker.protocol == PROTOCOL]
        staying = [worker for worker in ours if not worker.leaving]
        self._router.update(staying)
        self._latency.retain({worker.id for worker in staying})
        if staying:
            self._dispatch_all()
            return
        if monotonic() < self._patient_until:
            return
        # A worker that leaves still replies to what was sent to it.
        lost = [each for each in self._pending.values() if not ours or each.sent_at is None]
        self._refuse(lost, no_worker_error(self._workers))

    def _dispatch_all(self) -> None:
        for queue in list(self._queues.values()):
            if not queue.sent:
                self._dispatch_next(queue)

    # --- replies ---

    async def _hold_link(self) -> None:
        """Keep a link open, and read its replies."""
        while True:
            try:
                link = await open_link(self._settings, self._link_before)
                await self._use_link(link)
            except redis.RedisError as error:
                pause_s = self._outage.failed(error)
                if (self._outage.lasts_s or 0.0) > OUTAGE_S:
                    self._refuse(self._pending.values(), Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S))
                await asyncio.sleep(pause_s)

    async def _use_link(self, link: Link) -> None:
        """Use a link until it is lost."""
        self._link = link
        try:
            if self._link_before is not None:
                self._patient_until = monotonic() + GRACE_BEATS * self._settings.beat_s
                self._requeue([each for each in self._pending.values() if each.sent_at is not None])
            self._link_before = link
            self._outage.over()
            await self._read_workers(link)
            while True:
                for data in await link.read(drain=len(self._pending) > 1):
                    self._deliver(data)
        finally:
            self._link = None
            self._probes.forget()
            link.close()

    def _deliver(self, data: bytes) -> None:
        """Resolve the requests of these replies; a reply that nobody waits for is dropped."""
        try:
            replies = decode_replies(data)
        except OtherVersion as error:
            self._refuse([self._pending[n] for n in error.ids if n in self._pending], error.refusal())
            return
        except MalformedFrame as error:
            if not (data.startswith(ECHO) and self._probes.echo(data)):
                log.warning("dropped a reply: %s", error)
            return
        now, load = monotonic(), replies.load
        self._probes.replied_at = now
        for reply in replies.replies:
            pending = self._pending.get(reply.id)
            if pending is None or pending.reply.done():
                self._probes.replied(reply.id)
                continue
            if load is not None:  # replies of one batch are of one key
                self._latency.observe(pending.key, load, now)
                load = None
            match reply:
                case Answered():
                    pending.reply.set_result(Reply(reply.arrays, reply.info, pending.timing(reply, now)))
                case Previewed():
                    pending.add_preview(Preview(reply.step, reply.steps, reply.arrays))
                case Refusal():
                    pending.reply.set_exception(reply.error())

    def _refuse(self, pending: Iterable[PendingRequest], error: ServiceError) -> None:
        for each in list(pending):
            if not each.reply.done():
                each.reply.set_exception(type(error)(error.detail, retry_after_s=error.retry_after_s))


def _retry_after(wait_s: float) -> float:
    return min(LONGEST_RETRY_AFTER_S, max(0.1, wait_s))


def _log_error(answer: asyncio.Future[Any]) -> None:
    """Log a failed command whose answer nobody awaits."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log.debug("Redis: %s", error)
