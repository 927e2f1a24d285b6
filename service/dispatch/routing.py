"""Routing by rendezvous hashing: a request goes to the worker that holds its model, unless that worker is busy.

For each model all gateways sort the workers in the same order, without communication: by hash(worker, model). When a
worker joins or leaves, only the models move for which it is first. The first worker that is not busy gets the request,
so a busy model spills over to the same second worker from all gateways. If all are busy, the least busy one gets it.

References:
    | Using name-based mappings to increase hit rates (Thaler & Ravishankar, 1998), doi:10.1109/90.663936
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import final

BUSY_MS = 250.0  # of work, above which the next worker is tried; to load a model there costs about as much
SILENT_BEATS = 2.5  # after which a worker gets requests only if all are silent


@final
class Router:
    """The live workers, as one gateway knows them."""

    def __init__(self, beat_s: float) -> None:
        self._silent_s = SILENT_BEATS * beat_s
        self._ids: tuple[str, ...] = ()
        self._orders: dict[str, list[str]] = {}  # by model

    def update(self, silent_s: Mapping[str, float]) -> None:
        """Set the live workers, each with the seconds since it was heard."""
        lively = [worker for worker, seconds in silent_s.items() if seconds <= self._silent_s]
        ids = tuple(sorted(lively or silent_s))
        if ids != self._ids:
            self._ids, self._orders = ids, {}

    def route(self, model: str, load_ms: Callable[[str], float]) -> str | None:
        """The worker for a request; None where there is none."""
        if len(self._ids) < 2:
            return self._ids[0] if self._ids else None
        order = self._orders.get(model)
        if order is None:
            order = self._orders[model] = sorted(self._ids, key=lambda worker: _weight(worker, model))
        loads = [load_ms(worker) for worker in order]
        for worker, load in zip(order, loads, strict=True):
            if load <= BUSY_MS:
                return worker
        return order[loads.index(min(loads))]


def _weight(worker: str, model: str) -> bytes:
    return blake2b(f"{worker}\0{model}".encode(), digest_size=8).digest()
