"""The questions of one key on one model: which rows share the next call, and what becomes of them.

Waiting rows join earliest deadline first, as far as the cap leaves room; rows that have joined stay. All rows of a
call go one step, each from where it stands, and finished rows leave. A call that fails is split in halves that are
tried again as calls of their own, until the guilty question is alone: it is refused, and the others go on from the
step where they stood. A call that does not fit into memory halves the cap, down to the one row that does not fit.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import heappop, heappush
from math import inf, prod
from typing import final

import numpy as np
import torch

from pushforward.models.errors import LaboratoryError
from pushforward.models.spec.conditions import Condition, Vector
from pushforward.service.domain.errors import Failed, Invalid, ServiceError, TimedOut
from pushforward.service.domain.inference import Preview, Question
from pushforward.service.engine.costs import Costs
from pushforward.service.engine.model_cache import Hold
from pushforward.service.engine.programs import Way, unsound, way
from pushforward.service.engine.rows import Block, Rows, Segment, hand_out, join, on_host, place
from pushforward.service.engine.tickets import Call, Key, Seen, Ticket, Turn
from pushforward.service.telemetry.worker import Reason

log = logging.getLogger(__name__)

MAX_CALL_ROWS = 8192
SURE_AFTER = 16  # calls whose costs were seen
MAX_CALL_VALUES = 2**20  # numbers in the data of one call
HUGE = 1e6  # of a condition, in network units: what may carry networks beyond float32

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class _Step:
    """What came out of a call that went well."""

    stay: Rows | None
    leave: Rows | None
    answers: Arrays  # of those that leave
    seen: Rows | None  # of those that stay, the ones to look at
    previews: Arrays


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
        self._way: Way | None = None
        self._waiting: list[tuple[float, int, Ticket]] = []  # a heap: deadline, arrival; the refused are passed over
        self._waiting_rows = 0
        self._blocks: deque[Block] = deque()  # rows under way; nearly always one
        self._retries: deque[Block] = deque()  # parts of calls that failed
        self._earliest = inf  # no deadline of rows under way is earlier
        self._watched = False  # whether anybody wants previews

    @property
    def ready(self) -> bool:
        """Whether the model is there, or known not to be."""
        return self.hold.ready

    @property
    def rows(self) -> int:
        """That are under way or wait."""
        return self._waiting_rows + sum(len(block) for block in (*self._blocks, *self._retries))

    @property
    def backlog_ms(self) -> float:
        """What it is foreseen to take until all are answered."""
        steps = self._costs.steps
        row_steps, longest = self._waiting_rows * steps, steps if self._waiting_rows else 0
        for block in (*self._blocks, *self._retries):
            taken = block.running.k if block.running is not None and not block.fresh else np.zeros(1, np.int64)
            row_steps += len(block) * steps - int(taken.sum())
            longest = max(longest, steps - int(taken.min()))
        return self._costs.ms(row_steps, longest)

    def takes(self, question: Question) -> bool:
        """Whether a question is of this key."""
        mine = self._question
        same = question.model == mine.model and question.op == mine.op
        return same and (question.options is mine.options or question.options == mine.options)

    def is_late(self, now: float) -> bool:
        """Whether `expire` might find any."""
        return self._earliest <= now or bool(self._waiting and self._waiting[0][0] <= now)

    def add(self, ticket: Ticket, arrival: int) -> None:
        """Take a question in."""
        heappush(self._waiting, (ticket.deadline, arrival, ticket))
        self._waiting_rows += ticket.question.rows
        self._watched |= ticket.question.preview_every > 0
        self.live += 1

    def expire(self, now: float) -> list[Ticket]:
        """Give up questions that nobody waits for."""
        late = {}
        if self._earliest <= now:
            under_way = [ticket for block in (*self._blocks, *self._retries) for ticket in block.tickets]
            late = {ticket: None for ticket in under_way if ticket.deadline <= now}
            self._earliest = min((t.deadline for t in under_way if t not in late), default=inf)
        while self._waiting and (self._waiting[0][0] <= now or self._waiting[0][2].error):
            ticket = heappop(self._waiting)[2]
            if ticket.error is None:
                late[ticket] = None
        self.refuse(late, TimedOut("the deadline passed before the answer was computed"))
        return list(late)

    def refuse(self, tickets: Iterable[Ticket], error: ServiceError) -> None:
        """Questions and their rows go."""
        gone = {ticket for ticket in tickets if ticket.error is None}
        for ticket in gone:
            ticket.error = error
            self._waiting_rows -= ticket.question.rows - ticket.joined
        self.live -= len(gone)
        if not any(ticket.joined for ticket in gone):
            return
        for blocks in (self._blocks, self._retries):
            kept = [block.of(set(block.tickets) - gone) for block in blocks]
            blocks.clear()
            blocks.extend(block for block in kept if len(block))

    def turn(self) -> Turn:
        """Rows join, go a step, and leave."""
        began = self._clock()
        try:
            chosen = self._opened()
        except Exception as error:
            return Turn(self._refuse_all(error))
        with torch.no_grad():
            retried = bool(self._retries)
            block, done = (_take(self._retries, self._costs.cap), []) if retried else self._next(chosen)
            if not len(block):
                return Turn(done)
            step, failure = self._attempt(chosen, block)
        ms = 1000 * (self._clock() - began)
        for ticket in block.tickets:
            ticket.compute_ms += ms
        if step is None:
            return Turn(done + self._part(block, failure))
        call = self._measured(block, ms, alone=retried)
        return Turn(done + self._settle(chosen, step), self._show(chosen, step), call)

    def close(self) -> None:
        """Let the model go."""
        self.hold.release()

    def _opened(self) -> Way:
        if self._way is None:
            model = self.hold.model
            values = max(model.nets.spec.size, prod(model.card.latent_shape or (1,)))
            self._way = way(model, self._question, self._device)
            self._costs.steps = max(1, self._way.steps)
            self._costs.limit = max(1, min(MAX_CALL_ROWS, MAX_CALL_VALUES // values))
        return self._way

    def _next(self, chosen: Way) -> tuple[Block, list[Ticket]]:
        """The rows of the next call; and the questions that could not join."""
        cap, taken, n = self._costs.cap, [], 0
        while self._blocks and n < cap:
            taken.append(_take(self._blocks, cap - n))
            n += len(taken[-1])
        fresh, refused = self._admit(chosen, cap - n)
        return join([*taken, Block(None, fresh)]), refused

    def _admit(self, chosen: Way, room: int) -> tuple[tuple[Segment, ...], list[Ticket]]:
        """Let waiting rows in, as far as there is room."""
        fresh, refused, before, now = [], [], room, self._clock()
        while self._waiting and room:
            ticket = self._waiting[0][2]
            rows = ticket.question.rows
            if ticket.error is None and not ticket.joined and self._is_hopeless(ticket, room):
                self.refuse([ticket], TimedOut("the deadline would pass before the answer is computed"))
                refused.append(ticket)
            elif ticket.error is None and not ticket.joined:
                try:
                    ticket.given = chosen.prepare(ticket.question)
                except Exception as error:
                    self.refuse([ticket], _refusal(ticket, error))
                    refused.append(ticket)
                ticket.started_at = now
            if ticket.error is None:
                n = min(room, rows - ticket.joined)
                fresh.append(Segment(ticket, ticket.joined, n))
                ticket.joined += n
                room -= n
            if ticket.error is not None or ticket.joined == rows:
                heappop(self._waiting)
        self._waiting_rows -= before - room
        self._earliest = min(self._earliest, min((each.ticket.deadline for each in fresh), default=inf))
        return tuple(fresh), refused

    def _is_hopeless(self, ticket: Ticket, room: int) -> bool:
        """Whether a question would be late for sure, in the company of others. Alone it is tried: who knows?"""
        under_way = self._costs.cap - room
        if under_way <= 0 or self._costs.line.calls < SURE_AFTER:
            return False
        return ticket.deadline < self._clock() + self._costs.pass_ms(under_way) / 1000

    def _attempt(self, chosen: Way, block: Block) -> tuple[_Step | None, Exception | None]:
        """One step for all rows of a block; what it raised, if it failed."""
        try:
            rows = block.begun(chosen, self._device).moved(chosen)
            leave, stay = rows.parted(chosen.steps)
            answers = on_host(chosen.finish(leave.state, leave.noise), len(leave)) if leave else {}
            seen = _to_look_at(stay) if stay and self._watched else None
            previews = on_host(chosen.preview(seen.state, torch.from_numpy(seen.k)), len(seen)) if seen else {}
            return _Step(stay, leave, answers, seen, previews), None
        except Exception as error:
            if _is_out_of_memory(error):
                error.__traceback__ = None  # its frames hold the tensors
            return None, error

    def _measured(self, block: Block, ms: float, *, alone: bool) -> Call:
        """Learn from a call."""
        rows, cap = len(block), self._costs.cap
        for ticket in block.tickets:
            if ticket.batch_rows < rows:
                ticket.batch_rows = rows
        reason: Reason = "alone" if alone else "full" if rows >= cap or self._waiting_rows else "drained"
        self._costs.see(rows, ms)
        return Call(self.key[0], self.key[1], rows, cap, ms, reason)

    def _settle(self, chosen: Way, step: _Step) -> list[Ticket]:
        """Keep those that stay, answer those that leave; the questions that are answered."""
        if step.stay is not None:
            self._blocks.append(Block(step.stay))
        if step.leave is None:
            return []
        hand_out(step.leave.owners, step.answers)
        tickets = dict.fromkeys(segment.ticket for segment in step.leave.owners)
        if not all(_is_sound(self.key[1], array) for array in step.answers.values()):
            for ticket in tickets:
                ticket.suspect = True
        done = [ticket for ticket in tickets if not ticket.left]
        for ticket in done:
            ticket.info = dict(chosen.info)
            if ticket.suspect:
                _check(ticket, self.hold.model.card.spec.condition)
        self.live -= len(done)
        return done

    def _show(self, chosen: Way, step: _Step) -> list[tuple[Ticket, Preview]]:
        """Previews all of whose rows have come so far."""
        shown: list[tuple[Ticket, Preview]] = []
        if step.seen is None or not step.previews:
            return shown
        for at, (ticket, first, n) in step.seen.placed():
            k, rows = int(step.seen.k[at]), ticket.question.rows
            seen = ticket.previews.setdefault(k, Seen({}, rows))
            for name, array in step.previews.items():
                place(seen.arrays, name, array[at : at + n], first, rows)
            seen.left -= n
            if not seen.left:
                del ticket.previews[k]
                shown.append((ticket, Preview(k, chosen.steps, seen.arrays)))
        return shown

    def _part(self, block: Block, failure: Exception | None) -> list[Ticket]:
        """After a failed call: try again in parts, or refuse the one question that is left."""
        tickets = block.tickets
        if _is_out_of_memory(failure):
            torch.cuda.empty_cache()
            self._costs.overflow(len(block))
            if len(block) > 1:
                self._blocks.appendleft(block)  # the next call takes as much of it as the cap, halved, allows
                return []
        elif len(tickets) > 1:
            self._retries.extendleft(reversed(block.by_tickets()))
            return []
        self.refuse(tickets, _refusal(tickets[0], failure))
        return tickets

    def _refuse_all(self, failure: Exception) -> list[Ticket]:
        """The model is not to be had, or does not take these options."""
        tickets = [ticket for _, _, ticket in self._waiting if ticket.error is None]
        for ticket in tickets:
            self.refuse([ticket], _refusal(ticket, failure))
        return tickets


def _take(blocks: deque[Block], rows: int) -> Block:
    """So many rows of the first block, at most; the others stay."""
    block = blocks.popleft()
    if len(block) > rows:
        block, rest = block.at(rows)
        blocks.appendleft(rest)
    return block


def _to_look_at(rows: Rows) -> Rows | None:
    """Rows of which a preview is due."""
    due = np.zeros(len(rows), bool)
    for at, (ticket, _, n) in rows.placed():
        every = ticket.question.preview_every
        due[at : at + n] = every > 0 and rows.k[at] % every == 0
    return rows.of(due)


def _is_out_of_memory(error: Exception | None) -> bool:
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or "DefaultCPUAllocator" in str(error)


def _is_sound(op: str, array: np.ndarray) -> bool:
    """Whether all numbers are some; an impossible row has the likelihood -inf."""
    return not np.isnan(array).any() if op == "likelihood" else bool(np.isfinite(array).all())


def _check(ticket: Ticket, kind: Condition | None) -> None:
    """A number that is none is a refusal: of the model, or of given rows too far out for float32."""
    for name, array in ticket.arrays.items():
        if not _is_sound(ticket.question.op, array):
            given = _far_out(ticket.question.arrays, kind)
            if given is None:
                ticket.error = Failed(unsound(name))
            else:
                ticket.error = Invalid.field(given, f"gives {name} that are not finite; its values are far too large")


def _far_out(arrays: Mapping[str, np.ndarray], kind: Condition | None) -> str | None:
    """The array to blame; a condition only where it is huge, for it comes beside rows and alone."""
    rows = [name for name in arrays if name != "condition"]
    if rows:
        return rows[-1]
    if "condition" not in arrays:
        return None
    given = arrays["condition"]
    units = kind.normal(given) if isinstance(kind, Vector) else given
    return "condition" if np.abs(units).max() > HUGE else None


def _refusal(ticket: Ticket, failure: Exception | None) -> ServiceError:
    match failure:
        case ServiceError():
            return failure
        case LaboratoryError():
            return Invalid.field(failure.field or "x", failure.message)
    if _is_out_of_memory(failure):
        return Failed("one row of this question does not fit into the device's memory")
    log.error("%s of %s failed", ticket.question.op, ticket.question.model, exc_info=failure)
    return Failed("the model failed on this question; the worker's log tells why")
