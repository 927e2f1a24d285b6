"""The expected latency of a request, for admission control.

Each batch of replies carries the load of its worker (`domain.Load`). Since then the worker has worked for some time,
and this gateway has sent it requests, whose cost is rows x the cost of a row of their key:

    total = max(0, backlog - elapsed) + sent + own

Keys take turns at the device, so a key waits for at most an equal share of each other key:

    share = max(0, keys x backlog of the key - elapsed) + keys x (sent of the key + own)

The latency is the smaller of the two. Its part `own` is known: rows x the cost of a row, or the time of one row through
all its steps if that is longer. The rest is waiting time, an estimate, and counts `SAFETY_FACTOR` times: to refuse a
request a little too early costs nothing while others keep the device busy, but a result that comes too late is wasted.

Observations expire after some seconds. Otherwise a cost that was measured too high would refuse every request, and
would never be measured again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import final

from pushforward.service.domain.inference import Load
from pushforward.service.processes.lag import lags_s

Key = tuple[str, str, str]

FORGET_S = 5.0
KEYS = 1024  # remembered
SAFETY_FACTOR = 1.5
LAG_S = 0.05  # between two measurements of the loop's lag
LAG_DECAY = 0.9  # of a lag counts at the next measurement
SHORTEST_RETRY_AFTER_S, LONGEST_RETRY_AFTER_S = 0.1, 60.0


@dataclass
class _Known:
    """The load of a worker, or of one of its keys, as last observed."""

    backlog_ms: float = 0.0
    sent_ms: float = 0.0  # since then
    row_ms: float = 0.0
    pass_ms: float = 0.0
    keys: int = 1
    observed_at: float = 0.0  # of time.monotonic()


@final
class LatencyModel:
    """The loads of all workers, as one gateway knows them."""

    def __init__(self) -> None:
        self._workers: dict[str, _Known] = {}
        self._keys: OrderedDict[tuple[str, Key], _Known] = OrderedDict()

    def observe(self, key: Key, load: Load, now: float) -> None:
        """Record the load that came with replies about a key."""
        self._workers[load.worker] = _Known(load.backlog_ms, keys=load.keys, observed_at=now)
        self._keys[load.worker, key] = _Known(
            load.key_backlog_ms, row_ms=load.row_ms, pass_ms=load.pass_ms, observed_at=now
        )
        self._keys.move_to_end((load.worker, key))
        while len(self._keys) > KEYS:
            self._keys.popitem(last=False)

    def send(self, worker: str, key: Key, rows: int, now: float) -> None:
        """Count rows that are sent to a worker."""
        known = self._key(worker, key, now)
        if known is not None:
            known.sent_ms += rows * known.row_ms
            self._workers[worker].sent_ms += rows * known.row_ms

    def load_ms(self, worker: str, now: float) -> float:
        """The time that a worker needs for all its work."""
        known = self._worker(worker, now)
        return 0.0 if known is None else _left(known.backlog_ms, known, now) + known.sent_ms

    def latency_ms(self, worker: str, key: Key, rows: int, now: float) -> float:
        """The expected latency of further rows of a key; 0 where the worker or the key is unknown."""
        all_, mine = self._worker(worker, now), self._key(worker, key, now)
        if all_ is None or mine is None:
            return 0.0
        own_ms = max(mine.pass_ms, rows * mine.row_ms)
        share = _left(all_.keys * mine.backlog_ms, mine, now) + all_.keys * (mine.sent_ms + own_ms)
        waiting_ms = min(self.load_ms(worker, now), share - own_ms)
        return own_ms + SAFETY_FACTOR * max(0.0, waiting_ms)

    def retain(self, workers: set[str]) -> None:
        """Forget all workers but these."""
        self._workers = {worker: known for worker, known in self._workers.items() if worker in workers}
        for worker, key in [each for each in self._keys if each[0] not in workers]:
            del self._keys[worker, key]

    def _worker(self, worker: str, now: float) -> _Known | None:
        known = self._workers.get(worker)
        return None if known is None or _stale(known, now) else known

    def _key(self, worker: str, key: Key, now: float) -> _Known | None:
        known = self._keys.get((worker, key))
        return None if known is None or _stale(known, now) or worker not in self._workers else known


@final
class Lag:
    """How late an event loop runs callbacks: replies will be read as late."""

    def __init__(self) -> None:
        self.seconds = 0.0

    async def measure(self) -> None:
        """Measure for ever."""
        async for late_s in lags_s(LAG_S):
            self.seconds = max(late_s, LAG_DECAY * self.seconds)


def retry_after_s(wait_s: float) -> float:
    """What a refusal says, for an expected wait."""
    return min(LONGEST_RETRY_AFTER_S, max(SHORTEST_RETRY_AFTER_S, wait_s))


def _left(work_ms: float, known: _Known, now: float) -> float:
    return max(0.0, work_ms - 1000 * (now - known.observed_at))


def _stale(known: _Known, now: float) -> bool:
    """Whether the observation is older than its work would take."""
    return now - known.observed_at > FORGET_S + (known.backlog_ms + known.sent_ms) / 1000
