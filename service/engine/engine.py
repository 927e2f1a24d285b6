"""The engine: requests in, answers out, one forward pass a turn. It knows no Redis.

Requests of one key (model, op, options) share calls; the keys take turns by what their calls cost. A model that is not
in memory is loaded while the other keys are served. A version that was deleted and made again gets a new group; the
group of the old one finishes with the old weights.
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
from pushforward.service.domain.inference import InferenceRequest, Load
from pushforward.service.engine.costs import Costs
from pushforward.service.engine.group import Group
from pushforward.service.engine.model_cache import ModelCache, Pin
from pushforward.service.engine.scheduler import DeficitRoundRobin
from pushforward.service.engine.tickets import Call, Key, Ticket, Turn

MAX_KEYS = 1024  # whose costs are kept
FADE = 0.98  # weight of earlier turns in the time between turns


@final
class Engine:
    """Add requests, take turns. For one thread."""

    def __init__(
        self, model_cache: ModelCache, device: torch.device, *, clock: Callable[[], float] = monotonic
    ) -> None:
        self._model_cache = model_cache
        self._device = device
        self._clock = clock
        self._groups: DeficitRoundRobin[Group] = DeficitRoundRobin()
        self._newest: dict[Key, Group] = {}
        self._group_of: dict[Ticket, Group] = {}
        self._cancelled: list[Ticket] = []  # since the last turn
        self._costs: OrderedDict[Key, Costs] = OrderedDict()  # least recently used first
        self._arrivals = count()
        self._ended_at: float | None = None  # the last turn, unless it left nothing to do
        self._between_s = self._within_s = 0.0  # turns, with weights that fade

    @property
    def busy(self) -> bool:
        """Whether it has requests."""
        return bool(self._group_of or self._cancelled)

    @property
    def ready(self) -> bool:
        """Whether a turn would do something now; False while everything waits for models to load."""
        now = self._clock()
        return bool(self._cancelled) or any(group.ready or group.is_late(now) for group in self._groups)

    def wait(self, timeout_s: float) -> None:
        """Wait until a model is loaded, at most so long."""
        Pin.wait_for_any([group.pin for group in self._groups], timeout_s)

    def add(self, tickets: Iterable[Ticket]) -> None:
        """Add requests."""
        group: Group | None = None
        for ticket in tickets:
            if group is None or not group.takes(ticket.request):
                group = self._group(ticket.request)
            ticket.left, ticket.key = ticket.request.rows, group.key
            group.add(ticket, next(self._arrivals))
            self._group_of[ticket] = group

    def cancel(self, tickets: Iterable[Ticket]) -> None:
        """Cancel requests: their rows leave before the next step, and the next turn returns them with an error."""
        cancelled: dict[Group, list[Ticket]] = {}
        for ticket in dict.fromkeys(tickets):
            if ticket in self._group_of:
                cancelled.setdefault(self._group_of[ticket], []).append(ticket)
        for group, of_group in cancelled.items():
            group.refuse(of_group, TimedOut("given up"))
            self._forget(group, of_group)
            self._cancelled += of_group

    def turn(self) -> Turn:
        """One call, for the key that has the turn."""
        done, self._cancelled = self._cancelled, []
        now = self._clock()
        for group in [group for group in self._groups if group.is_late(now)]:
            late = group.expire(now)
            self._forget(group, late)
            done += late
        chosen = self._groups.next()
        if chosen is None:
            return Turn(done)
        turn = chosen.turn()
        ended = self._clock()
        chosen.deficit_ms -= 1000 * (ended - now)
        self._forget(chosen, turn.done)
        if self._ended_at is not None:
            self._between_s = FADE * self._between_s + now - self._ended_at
            self._within_s = FADE * self._within_s + ended - now
        self._ended_at = ended if self._group_of else None
        return Turn(turn.done + done, turn.previews, turn.call)

    def load(self, key: Key, worker: str) -> Load:
        """The predicted load, reported to gateways that send requests of this key.

        Between turns a busy engine reads requests and sends answers; their share of the time counts as load.
        """
        costs = self._costs.get(key)
        overhead = 1 + self._between_s / self._within_s if self._within_s else 1.0
        backlog = [(group.key, overhead * group.backlog_ms) for group in self._groups]
        rows = sum(group.rows for group in self._groups if group.key == key)
        return Load(
            worker=worker,
            backlog_ms=sum(ms for _, ms in backlog),
            key_backlog_ms=sum(ms for other, ms in backlog if other == key),
            keys=len(backlog),
            row_ms=overhead * costs.row_ms if costs else 0.0,
            pass_ms=overhead * costs.pass_ms(max(1, rows)) if costs else 0.0,
        )

    def close(self) -> None:
        """Release all models."""
        for group in list(self._groups):
            self._groups.leave(group)
            group.close()
        self._newest.clear()
        self._group_of.clear()

    def _group(self, request: InferenceRequest) -> Group:
        key = _key(request)
        group = self._newest.get(key)
        if group is None or not group.pin.is_current:
            pin, costs = self._model_cache.pin(request.model), self._costs_of(key)
            group = Group(key, request, pin, costs, self._device, self._clock)
            self._newest[key] = group
            self._groups.enter(group)
        return group

    def _costs_of(self, key: Key) -> Costs:
        costs = self._costs.setdefault(key, Costs())
        self._costs.move_to_end(key)
        if len(self._costs) > MAX_KEYS:
            self._costs.popitem(last=False)
        return costs

    def _forget(self, group: Group, done: Iterable[Ticket]) -> None:
        """Remove requests that are answered or refused, and their group if it has no others."""
        for ticket in done:
            del self._group_of[ticket]
        if group.live:
            return
        self._groups.leave(group)
        if self._newest.get(group.key) is group:
            del self._newest[group.key]
        group.close()


def _key(request: InferenceRequest) -> Key:
    return request.model, request.op, json.dumps(request.options, sort_keys=True) if request.options else ""


__all__ = ["Call", "Engine", "Ticket", "Turn"]
