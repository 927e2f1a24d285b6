"""The requests of one key on one model: which rows share the next call, and what happens to them after it.

Waiting rows join earliest deadline first, up to the cap; rows that have joined stay. All rows of a call take one step,
each from where it is, and finished rows leave. A call that fails is split in halves that are tried again as separate
calls, until the failing request is alone: it is refused, and the others continue from the step where they were. A call
that does not fit into memory halves the cap, down to a single row that does not fit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from math import inf, prod
from typing import Any, final

import numpy as np
import torch

from pushforward.service.domain.errors import ServiceError, TimedOut
from pushforward.service.domain.inference import InferenceRequest
from pushforward.service.engine.batching.batch import RowBatch, join, take
from pushforward.service.engine.batching.execution import StepResult, attempt_step, complete_previews, hand_out_finished
from pushforward.service.engine.batching.rows import Segment
from pushforward.service.engine.batching.waiting import WaitingQueue
from pushforward.service.engine.costs import Costs
from pushforward.service.engine.failures import is_out_of_memory, refusal
from pushforward.service.engine.model_cache import Pin
from pushforward.service.engine.tasks import Task, task_of
from pushforward.service.engine.tickets import Call, Key, Ticket, Turn
from pushforward.service.telemetry.worker import Reason

MAX_CALL_ROWS = 8192
MAX_CALL_VALUES = 2**20  # numbers in the data of one call


@final
class Group:
    """Add requests, take turns."""

    def __init__(
        self,
        key: Key,
        request: InferenceRequest,
        pin: Pin,
        costs: Costs,
        device: torch.device,
        clock: Callable[[], float],
    ) -> None:
        self.key = key
        self.pin = pin
        self.deficit_ms = 0.0
        self.live = 0  # requests without an answer
        self._request = request  # any of them
        self._costs = costs
        self._device = device
        self._clock = clock
        self._task: Task[Any, Any] | None = None
        self._waiting = WaitingQueue()
        self._running: deque[RowBatch] = deque()  # nearly always one
        self._retries: deque[RowBatch] = deque()  # parts of calls that failed
        self._earliest = inf  # no deadline of running rows is earlier
        self._with_previews = False  # whether any request has asked for previews

    @property
    def ready(self) -> bool:
        """Whether the model is loaded, or has failed to load."""
        return self.pin.ready

    @property
    def rows(self) -> int:
        """How many rows run or wait."""
        return self._waiting.rows + sum(len(batch) for batch in (*self._running, *self._retries))

    @property
    def backlog_ms(self) -> float:
        """Predicted time until all requests are answered."""
        steps = self._costs.steps
        row_steps, longest = self._waiting.rows * steps, steps if self._waiting.rows else 0
        for batch in (*self._running, *self._retries):
            taken = batch.running.k if batch.running is not None and not batch.fresh else np.zeros(1, np.int64)
            row_steps += len(batch) * steps - int(taken.sum())
            longest = max(longest, steps - int(taken.min()))
        return self._costs.ms(row_steps, longest)

    def takes(self, request: InferenceRequest) -> bool:
        """Whether a request is of this key."""
        mine = self._request
        same = request.model == mine.model and request.op == mine.op
        return same and (request.options is mine.options or request.options == mine.options)

    def is_late(self, now: float) -> bool:
        """Whether a deadline may have passed."""
        return self._earliest <= now or self._waiting.deadline <= now

    def add(self, ticket: Ticket, arrival: int) -> None:
        """Add a request."""
        self._waiting.push(ticket, arrival)
        self._with_previews |= ticket.request.preview_every > 0
        self.live += 1

    def expire(self, now: float) -> list[Ticket]:
        """Refuse requests whose deadline has passed."""
        late = {}
        if self._earliest <= now:
            running = [ticket for batch in (*self._running, *self._retries) for ticket in batch.tickets]
            late = {ticket: None for ticket in running if ticket.deadline <= now}
            self._earliest = min((t.deadline for t in running if t not in late), default=inf)
        late |= dict.fromkeys(self._waiting.pop_late(now))
        self.refuse(late, TimedOut("the deadline passed before the answer was computed"))
        return list(late)

    def refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        """Give requests an error and drop their rows."""
        refused = {ticket for ticket in tickets if ticket.error is None}
        for ticket in refused:
            ticket.error = error
            self._waiting.refused(ticket)
        self.live -= len(refused)
        if not any(ticket.joined for ticket in refused):
            return
        for batches in (self._running, self._retries):
            kept = [batch.only(set(batch.tickets) - refused) for batch in batches]
            batches.clear()
            batches.extend(batch for batch in kept if len(batch))

    def turn(self) -> Turn:
        """One forward pass: rows join, take a step, and leave."""
        began = self._clock()
        try:
            task = self._open()
        except Exception as error:
            return Turn(self._refuse_all(error))
        with torch.no_grad():
            retried = bool(self._retries)
            batch, refused = (take(self._retries, self._costs.cap), []) if retried else self._next(task)
            if not len(batch):
                return Turn(refused)
            result, failure = attempt_step(task, batch, self._device, with_previews=self._with_previews)
        ms = 1000 * (self._clock() - began)
        for ticket in batch.tickets:
            ticket.compute_ms += ms
        if result is None:
            return Turn(refused + self._split(batch, failure))
        call = self._measure(batch, ms, alone=retried)
        return Turn(refused + self._finish(result), complete_previews(result, task.program.steps), call)

    def close(self) -> None:
        """Release the model."""
        self.pin.release()

    def _open(self) -> Task[Any, Any]:
        if self._task is None:
            model = self.pin.model
            values = max(model.nets.spec.size, prod(model.card.latent_shape or (1,)))
            self._task = task_of(model, self._request, self._device)
            self._costs.steps = max(1, self._task.program.steps)
            self._costs.limit = max(1, min(MAX_CALL_ROWS, MAX_CALL_VALUES // values))
        return self._task

    def _next(self, task: Task[Any, Any]) -> tuple[RowBatch, list[Ticket]]:
        """The rows of the next call, and the requests that were refused."""
        cap, taken, n = self._costs.cap, [], 0
        while self._running and n < cap:
            taken.append(take(self._running, cap - n))
            n += len(taken[-1])
        fresh, refused = self._admit(task, cap - n)
        return join([*taken, RowBatch(None, fresh)]), refused

    def _admit(self, task: Task[Any, Any], room: int) -> tuple[tuple[Segment, ...], list[Ticket]]:
        """The waiting rows that join, as far as there is room, and the requests that were refused."""
        fresh, refused, now = [], [], self._clock()
        while room and (ticket := self._waiting.first) is not None:
            if not ticket.joined and (error := self._prepare(ticket, task, room, now)) is not None:
                self.refuse([ticket], error)
                refused.append(ticket)
            elif segment := self._waiting.take(room):
                fresh.append(segment)
                room -= segment.n
        self._earliest = min(self._earliest, min((each.ticket.deadline for each in fresh), default=inf))
        return tuple(fresh), refused

    def _prepare(self, ticket: Ticket, task: Task[Any, Any], room: int, now: float) -> ServiceError | None:
        """Set what a request gives to the program; why it is refused, if it is."""
        if self._costs.misses(ticket.deadline - now, beside=self._costs.cap - room):
            return TimedOut("the deadline would pass before the answer is computed")
        ticket.started_at = now
        try:
            ticket.given = task.prepare(ticket.request)
        except Exception as error:
            return refusal(ticket, error)
        return None

    def _measure(self, batch: RowBatch, ms: float, *, alone: bool) -> Call:
        """Learn the costs of a call."""
        rows, cap = len(batch), self._costs.cap
        for ticket in batch.tickets:
            if ticket.batch_rows < rows:
                ticket.batch_rows = rows
        reason: Reason = "alone" if alone else "full" if rows >= cap or self._waiting.rows else "drained"
        self._costs.see(rows, ms)
        return Call(self.key[0], self.key[1], rows, cap, ms, reason)

    def _finish(self, result: StepResult) -> list[Ticket]:
        """Keep running rows, hand out finished ones; the requests that are answered."""
        if result.running is not None:
            self._running.append(RowBatch(result.running))
        done = hand_out_finished(result, self.key[1], self.pin.model.card.spec)
        self.live -= len(done)
        return done

    def _split(self, batch: RowBatch, failure: Exception | None) -> list[Ticket]:
        """After a failed call: try again in parts, or refuse the single request that is left."""
        tickets = batch.tickets
        if is_out_of_memory(failure):
            torch.cuda.empty_cache()
            self._costs.overflow(len(batch))
            if len(batch) > 1:
                self._running.appendleft(batch)  # the next call takes as much of it as the cap, halved, allows
                return []
        elif len(tickets) > 1:
            self._retries.extendleft(reversed(batch.halves()))
            return []
        self.refuse(tickets, refusal(tickets[0], failure))
        return tickets

    def _refuse_all(self, failure: Exception) -> list[Ticket]:
        """After the model could not be loaded, or did not accept the options."""
        tickets = self._waiting.tickets
        for ticket in tickets:
            self.refuse([ticket], refusal(ticket, failure))
        return tickets
