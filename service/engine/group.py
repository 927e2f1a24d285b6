"""The questions of one key on one model: which rows share the next call, and what becomes of them.

Waiting rows join earliest deadline first, as far as the cap leaves room; rows that have joined stay. All rows of a
call go one step, each from where it stands, and finished rows leave. A call that fails is split in halves that are
tried again as calls of their own, until the guilty question is alone: it is refused, and the others go on from the
step where they stood. A call that does not fit into memory halves the cap, down to the one row that does not fit.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable
from math import inf, prod
from typing import final

import numpy as np
import torch

from pushforward.service.domain.errors import ServiceError, TimedOut
from pushforward.service.domain.inference import Question
from pushforward.service.engine.costs import Costs
from pushforward.service.engine.failures import check, is_finite, is_out_of_memory, refusal
from pushforward.service.engine.model_cache import Hold
from pushforward.service.engine.previews import completed
from pushforward.service.engine.programs import Task, task_of
from pushforward.service.engine.rows import RowBlock, Segment, hand_out, join, take
from pushforward.service.engine.step import Step, attempt
from pushforward.service.engine.tickets import Call, Key, Ticket, Turn
from pushforward.service.engine.waiting import WaitingTickets
from pushforward.service.telemetry.worker import Reason

log = logging.getLogger(__name__)

MAX_CALL_ROWS, MAX_CALL_VALUES = 8192, 2**20  # values: numbers in the data


@final
class Group:
    """Add questions, take turns."""

    def __init__(
        self,
        key: Key,
        question: Question,
        hold: Hold,
        costs: Costs,
        device: torch.device,
        clock: Callable[[], float],
    ) -> None:
        self.key = key
        self.hold = hold
        self.deficit_ms = 0.0
        self.live = 0  # questions without an answer
        self._question = question  # any of them
        self._costs = costs
        self._device = device
        self._clock = clock
        self._task: Task | None = None
        self._waiting = WaitingTickets()
        self._blocks: deque[RowBlock] = deque()  # rows under way; nearly always one
        self._retries: deque[RowBlock] = deque()  # parts of calls that failed
        self._earliest = inf  # no deadline of rows under way is earlier
        self._watched = False  # whether anybody wants previews

    @property
    def ready(self) -> bool:
        """Whether the model is loaded, or known to be unavailable."""
        return self.hold.ready

    @property
    def rows(self) -> int:
        """Rows under way or waiting."""
        return self._waiting.rows + sum(len(block) for block in (*self._blocks, *self._retries))

    @property
    def backlog_ms(self) -> float:
        """Estimated time until all are complete."""
        steps = self._costs.steps
        row_steps, longest = self._waiting.rows * steps, steps if self._waiting.rows else 0
        for block in (*self._blocks, *self._retries):
            taken = block.running.k if block.running is not None and not block.fresh else np.zeros(1, np.int64)
            row_steps += len(block) * steps - int(taken.sum())
            longest = max(longest, steps - int(taken.min()))
        return self._costs.ms(row_steps, longest)

    def takes(self, question: Question) -> bool:
        """Whether a request has this key."""
        mine = self._question
        same = question.model == mine.model and question.op == mine.op
        return same and (question.options is mine.options or question.options == mine.options)

    def is_late(self, now: float) -> bool:
        """Whether `expire` might find any."""
        return self._earliest <= now or self._waiting.is_late(now)

    def add(self, ticket: Ticket, arrival: int) -> None:
        """Take a request in."""
        self._waiting.add(ticket, arrival)
        self._watched |= ticket.question.preview_every > 0
        self.live += 1

    def expire(self, now: float) -> list[Ticket]:
        """Refuse requests whose deadline has passed."""
        late = {}
        if self._earliest <= now:
            under_way = [ticket for block in (*self._blocks, *self._retries) for ticket in block.tickets]
            late = {ticket: None for ticket in under_way if ticket.deadline <= now}
            self._earliest = min((t.deadline for t in under_way if t not in late), default=inf)
        late |= dict.fromkeys(self._waiting.late(now))
        self.refuse(late, TimedOut("the deadline passed before the answer was computed"))
        return list(late)

    def refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        """Remove requests and their rows."""
        gone = {ticket for ticket in tickets if ticket.error is None}
        for ticket in gone:
            ticket.error = error
            self._waiting.rows -= ticket.question.rows - ticket.joined
        self.live -= len(gone)
        if not any(ticket.joined for ticket in gone):
            return
        for blocks in (self._blocks, self._retries):
            kept = [block.of(set(block.tickets) - gone) for block in blocks]
            blocks.clear()
            blocks.extend(block for block in kept if len(block))

    def turn(self) -> Turn:
        """One forward pass: rows join, advance a step, and leave."""
        began = self._clock()
        try:
            task = self._opened()
        except Exception as error:
            return Turn(self._refuse_all(error))
        with torch.no_grad():
            retried = bool(self._retries)
            block, done = (take(self._retries, self._costs.cap), []) if retried else self._next(task)
            if not len(block):
                return Turn(done)
            step, failure = attempt(task, block, self._device, watched=self._watched)
        ms = 1000 * (self._clock() - began)
        for ticket in block.tickets:
            ticket.compute_ms += ms
        if step is None:
            return Turn(done + self._part(block, failure))
        call = self._measured(block, ms, alone=retried)
        return Turn(done + self._finish(step), completed(step.seen, step.previews, task.steps), call)

    def close(self) -> None:
        """Release the model."""
        self.hold.release()

    def _opened(self) -> Task:
        if self._task is None:
            model = self.hold.model
            values = max(model.nets.spec.size, prod(model.card.latent_shape or (1,)))
            self._task = task_of(model, self._question, self._device)
            self._costs.steps = max(1, self._task.steps)
            self._costs.limit = max(1, min(MAX_CALL_ROWS, MAX_CALL_VALUES // values))
        return self._task

    def _next(self, task: Task) -> tuple[RowBlock, list[Ticket]]:
        """The rows of the next forward pass, and the requests that were refused."""
        cap, taken, n = self._costs.cap, [], 0
        while self._blocks and n < cap:
            taken.append(take(self._blocks, cap - n))
            n += len(taken[-1])
        fresh, refused = self._admit(task, cap - n)
        return join([*taken, RowBlock(None, fresh)]), refused

    def _admit(self, task: Task, room: int) -> tuple[tuple[Segment, ...], list[Ticket]]:
        """Rows of waiting requests that begin now, as many as there is room for; and the requests that were refused."""
        fresh, refused, before, now = [], [], room, self._clock()
        while self._waiting and room:
            ticket = self._waiting.first
            rows = ticket.question.rows
            if (
                ticket.error is None
                and not ticket.joined
                and self._costs.misses(ticket.deadline - now, beside=self._costs.cap - room)
            ):
                self.refuse([ticket], TimedOut("the deadline would pass before the answer is computed"))
                refused.append(ticket)
            elif ticket.error is None and not ticket.joined:
                try:
                    ticket.given = task.prepare(ticket.question)
                except Exception as error:
                    self.refuse([ticket], refusal(ticket, error))
                    refused.append(ticket)
                ticket.started_at = now
            if ticket.error is None:
                n = min(room, rows - ticket.joined)
                fresh.append(Segment(ticket, ticket.joined, n))
                ticket.joined += n
                room -= n
            if ticket.error is not None or ticket.joined == rows:
                self._waiting.pop()
        self._waiting.rows -= before - room
        self._earliest = min(self._earliest, min((each.ticket.deadline for each in fresh), default=inf))
        return tuple(fresh), refused

    def _measured(self, block: RowBlock, ms: float, *, alone: bool) -> Call:
        """Record the cost of a forward pass."""
        rows, cap = len(block), self._costs.cap
        for ticket in block.tickets:
            ticket.batch_rows = max(ticket.batch_rows, rows)
        reason: Reason = "alone" if alone else "full" if rows >= cap or self._waiting.rows else "drained"
        self._costs.see(rows, ms)
        return Call(self.key[0], self.key[1], rows, cap, ms, reason)

    def _finish(self, step: Step) -> list[Ticket]:
        """Keep rows that stay, hand out rows that leave; gives the requests that are complete."""
        if step.stay is not None:
            self._blocks.append(RowBlock(step.stay))
        if step.leave is None:
            return []
        hand_out(step.leave.owners, step.answers)
        tickets = dict.fromkeys(segment.ticket for segment in step.leave.owners)
        if not all(is_finite(self.key[1], array) for array in step.answers.values()):
            for ticket in tickets:
                ticket.suspect = True
        done = [ticket for ticket in tickets if not ticket.left]
        for ticket in done:
            ticket.info = dict(step.info)
            if ticket.suspect:
                check(ticket, self.hold.model.card.spec.condition)
        self.live -= len(done)
        return done

    def _part(self, block: RowBlock, failure: Exception | None) -> list[Ticket]:
        """After a failure: retry in parts, or refuse the one request that is left."""
        tickets = block.tickets
        if is_out_of_memory(failure):
            torch.cuda.empty_cache()
            self._costs.overflow(len(block))
            if len(block) > 1:
                self._blocks.appendleft(block)  # the next call takes as much of it as the cap, halved, allows
                return []
        elif len(tickets) > 1:
            self._retries.extendleft(reversed(block.by_tickets()))
            return []
        self.refuse(tickets, refusal(tickets[0], failure))
        return tickets

    def _refuse_all(self, failure: Exception) -> list[Ticket]:
        """The model cannot be loaded, or does not accept these options."""
        tickets = self._waiting.tickets
        for ticket in tickets:
            self.refuse([ticket], refusal(ticket, failure))
        return tickets
