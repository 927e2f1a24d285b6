"""The engine: questions in, answers out, one network call a turn. It knows no Redis and no clock but its own.

Questions of one key (model, op, options) share calls. A turn belongs to one key, the keys taking turns: new rows join,
all rows of the key go one step, each from where it stands, finished rows leave. Rows and numbers of a call are
capped. If a call fails, its questions are tried again each by itself, so that only the guilty one is refused; a lone
question that does not fit into memory is tried with half the rows at a time.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from math import prod
from time import monotonic
from typing import final

import numpy as np
import torch
from torch import Tensor

from models.errors import LaboratoryError
from models.noise import Noise
from service.domain import Load, Preview, Question
from service.errors import Failed, Invalid, ServiceError, TimedOut
from service.worker.answering import Named, Way, way
from service.worker.residency import Residency

log = logging.getLogger(__name__)

MAX_CALL_ROWS = 512
MAX_CALL_VALUES = 2**20  # numbers in the data of one call

Key = tuple[str, str, str]


@final
@dataclass(frozen=True)
class Turn:
    """What a turn brought; all of it is of one key."""

    done: list[Ticket]
    previews: list[tuple[Ticket, Preview]] = field(default_factory=list)


@final
@dataclass(eq=False)
class Ticket:
    """A question under way."""

    question: Question
    deadline: float  # of time.monotonic()
    arrays: dict[str, np.ndarray] = field(default_factory=dict)  # of the answer, filled row by row
    info: dict[str, object] = field(default_factory=dict)
    error: ServiceError | None = None
    compute_ms: float = 0.0
    batch_rows: int = 0  # of the largest call it shared
    joined: int = 0  # rows that have begun
    left: int = 0  # rows without an answer
    started: float = 0.0
    given: Tensor | None = None  # a row for each row of the answer

    def restart(self) -> None:
        """As if nothing had been computed."""
        self.arrays, self.joined, self.left, self.given = {}, 0, self.question.rows, None


@dataclass(frozen=True)
class _Rows:
    """Rows that stand side by side in one state."""

    state: Tensor  # (B, ...)
    noise: Noise
    k: np.ndarray  # (B,) the next step of each
    owner: list[tuple[Ticket, int, int]]  # ticket, its first row, how many: in the order of the state


class _Group:
    """The questions of one key."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._model = ExitStack()  # keeps the model in memory
        self._way: Way | None = None
        self.cap = MAX_CALL_ROWS
        self.waiting: deque[Ticket] = deque()
        self.alone: deque[Ticket] = deque()  # to be tried each by itself
        self.rows: _Rows | None = None
        self.guilty: Ticket | None = None  # whose fault it is, should the present call fail

    @property
    def tickets(self) -> list[Ticket]:
        """All that are not answered yet."""
        under_way = [ticket for ticket, _, _ in self.rows.owner] if self.rows else []
        return list(dict.fromkeys([*under_way, *self.waiting, *self.alone]))

    @property
    def is_open(self) -> bool:
        """Whether the model is there."""
        return self._way is not None

    def open(self, residency: Residency, question: Question) -> Way:
        """The way of this key, its model pinned. Raises NotFound, Failed, Unsupported."""
        if self._way is None:
            model = self._model.enter_context(residency.use(question.model))
            sizes = [model.nets.spec.size, prod(model.card.latent_shape or (1,))]
            self.cap = max(1, min(MAX_CALL_ROWS, MAX_CALL_VALUES // max(sizes)))
            self._way = way(model, question, self._device)
        return self._way

    def close(self) -> None:
        """Unpin the model."""
        self._model.close()

    def drop(self, *tickets: Ticket) -> None:
        """Give questions up; their rows go."""
        gone = set(tickets)
        self.waiting = deque(ticket for ticket in self.waiting if ticket not in gone)
        self.alone = deque(ticket for ticket in self.alone if ticket not in gone)
        if self.rows is not None:
            keep = np.concatenate([np.full(n, owner not in gone) for owner, _, n in self.rows.owner])
            self.rows = _select(self.rows, keep)

    def turn(self, chosen: Way) -> Iterator[Ticket]:
        """Rows join, go a step, and leave. Yields the answered."""
        self._join(chosen)
        if self.rows is None:
            return
        began = monotonic()
        tickets = list(dict.fromkeys(ticket for ticket, _, _ in self.rows.owner))
        self.guilty = tickets[0] if len(tickets) == 1 else None
        for ticket in tickets:
            ticket.batch_rows = max(ticket.batch_rows, len(self.rows.k))
        if chosen.steps:
            state = chosen.step(self.rows.state, torch.from_numpy(self.rows.k), self.rows.noise)
            self.rows = _Rows(state, self.rows.noise, self.rows.k + 1, self.rows.owner)
        done = self.rows.k >= chosen.steps
        if done.any():
            leaving = _select(self.rows, done)
            if leaving is not None:
                _hand_out(leaving, chosen.finish(leaving.state, leaving.noise))
                self.rows = _select(self.rows, ~done)
        self.guilty = None
        spent_ms = 1000 * (monotonic() - began)
        for ticket in tickets:
            ticket.compute_ms += spent_ms
            if ticket.left == 0:
                ticket.info = dict(chosen.info)
                yield ticket

    def _join(self, chosen: Way) -> None:
        """Let waiting rows in, as far as there is room; a question tried alone waits for an empty call."""
        n_rows = len(self.rows.k) if self.rows else 0
        if self.rows is None and self.alone:
            self._enter(chosen, self.alone[0], self.cap)
            if self.alone[0].joined == self.alone[0].question.rows:
                self.alone.popleft()
            return
        while self.waiting and not self.alone and n_rows < self.cap:
            ticket = self.waiting[0]
            n_rows += self._enter(chosen, ticket, self.cap - n_rows)
            if ticket.joined == ticket.question.rows:
                self.waiting.popleft()

    def _enter(self, chosen: Way, ticket: Ticket, room: int) -> int:
        """Begin some rows of a question; how many."""
        began = monotonic()
        self.guilty = ticket
        if ticket.joined == 0:
            ticket.given = chosen.prepare(ticket.question)
        first, n = ticket.joined, min(room, ticket.question.rows - ticket.joined)
        noise = Noise.rows(ticket.question.seed, n, start=ticket.question.first + first, device=self._device)
        given = None if ticket.given is None else ticket.given[first : first + n]
        fresh = _Rows(chosen.begin(given, noise), noise, np.zeros(n, np.int64), [(ticket, first, n)])
        self.guilty = None
        self.rows = fresh if self.rows is None else _concatenate(self.rows, fresh)
        ticket.joined += n
        ticket.compute_ms += 1000 * (monotonic() - began)
        return n


@final
class Engine:
    """One thread's: add questions, take turns."""

    def __init__(self, residency: Residency, device: torch.device) -> None:
        self._residency = residency
        self._device = device
        self._groups: dict[Key, _Group] = {}  # the next to have its turn first

    @property
    def busy(self) -> bool:
        """Whether a turn would do something."""
        return bool(self._groups)

    @property
    def tickets(self) -> list[Ticket]:
        """All that are not answered yet."""
        return [ticket for group in self._groups.values() for ticket in group.tickets]

    def add(self, tickets: Iterable[Ticket]) -> None:
        """Take questions in."""
        for ticket in tickets:
            ticket.restart()
            key = _key(ticket.question)
            if key not in self._groups:
                self._groups[key] = _Group(self._device)
            self._groups[key].waiting.append(ticket)

    @property
    def ready(self) -> bool:
        return bool(self._groups)

    def cancel(self, tickets: Iterable[Ticket]) -> None:
        for ticket in tickets:
            ticket.deadline = -float("inf")

    def load(self, ticket: Ticket, worker: str) -> Load:
        return Load(worker, 0.0, 0.0, 1, 0.0)

    def turn(self) -> Turn:
        return Turn(self._turn())

    def _turn(self) -> list[Ticket]:
        """One call for the key whose turn it is; the questions it answered or refused."""
        if not self._groups:
            return []
        key = next(iter(self._groups))
        group = self._groups.pop(key)
        done = list(_expired(group))
        if group.tickets:
            done += self._compute(group)
        if group.tickets:
            self._groups[key] = group  # to the end of the line
        else:
            group.close()
        return done

    def close(self) -> None:
        """Let all models go."""
        for group in self._groups.values():
            group.close()
        self._groups.clear()

    def _compute(self, group: _Group) -> list[Ticket]:
        done: list[Ticket] = []
        failure: Exception | None = None
        try:
            with torch.no_grad():
                chosen = group.open(self._residency, group.tickets[0].question)
                done.extend(group.turn(chosen))
        except Exception as error:
            if isinstance(error, torch.OutOfMemoryError):
                error.__traceback__ = None  # its frames hold the tensors
            failure = error
        if failure is not None:  # outside the handler, where an exception in flight would hold them too
            done += _isolate(group, failure)
        return [_checked(ticket) for ticket in done]


def _isolate(group: _Group, failure: Exception) -> list[Ticket]:
    """After a failed call: refuse the guilty question, or try each by itself to find it."""
    ticket, group.guilty = group.guilty, None
    tickets = group.tickets
    if not group.is_open:
        group.drop(*tickets)
        for each in tickets:
            each.error = _refusal(each, failure)
        return tickets
    if ticket is None:
        for each in tickets:
            each.restart()
        group.rows, group.waiting, group.alone = None, deque(), deque(tickets)
        return []
    group.drop(ticket)
    if isinstance(failure, torch.OutOfMemoryError):
        torch.cuda.empty_cache()
        rows = min(group.cap, ticket.question.rows)
        if rows > 1:
            group.cap = rows // 2
            ticket.restart()
            group.alone.appendleft(ticket)
            return []
    ticket.error = _refusal(ticket, failure)
    return [ticket]


def _checked(ticket: Ticket) -> Ticket:
    """A number that is none is a refusal: of the model, or of given rows too far out for float32."""
    log_prob = ticket.question.op == "likelihood"
    for name, array in ticket.arrays.items():
        if np.isnan(array).any() if log_prob else not np.isfinite(array).all():
            ticket.error = Failed(f"the model's {name} are not finite; train it again with a lower learning rate")
            for given in ticket.question.arrays:
                ticket.error = Invalid.field(given, f"gives {name} that are not finite; its values are far too large")
    return ticket


def _refusal(ticket: Ticket, failure: Exception) -> ServiceError:
    match failure:
        case ServiceError():
            return failure
        case LaboratoryError():
            return Invalid.field(failure.field or "x", failure.message)
        case torch.OutOfMemoryError():
            return Failed("one row of this question does not fit into the device's memory")
    log.error("%s of %s failed", ticket.question.op, ticket.question.model, exc_info=failure)
    return Failed("the model failed on this question; the worker's log tells why")


def _expired(group: _Group) -> Iterator[Ticket]:
    """Give up questions that nobody waits for."""
    now = monotonic()
    late = [ticket for ticket in group.tickets if ticket.deadline <= now]
    if late:
        group.drop(*late)
    for ticket in late:
        ticket.error = TimedOut("the deadline passed before the answer was computed")
        yield ticket


def _key(question: Question) -> Key:
    return question.model, question.op, json.dumps(question.options, sort_keys=True)


def _concatenate(a: _Rows, b: _Rows) -> _Rows:
    state, k = torch.cat([a.state, b.state]), np.concatenate([a.k, b.k])
    return _Rows(state, Noise.join([a.noise, b.noise]), k, [*a.owner, *b.owner])


def _select(rows: _Rows, keep: np.ndarray) -> _Rows | None:
    """Some of the rows; None where none is left."""
    if keep.all():
        return rows
    if not keep.any():
        return None
    owner, at = [], 0
    for ticket, first, n in rows.owner:
        kept = np.flatnonzero(keep[at : at + n])
        at += n
        # A ticket's rows that joined together stand at one step, so they stay or go together.
        if len(kept):
            owner.append((ticket, first, n))
    index = torch.from_numpy(np.flatnonzero(keep)).to(rows.state.device)
    return _Rows(rows.state[index], rows.noise[keep], rows.k[keep], owner)


def _hand_out(rows: _Rows, named: Named) -> None:
    """Write finished rows into the answers of their questions."""
    arrays = {name: tensor.cpu().numpy() for name, tensor in named.items()}
    at = 0
    for ticket, first, n in rows.owner:
        for name, array in arrays.items():
            if name not in ticket.arrays:
                ticket.arrays[name] = np.empty((ticket.question.rows, *array.shape[1:]), array.dtype)
            ticket.arrays[name][first : first + n] = array[at : at + n]
        ticket.left -= n
        at += n
