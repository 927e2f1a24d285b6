"""When an answer would be ready: from what a worker said last, and what was sent to it since.

With each reply a worker tells the work it holds (`domain.Load`). Since then time has passed, in which it worked, and
questions were sent, whose cost is rows x the cost of a row of their key:

    total = max(0, backlog - elapsed) + sent + own

Keys take turns at the device, so a key waits for no more than an equal share of each other one:

    share = max(0, keys x backlog of the key - elapsed) + keys x (sent of the key + own)

The answer is ready after the lesser of the two, of which `own` is certain, rows x the cost of a row, or the way of a
row through all its steps if that is longer, and the rest, its waiting, a guess: it is taken `WARY` times. To refuse a
little early costs nothing while others keep the device busy; to compute what comes too late costs it all.

What was not heard of for some seconds is forgotten, so that a wrong cost, on which everything would be refused,
corrects itself.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from pushforward.service.domain.inference import Load

Key = tuple[str, str, str]

FORGET_S = 5.0
KEYS = 1024  # remembered
WARY = 1.5


@dataclass
class _Known:
    """Work of a worker, or of one of its keys."""

    backlog_ms: float = 0.0
    sent_ms: float = 0.0  # since it was heard
    row_ms: float = 0.0
    pass_ms: float = 0.0
    keys: int = 1
    heard_at: float = 0.0  # of time.monotonic()


@final
class Forecast:
    """What one gateway knows of the work of all workers."""

    def __init__(self) -> None:
        self._workers: dict[str, _Known] = {}
        self._keys: OrderedDict[tuple[str, Key], _Known] = OrderedDict()

    def hear(self, key: Key, load: Load, now: float) -> None:
        """A worker told its load as it replied to questions of a key."""
        self._workers[load.worker] = _Known(load.backlog_ms, keys=load.keys, heard_at=now)
        self._keys[load.worker, key] = _Known(
            load.key_backlog_ms, row_ms=load.row_ms, pass_ms=load.pass_ms, heard_at=now
        )
        self._keys.move_to_end((load.worker, key))
        while len(self._keys) > KEYS:
            self._keys.popitem(last=False)

    def send(self, worker: str, key: Key, rows: int, now: float) -> None:
        """Questions are on their way to a worker."""
        known = self._key(worker, key, now)
        if known is not None:
            known.sent_ms += rows * known.row_ms
            self._workers[worker].sent_ms += rows * known.row_ms

    def busy_ms(self, worker: str, now: float) -> float:
        """How long a worker would take for all that it has."""
        known = self._worker(worker, now)
        return 0.0 if known is None else _left(known.backlog_ms, known, now) + known.sent_ms

    def finish_ms(self, worker: str, key: Key, rows: int, now: float) -> float:
        """When further rows of a key would be answered, from now."""
        all_, mine = self._worker(worker, now), self._key(worker, key, now)
        if all_ is None or mine is None:
            return 0.0
        own_ms = max(mine.pass_ms, rows * mine.row_ms)
        share = _left(all_.keys * mine.backlog_ms, mine, now) + all_.keys * (mine.sent_ms + own_ms)
        waiting_ms = min(self.busy_ms(worker, now), share - own_ms)
        return own_ms + WARY * max(0.0, waiting_ms)

    def keep(self, workers: set[str]) -> None:
        """Forget all other workers."""
        self._workers = {worker: known for worker, known in self._workers.items() if worker in workers}
        for worker, key in [each for each in self._keys if each[0] not in workers]:
            del self._keys[worker, key]

    def _worker(self, worker: str, now: float) -> _Known | None:
        known = self._workers.get(worker)
        return None if known is None or _stale(known, now) else known

    def _key(self, worker: str, key: Key, now: float) -> _Known | None:
        known = self._keys.get((worker, key))
        return None if known is None or _stale(known, now) or worker not in self._workers else known


def _left(work_ms: float, known: _Known, now: float) -> float:
    return max(0.0, work_ms - 1000 * (now - known.heard_at))


def _stale(known: _Known, now: float) -> bool:
    """Heard long ago, and it should have been heard of since."""
    return now - known.heard_at > FORGET_S + (known.backlog_ms + known.sent_ms) / 1000
