"""The engine: questions in, answers out, one forward pass a turn. It knows no Redis and no clock but its own.

Questions of one key (model, op, options) share calls; the keys take turns by what their calls cost. A model that is
not in memory is loaded while the others go on. A version made anew gets a group of its own, and the group that holds
the old one finishes on it.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Callable, Iterable
from itertools import count
from time import monotonic
from typing import final

import torch

from pushforward.service.domain.errors import TimedOut
from pushforward.service.domain.inference import Load, Question
from pushforward.service.engine.costs import Costs
from pushforward.service.engine.group import Group
from pushforward.service.engine.model_cache import Hold, Residency
from pushforward.service.engine.scheduler import Ring
from pushforward.service.engine.tickets import Call, Key, Ticket, Turn

KEYS = 1024  # whose costs are remembered
FADE = 0.98  # of what is known of the time between turns


@final
class Engine:
    """One thread's: add questions, take turns."""

    def __init__(self, residency: Residency, device: torch.device, *, clock: Callable[[], float] = monotonic) -> None:
        self._residency = residency
        self._device = device
        self._clock = clock
        self._ring: Ring[Group] = Ring()
        self._newest: dict[Key, Group] = {}
        self._home: dict[Ticket, Group] = {}
        self._given_up: list[Ticket] = []
        self._costs: OrderedDict[Key, Costs] = OrderedDict()  # least recently asked first
        self._arrivals = count()
        self._ended_at: float | None = None  # of the last turn, if there was more to do
        self._between_s = self._within_s = 0.0  # turns, faded

    @property
    def busy(self) -> bool:
        """Whether it holds tickets."""
        return bool(self._home or self._given_up)

    @property
    def ready(self) -> bool:
        """Whether a turn would do something now; False while everything waits for models to load."""
        now = self._clock()
        return bool(self._given_up) or any(group.ready or group.is_late(now) for group in self._ring)

    def wait(self, timeout_s: float) -> None:
        """Until a model that is being loaded is there, but no longer."""
        Hold.wait_for_any([group.hold for group in self._ring], timeout_s)

    def add(self, tickets: Iterable[Ticket]) -> None:
        """Take questions in."""
        group: Group | None = None
        for ticket in tickets:
            if group is None or not group.takes(ticket.question):
                group = self._group(ticket.question)
            ticket.left, ticket.key = ticket.question.rows, group.key
            group.add(ticket, next(self._arrivals))
            self._home[ticket] = group

    def cancel(self, tickets: Iterable[Ticket]) -> None:
        """Nobody waits for these: their rows leave before the next step, they come out of the next turn, refused."""
        gone: dict[Group, list[Ticket]] = {}
        for ticket in dict.fromkeys(tickets):
            if ticket in self._home:
                gone.setdefault(self._home[ticket], []).append(ticket)
        for group, given_up in gone.items():
            group.refuse(given_up, TimedOut("given up"))
            self._settle(group, given_up)
            self._given_up += given_up

    def turn(self) -> Turn:
        """One call, for the key whose turn it is."""
        done, self._given_up = self._given_up, []
        now = self._clock()
        for group in [group for group in self._ring if group.is_late(now)]:
            late = group.expire(now)
            self._settle(group, late)
            done += late
        chosen = self._ring.next()
        if chosen is None:
            return Turn(done)
        turn = chosen.turn()
        ended = self._clock()
        chosen.deficit_ms -= 1000 * (ended - now)
        self._settle(chosen, turn.done)
        if self._ended_at is not None:
            self._between_s = FADE * self._between_s + now - self._ended_at
            self._within_s = FADE * self._within_s + ended - now
        self._ended_at = ended if self._home else None
        return Turn(turn.done + done, turn.previews, turn.call)

    def load(self, key: Key, worker: str) -> Load:
        """What it is foreseen to be busy with, told to who asks questions of this key.

        Between turns questions are read and answers sent, which takes its share of the time of a busy engine.
        """
        costs = self._costs.get(key)
        drag = 1 + self._between_s / self._within_s if self._within_s else 1.0
        backlog = [(group.key, drag * group.backlog_ms) for group in self._ring]
        rows = sum(group.rows for group in self._ring if group.key == key)
        return Load(
            worker=worker,
            backlog_ms=sum(ms for _, ms in backlog),
            key_backlog_ms=sum(ms for other, ms in backlog if other == key),
            keys=len(backlog),
            row_ms=drag * costs.row_ms if costs else 0.0,
            pass_ms=drag * costs.pass_ms(max(1, rows)) if costs else 0.0,
        )

    def close(self) -> None:
        """Let all models go."""
        for group in list(self._ring):
            self._ring.leave(group)
            group.close()
        self._newest.clear()
        self._home.clear()

    def _group(self, question: Question) -> Group:
        key = _key(question)
        group = self._newest.get(key)
        if group is None or not group.hold.is_current:
            hold, costs = self._residency.hold(question.model), self._costs_of(key)
            group = Group(key, question, hold, costs, self._device, self._clock)
            self._newest[key] = group
            self._ring.enter(group)
        return group

    def _costs_of(self, key: Key) -> Costs:
        costs = self._costs.setdefault(key, Costs())
        self._costs.move_to_end(key)
        if len(self._costs) > KEYS:
            self._costs.popitem(last=False)
        return costs

    def _settle(self, group: Group, done: Iterable[Ticket]) -> None:
        """Forget questions that are answered or refused, and the group that has no others."""
        for ticket in done:
            del self._home[ticket]
        if group.live:
            return
        self._ring.leave(group)
        if self._newest.get(group.key) is group:
            del self._newest[group.key]
        group.close()


def _key(question: Question) -> Key:
    return question.model, question.op, json.dumps(question.options, sort_keys=True) if question.options else ""


__all__ = ["Call", "Engine", "Ticket", "Turn"]
