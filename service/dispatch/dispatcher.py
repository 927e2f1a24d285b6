"""Sends requests to workers and takes their replies, over one connection to each worker.

A request is a pure function of its fields. So where a connection breaks, its requests go to other workers; one that
`MAX_DEATHS` workers did not survive is refused, because it may have killed them. The last time such a request travels
alone, so that those that were in its company are not refused with it.

A request is refused at once if too much is pending, or if its reply is expected after its deadline.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Sequence
from itertools import count
from time import monotonic
from typing import final

from pushforward.service.dispatch.admission import Lag, LatencyModel, retry_after_s
from pushforward.service.dispatch.connection import Dispatching, WorkerConnection
from pushforward.service.dispatch.messages import Answered, Previewed, Refusal, Replies
from pushforward.service.dispatch.pending import MAX_PENDING_BYTES, PendingRequest, Totals, key_of
from pushforward.service.dispatch.roster import Roster
from pushforward.service.dispatch.routing import Router
from pushforward.service.domain.catalog import Worker
from pushforward.service.domain.errors import Failed, Overloaded, ServiceError, Unavailable
from pushforward.service.domain.inference import InferenceRequest, Preview, Reply
from pushforward.service.domain.ports import UNSENT
from pushforward.service.processes.background import Tasks
from pushforward.service.settings import Settings
from pushforward.service.stores.redis_client import RETRY_AFTER_S

MAX_DEATHS = 3


@final
class Dispatcher(Dispatching):
    """`ports.Asks` and `ports.Reach`, of one event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._roster = Roster(settings, self)
        self._router = Router(settings.beat_s)
        self._latency = LatencyModel()
        self._ids = count()
        self._pending: dict[int, PendingRequest] = {}
        self._unplaced: dict[int, PendingRequest] = {}  # wait for a worker
        self._suspects: deque[PendingRequest] = deque()  # wait to travel alone; the first does
        self._totals = Totals()
        self._tasks = Tasks()
        self._started = False
        self._lag = Lag()

    async def close(self) -> None:
        """Refuse pending requests, and close the connections."""
        self._refuse(self._pending.values(), Unavailable("the service stops", retry_after_s=RETRY_AFTER_S))
        await asyncio.sleep(0)
        await self._tasks.close()
        await self._roster.close()

    async def reach(self) -> Sequence[Worker]:
        """`ports.Reach`: the workers that take requests. Of one at least the inference thread comes round."""
        self._start()
        return await self._roster.reach()

    async def ask(self, request: InferenceRequest, *, timeout_s: float) -> Reply:
        pending = self._enqueue(request, timeout_s, None)
        try:
            return await pending.reply
        except asyncio.CancelledError as cancelled:
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
                pending.reply.cancel()
            elif not pending.reply.cancelled():
                pending.reply.exception()  # retrieved, in case nobody awaits it
            self._forget(pending)

    # --- requests ---

    def _enqueue(
        self, request: InferenceRequest, timeout_s: float, previews: asyncio.Queue[Preview | None] | None
    ) -> PendingRequest:
        """Admit a request and send it. Raises Overloaded, Unavailable."""
        loop, now = asyncio.get_running_loop(), monotonic()
        self._start()
        n_bytes = sum(array.nbytes for array in request.arrays.values()) if request.arrays else 0
        key = key_of(request)
        pending = PendingRequest(
            next(self._ids), request, key, n_bytes, now, now + timeout_s, loop.create_future(), previews
        )
        worker = self._route(request.model, now)
        if worker is None and (error := self._roster.hopeless()) is not None:
            raise error
        self._admit(pending, worker)
        self._pending[pending.id] = pending
        self._totals.add(pending)
        pending.timer = loop.call_later(timeout_s, pending.time_out, timeout_s)
        self._place(pending, worker)
        return pending

    def _start(self) -> None:
        if not self._started:
            self._started = True
            self._roster.start()
            self._tasks.keep("lag of the event loop", self._lag.measure)

    def _admit(self, pending: PendingRequest, worker: WorkerConnection | None) -> None:
        """Raises Overloaded, with the time after which to try again."""
        if not self._pending:
            return
        request, now = pending.request, pending.began
        if (worker is not None and worker.is_full) or self._totals.exceed(pending, self._settings.max_pending_rows):
            wait_s = self._latency.load_ms(worker.id, now) / 1000 if worker else 0.0
            raise Overloaded(
                f"{self._totals.rows} rows of {self._totals.n_bytes} bytes are waiting, and at most "
                f"{self._settings.max_pending_rows} rows of {MAX_PENDING_BYTES} bytes may; try again later",
                retry_after_s=retry_after_s(wait_s),
            )
        finish_s = self._latency.latency_ms(worker.id, pending.key, request.rows, now) / 1000 if worker else 0.0
        left_s = pending.deadline - now
        if finish_s and finish_s + self._lag.seconds > left_s:
            raise Overloaded(
                f"the answer would be ready in about {finish_s:.1f} s and its deadline is in {left_s:.1f} s; "
                "try again later, ask for less, or give more time",
                retry_after_s=retry_after_s(finish_s - left_s),
            )

    def _route(self, model: str, now: float) -> WorkerConnection | None:
        worker = self._router.route(model, lambda worker: self._latency.load_ms(worker, now))
        return None if worker is None else self._roster.get(worker)

    def _place(self, pending: PendingRequest, worker: WorkerConnection | None) -> None:
        """Give a request to a worker, or keep it until there is one."""
        if worker is None:
            self._unplaced[pending.id] = pending
        else:
            pending.worker = worker.id
            worker.send(pending)

    def _place_again(self, requests: Iterable[PendingRequest]) -> None:
        now = monotonic()
        for pending in requests:
            if not pending.reply.done():
                pending.sent_at = pending.worker = None
                self._place(pending, self._route(pending.request.model, now))

    def _forget(self, pending: PendingRequest) -> None:
        """Remove a request that is answered, refused or cancelled."""
        if self._pending.pop(pending.id, None) is None:
            return
        if pending.timer is not None:
            pending.timer.cancel()
        self._totals.remove(pending)
        if pending.worker is None:
            self._unplaced.pop(pending.id, None)
        elif (worker := self._roster.get(pending.worker)) is not None:
            worker.forget(pending)
        if self._suspects and pending in self._suspects:
            was_first = self._suspects[0] is pending
            self._suspects.remove(pending)
            if was_first and self._suspects:
                self._place_again([self._suspects[0]])

    def _refuse(self, pending: Iterable[PendingRequest], error: ServiceError) -> None:
        for each in list(pending):
            if not each.reply.done():
                each.reply.set_exception(type(error)(error.detail, retry_after_s=error.retry_after_s))

    # --- Dispatching ---

    def joined(self, connection: WorkerConnection) -> None:
        self._update()
        unplaced, self._unplaced = self._unplaced, {}
        self._place_again(unplaced.values())

    def sent(self, connection: WorkerConnection, frame: Sequence[PendingRequest], now: float) -> None:
        self._latency.send(connection.id, frame[0].key, sum(pending.request.rows for pending in frame), now)

    def replied(self, replies: Replies) -> None:
        """Resolve the requests of these replies; a reply that nobody waits for is dropped."""
        now, load = monotonic(), replies.load
        for reply in replies.replies:
            pending = self._pending.get(reply.id)
            if pending is None or pending.reply.done():
                continue
            if load is not None:  # replies of one frame are of one key
                self._latency.observe(pending.key, load, now)
                load = None
            match reply:
                case Answered():
                    pending.reply.set_result(Reply(reply.arrays, reply.info, pending.timing(reply, now)))
                case Previewed():
                    pending.add_preview(Preview(reply.step, reply.steps, reply.arrays))
                case Refusal():
                    pending.reply.set_exception(reply.error())

    def unsendable(self, pending: PendingRequest, error: Failed) -> None:
        self._refuse([pending], error)

    def leaving(self, connection: WorkerConnection, unsent: Sequence[PendingRequest]) -> None:
        self._roster.expect()
        self._update()
        self._place_again(unsent)

    def lost(self, connection: WorkerConnection) -> None:
        self._roster.remove(connection)
        self._update()
        again = []
        for pending in list(connection.in_flight.values()):
            pending.deaths += pending.sent_at is not None
            if pending.deaths >= MAX_DEATHS:
                self._refuse([pending], Failed("no worker survived this request"))
            elif pending.deaths == MAX_DEATHS - 1 and pending not in self._suspects:
                self._suspects.append(pending)
                pending.sent_at = pending.worker = None
                again += [pending] if self._suspects[0] is pending else []
            else:
                again.append(pending)
        self._place_again(again)

    def checked(self) -> None:
        self._update()
        if self._unplaced and (error := self._roster.hopeless()) is not None:
            self._refuse([*self._unplaced.values(), *self._suspects], error)

    def _update(self) -> None:
        taking = self._roster.taking
        self._router.update({name: worker.silent_s for name, worker in taking.items()})
        self._latency.retain(set(taking))
