"""The way of a question to a worker and back, on Redis; the keys are those of `ask_streams`.

Questions of one key that arrive while a frame of that key is under way leave together in the next one; none waits when
the way is free. A question may be sent twice, and is after an outage: its answer is a pure function of it, and an
answer that nobody waits for is dropped.

A question is refused at once where too much waits already, or where its answer is forecast to be late.
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

from pushforward.service.dispatch.admission import Forecast, Key
from pushforward.service.dispatch.frames import Answered, Asked, Frame, Previewed, Refusal, decode_replies, encode_frame
from pushforward.service.dispatch.framing import MalformedFrame, OtherVersion
from pushforward.service.dispatch.keys import CANCELLED, stream_of
from pushforward.service.dispatch.link import Link, open_link
from pushforward.service.dispatch.pending import Lane, Pending, frame_of, key_of
from pushforward.service.dispatch.probes import ECHO, Probes, missing
from pushforward.service.dispatch.routing import Fleet
from pushforward.service.dispatch.workers import live_workers
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Failed, Overloaded, ServiceError, Unavailable
from pushforward.service.domain.inference import PROTOCOL, Preview, Question, Reply
from pushforward.service.domain.ports import UNSENT
from pushforward.service.processes.background import Tasks
from pushforward.service.processes.outages import Outage
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import PREFIX, RETRY_AFTER_S
from pushforward.service.stores.redis_connection import Argument

log = logging.getLogger(__name__)

GONE_ENTRIES = 1000  # kept; a worker that misses one computes in vain, until the deadline
INLINE_BYTES = 256 * 1024  # of a frame within the stream
PAYLOAD_S = 300  # a large frame that nobody fetched goes by itself
HOLD_S = 0.005  # longest that a frame holds others of its key back: they can join a long sampler under way
OUTAGE_S = 5.0  # of Redis, after which waiting questions are refused
FEEL_S = 0.05  # between two looks at the loop's lag
CALM = 0.9  # what is left of a lag at the next look
GRACE_BEATS = 3  # in which a live worker is heard again
MAX_PENDING_BYTES = 512 * 2**20  # of the arrays of questions without an answer
LONGEST_RETRY_AFTER_S = 60.0

_AWAY = "Redis does not answer; try again"


@final
class RedisAsks:
    """`ports.Asks`, of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._fleet = Fleet(settings.beat_s)
        self._forecast = Forecast()
        self._ids = count()
        self._probes = Probes(self._ids)
        self._pending: dict[int, Pending] = {}
        self._lanes: dict[Key, Lane] = {}
        self._pending_rows = 0
        self._pending_bytes = 0
        self._gone: list[int] = []  # sent and given up; the workers are not told yet
        self._link: Link | None = None  # None while Redis is away
        self._link_before: Link | None = None
        self._outage = Outage(log, "Redis")
        self._patient_until = 0.0  # after an outage that Redis may have forgotten the workers' beats in
        self._workers: Sequence[Worker] = ()  # alive, of whatever version
        self._tasks = Tasks()
        self._started = False
        self._lag_s = 0.0  # how late this event loop runs what is due

    async def close(self) -> None:
        """Refuse what waits, and close the connections."""
        self._refuse(self._pending.values(), Unavailable("the service stops", retry_after_s=RETRY_AFTER_S))
        await asyncio.sleep(0)
        if self._link is not None:
            self._link.send("DEL", *self._link.lists).add_done_callback(_note)
        await self._tasks.close()

    @property
    def reply_to(self) -> str:
        """Where replies come at present; empty while Redis is away."""
        return "" if self._link is None else self._link.reply_to

    async def reach(self) -> None:
        """`ports.Reach`: a probe takes the way of a question, unless a reply came just now."""
        self._start()
        await self._probes.check(lambda: self._link, lambda: self._workers, self._settings.ask_timeout_s)

    async def ask(self, question: Question, *, timeout_s: float) -> Reply:
        pending = self._begin(question, timeout_s, None)
        try:
            return await pending.reply
        except asyncio.CancelledError as gone:
            self._give_up(pending)
            if pending.sent_at is None:
                gone.args = (UNSENT,)
            raise
        finally:
            self._forget(pending)

    async def watch(self, question: Question, *, timeout_s: float) -> AsyncGenerator[Preview | Reply]:
        previews: asyncio.Queue[Preview | None] = asyncio.Queue()
        pending = self._begin(question, timeout_s, previews)
        pending.reply.add_done_callback(lambda _: previews.put_nowait(None))
        try:
            while (preview := await previews.get()) is not None:
                yield preview
            yield await pending.reply
        finally:
            if not pending.reply.done():
                self._give_up(pending)
            elif not pending.reply.cancelled():
                pending.reply.exception()  # perhaps nobody came for it
            self._forget(pending)

    # --- the way there ---

    def _begin(self, question: Question, timeout_s: float, previews: asyncio.Queue[Preview | None] | None) -> Pending:
        """A question on its way. Raises Overloaded."""
        loop, now = asyncio.get_running_loop(), monotonic()
        self._start()
        if (self._outage.lasts_s or 0.0) > OUTAGE_S:
            raise Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S)
        n_bytes = sum(array.nbytes for array in question.arrays.values())
        key = key_of(question)
        pending = Pending(next(self._ids), question, key, n_bytes, now, now + timeout_s, loop.create_future(), previews)
        self._admit(pending)
        self._pending[pending.id] = pending
        self._pending_rows += question.rows
        self._pending_bytes += n_bytes
        pending.timer = loop.call_later(timeout_s, pending.be_late, timeout_s)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(key)
        lane.waiting[pending.id] = pending
        if not lane.under_way:
            self._go_on(lane)
        return pending

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._tasks.keep("link to Redis", self._keep_up)
            self._tasks.keep("look at the workers", self._look_around)
            self._tasks.keep("lag of the event loop", self._feel)

    def _admit(self, pending: Pending) -> None:
        """Raises Overloaded, telling when to try again."""
        if not self._pending:
            return
        question, now = pending.question, pending.began
        worker = self._choose(question.model, now)
        rows, limit = self._pending_rows + question.rows, self._settings.max_pending_rows
        if rows > limit or self._pending_bytes + pending.n_bytes > MAX_PENDING_BYTES:
            wait_s = self._forecast.busy_ms(worker, now) / 1000 if worker else 0.0
            raise Overloaded(
                f"{self._pending_rows} rows of {self._pending_bytes} bytes are waiting, and at most {limit} rows of "
                f"{MAX_PENDING_BYTES} bytes may; try again later",
                retry_after_s=_retry_after(wait_s),
            )
        finish_s = self._forecast.finish_ms(worker, pending.key, question.rows, now) / 1000 if worker else 0.0
        left_s = pending.deadline - now
        if finish_s and finish_s + self._lag_s > left_s:
            raise Overloaded(
                f"the answer would be ready in about {finish_s:.1f} s and its deadline is in {left_s:.1f} s; "
                "try again later, ask for less, or give more time",
                retry_after_s=_retry_after(finish_s - left_s),
            )

    def _choose(self, model: str, now: float) -> str | None:
        return self._fleet.choose(model, lambda worker: self._forecast.busy_ms(worker, now))

    def _go_on(self, lane: Lane) -> None:
        """The way is free: the next frame leaves."""
        lane.free()
        if not lane.waiting:
            if self._lanes.get(lane.key) is lane:
                del self._lanes[lane.key]
            return
        if self._link is None:
            return  # when Redis is back, or a worker is known, it goes on
        now = monotonic()
        worker = self._choose(lane.key[0], now)
        if worker is None:
            return
        frame = list(frame_of(lane.waiting.values()))
        for pending in frame:
            del lane.waiting[pending.id]
            pending.sent_at = now
        lane.under_way = {pending.id for pending in frame}
        lane.release = asyncio.get_running_loop().call_later(HOLD_S, self._go_on, lane)
        self._forecast.send(worker, lane.key, sum(pending.question.rows for pending in frame), now)
        try:
            self._write(self._link, worker, frame, now)
        except Exception:
            log.exception("a frame could not be written")
            self._refuse(frame, Failed("the question could not be sent; the service's log tells why"))

    def _write(self, link: Link, worker: str, frame: Sequence[Pending], now: float) -> None:
        """Send a frame; when the worker turns out to have left, its questions wait again."""
        asked = tuple(Asked(p.id, p.question, 1000 * (p.deadline - now)) for p in frame)
        payload = encode_frame(Frame(link.reply_to, asked))
        add: tuple[Argument, ...] = ("XADD", stream_of(worker), "NOMKSTREAM", "*")
        if len(payload) <= INLINE_BYTES:
            added = link.send(*add, "frame", payload)
        else:
            key = f"{PREFIX}payload:{secrets.token_hex(8)}"
            kept, added = link.send_all(("SET", key, payload, "EX", PAYLOAD_S), (*add, "key", key))
            kept.add_done_callback(_note)  # a worker that finds nothing under the key says so
        added.add_done_callback(lambda added: self._written(added, worker, frame))

    def _written(self, added: asyncio.Future[Any], worker: str, frame: Sequence[Pending]) -> None:
        if added.cancelled():
            return
        error = added.exception()
        if isinstance(error, redis.ConnectionError):
            return  # asked again when Redis is back
        if error is not None:
            log.warning("Redis refused a frame: %s", error)
            self._refuse(frame, Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S))
        elif added.result() is None:
            self._fleet.lose(worker)
            self._wait_again(frame)

    def _wait_again(self, frame: Iterable[Pending]) -> None:
        """Put questions back to where they waited, before all others."""
        lanes: dict[Key, tuple[Lane, dict[int, Pending]]] = {}
        for pending in frame:
            if pending.id in self._pending:
                pending.sent_at = None
                lane = self._lanes.setdefault(pending.key, Lane(pending.key))
                lanes.setdefault(pending.key, (lane, {}))[1][pending.id] = pending
        for lane, again in lanes.values():
            lane.waiting = {**again, **lane.waiting}
            self._go_on(lane)

    def _forget(self, pending: Pending) -> None:
        """It is answered, refused or given up; an unsent one is never sent."""
        if self._pending.pop(pending.id, None) is None:
            return
        if pending.timer is not None:
            pending.timer.cancel()
        self._pending_rows -= pending.question.rows
        self._pending_bytes -= pending.n_bytes
        lane = self._lanes.get(pending.key)
        if lane is None:
            return
        lane.waiting.pop(pending.id, None)
        lane.under_way.discard(pending.id)
        if not lane.under_way:
            self._go_on(lane)

    def _give_up(self, pending: Pending) -> None:
        """Let the workers know, all that leave at once with one word."""
        pending.reply.cancel()
        if pending.sent_at is None:
            return
        self._gone.append(pending.id)
        if len(self._gone) == 1:
            asyncio.get_running_loop().call_soon(self._tell_gone)

    def _tell_gone(self) -> None:
        ids, self._gone = self._gone, []
        if self._link is not None:
            add: tuple[Argument, ...] = ("XADD", CANCELLED, "MAXLEN", "~", GONE_ENTRIES, "*", "to")
            words = [(*add, to, "ids", json.dumps(ids)) for to in self._link.lists]
            for answer in self._link.send_all(*words, ("EXPIRE", CANCELLED, PAYLOAD_S)):
                answer.add_done_callback(_note)

    async def _feel(self) -> None:
        """Know how late the loop runs: so late the answer will be read as well."""
        while True:
            due = monotonic() + FEEL_S
            await asyncio.sleep(FEEL_S)
            self._lag_s = max(monotonic() - due, CALM * self._lag_s)

    # --- who is there ---

    async def _look_around(self) -> None:
        """Know the live workers; without any, refuse what waits."""
        while True:
            await asyncio.sleep(self._settings.beat_s)
            if (link := self._link) is not None:
                with suppress(redis.ConnectionError):  # then the link is made anew, which looks first
                    await self._look(link)

    async def _look(self, link: Link) -> None:
        self._workers = await live_workers(link, self._settings)
        ours = [worker for worker in self._workers if worker.protocol == PROTOCOL]
        staying = [worker for worker in ours if not worker.leaving]
        self._fleet.update(staying)
        self._forecast.keep({worker.id for worker in staying})
        if staying:
            self._go_on_everywhere()
            return
        if monotonic() < self._patient_until:
            return
        # A worker that leaves still answers what was sent to it.
        lost = [each for each in self._pending.values() if not ours or each.sent_at is None]
        self._refuse(lost, missing(self._workers))

    def _go_on_everywhere(self) -> None:
        for lane in list(self._lanes.values()):
            if not lane.under_way:
                self._go_on(lane)

    # --- the way back ---

    async def _keep_up(self) -> None:
        """Hold the link, and read the replies."""
        while True:
            try:
                link = await open_link(self._settings, self._link_before)
                await self._use(link)
            except redis.RedisError as error:
                pause_s = self._outage.failed(error)
                if (self._outage.lasts_s or 0.0) > OUTAGE_S:
                    self._refuse(self._pending.values(), Unavailable(_AWAY, retry_after_s=RETRY_AFTER_S))
                await asyncio.sleep(pause_s)

    async def _use(self, link: Link) -> None:
        """Until it is lost."""
        self._link = link
        try:
            if self._link_before is not None:
                self._patient_until = monotonic() + GRACE_BEATS * self._settings.beat_s
                self._wait_again([each for each in self._pending.values() if each.sent_at is not None])
            self._link_before = link
            self._outage.over()
            await self._look(link)
            while True:
                for data in await link.read(drain=len(self._pending) > 1):
                    self._deliver(data)
        finally:
            self._link = None
            self._probes.forget()
            link.close()

    def _deliver(self, data: bytes) -> None:
        """Wake those who wait; what nobody waits for is dropped."""
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
        self._probes.heard_at = now
        for reply in replies.replies:
            pending = self._pending.get(reply.id)
            if pending is None or pending.reply.done():
                self._probes.hear(reply.id)
                continue
            if load is not None:  # replies that come together are of one key
                self._forecast.hear(pending.key, load, now)
                load = None
            match reply:
                case Answered():
                    pending.reply.set_result(Reply(reply.arrays, reply.info, pending.timing(reply, now)))
                case Previewed():
                    pending.show(Preview(reply.step, reply.steps, reply.arrays))
                case Refusal():
                    pending.reply.set_exception(reply.error())

    def _refuse(self, pending: Iterable[Pending], error: ServiceError) -> None:
        for each in list(pending):
            if not each.reply.done():
                each.reply.set_exception(type(error)(error.detail, retry_after_s=error.retry_after_s))


def _retry_after(wait_s: float) -> float:
    return min(LONGEST_RETRY_AFTER_S, max(0.1, wait_s))


def _note(answer: asyncio.Future[Any]) -> None:
    """Nobody waits for this answer; workers that miss a word compute in vain, until the deadline."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log.debug("Redis: %s", error)
